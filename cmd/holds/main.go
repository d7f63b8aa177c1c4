// Command holds measures, against a real server over real HTTP, what no guest
// may break: the deadline and the memory of a call (limits), and how soon others
// are answered meanwhile (freeze, gc).
//
// Exit codes: 0 when everything held, whatever it took; 1 when something did
// not; 2 when the command was misused. Times are shown and not judged, since
// machines are noisy.
//
//	make build && make -C cmd/holds/guests && go run ./cmd/holds limits
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

// crowd is how many hostile guests run at once.
const crowd = 4

// commandLine is the grammar: a field a command, each in the file of its name.
type commandLine struct {
	globals

	Limits limitsCmd `cmd:"" help:"Call hostile guests: when is each answered, and what does it take of the server?"`
	Freeze freezeCmd `cmd:"" help:"Make short calls while guests spin: how soon are they answered, beside plain wazero?"`
	GC     gcCmd     `cmd:"" name:"gc" help:"Collect garbage while guests spin: how long does it take, beside plain wazero?"`

	// What freeze and gc start in processes of their own.
	PlainServe plainServeCmd `cmd:"" hidden:"" help:"Serve guests on plain wazero."`
	PlainGC    plainGCCmd    `cmd:"" hidden:"" name:"plain-gc" help:"Collect garbage beside guests on plain wazero."`
}

// globals are the flags of every command.
type globals struct {
	Server string `default:"bin/prismrt" help:"The prismrt binary to start; \"make build\" makes it."`
	Guests string `default:"cmd/holds/guests" help:"The folder of the guests; \"make -C cmd/holds/guests\" makes them."`
	JSON   bool   `name:"json" help:"Print JSON instead of a table."`
}

// misuse is an error of the person at the keyboard.
type misuse struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, &terminal.IO{Out: os.Stdout, Err: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run parses the arguments, runs the command they name, and returns the exit code.
func run(ctx context.Context, t *terminal.IO, args []string) int {
	var c commandLine
	helped := false
	parser, err := kong.New(&c,
		kong.Name("holds"),
		kong.Description("holds measures what no guest may break: deadlines, memory, and the answers others wait for. "+
			"It starts servers of its own on free loopback ports and leaves nothing behind."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(t.Out, t.Err),
		kong.Exit(func(int) { helped = true }), // --help is all that exits, once it is printed
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(t, &c.globals),
	)
	if err != nil {
		panic(err) // the grammar above is wrong, whatever the arguments
	}
	command, err := parser.Parse(args)
	switch {
	case helped:
		return 0
	case err != nil:
		_, _ = fmt.Fprintf(t.Err, "holds: %v\nrun \"holds --help\" to see how it is used\n", err)
		return 2
	}
	err = command.Run()
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(t.Err, "holds:", err)
	if _, ok := errors.AsType[misuse](err); ok {
		return 2
	}
	return 1
}
