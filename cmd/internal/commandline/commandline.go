// Package commandline runs the commands that measure: it parses what was typed, runs the
// command it names, and makes an exit code of how that ended.
package commandline

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

// misuse is an error of the person at the keyboard.
type misuse struct{ error }

// Misuse says that an error is one of the person at the keyboard: the exit code is 2.
func Misuse(err error) error { return misuse{err} }

// Main runs a program until it ends or is interrupted, and exits.
func Main(run func(context.Context, *terminal.IO, []string) int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, &terminal.IO{Out: os.Stdout, Err: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// Run parses the arguments into a grammar of kong's, whose commands may ask for a
// context, the terminal and what is bound besides, runs the command they name and
// returns the exit code: 0, 1 for an error, 2 for misuse.
func Run(ctx context.Context, t *terminal.IO, name, description string, grammar any, args []string, bind ...any) int {
	helped := false
	parser, err := kong.New(grammar,
		kong.Name(name),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(t.Out, t.Err),
		kong.Exit(func(int) { helped = true }), // --help is all that exits, once it is printed
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(t),
		kong.Bind(bind...),
	)
	if err != nil {
		panic(err) // the grammar is wrong, whatever the arguments
	}
	command, err := parser.Parse(args)
	switch {
	case helped:
		return 0
	case err != nil:
		_, _ = fmt.Fprintf(t.Err, "%s: %v\nrun \"%s --help\" to see how it is used\n", name, err, name)
		return 2
	}
	err = command.Run()
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintf(t.Err, "%s: %v\n", name, err)
	if _, ok := errors.AsType[misuse](err); ok {
		return 2
	}
	return 1
}
