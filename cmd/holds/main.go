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

	"github.com/marketprism/prismrt/cmd/internal/commandline"
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

func main() { commandline.Main(run) }

const description = "holds measures what no guest may break: deadlines, memory, and the answers others wait for. " + "It starts servers of its own on free loopback ports and leaves nothing behind."

// run parses the arguments, runs the command they name, and returns the exit code.
func run(ctx context.Context, t *terminal.IO, args []string) int {
	var c commandLine
	return commandline.Run(ctx, t, "holds", description, &c, args, &c.globals)
}
