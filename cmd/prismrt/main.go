// Command prismrt is the server and its command line: it uploads plugins, calls
// them and says what is there.
//
// Exit codes: 0; 1 when the server answered with a fault or not at all; 2 when
// the command was misused, such as an unknown flag or a file that cannot be read.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/marketprism/prismrt/runtime/script"
	"github.com/marketprism/prismrt/sdk/client"
)

// Exit codes.
const (
	exitFault  = 1
	exitMisuse = 2
)

// commandLine is the grammar: a field a command, each in the file of its name.
type commandLine struct {
	globals

	Serve serveCmd `cmd:"" help:"Run the server."`

	// Commands that talk to a server.
	Push      pushCmd      `cmd:"" help:"Upload a module or a script as a new version of a plugin."`
	Call      callCmd      `cmd:"" help:"Run a plugin on an input."`
	Submit    submitCmd    `cmd:"" help:"Submit a task: a call that is not lost, and is made when there is room."`
	Tasks     tasksCmd     `cmd:"" help:"List tasks, show, cancel and send them again."`
	Schedules schedulesCmd `cmd:"" help:"List schedules, which submit tasks again and again; make, pause and forget them."`
	Runtime   runtimeCmd   `cmd:"" help:"Install languages whose scripts can be pushed; list and remove them."`
	Plugins   pluginsCmd   `cmd:"" help:"List the plugins, or the versions of one."`
	Live      liveCmd      `cmd:"" help:"Send calls to another version, or a part of them: roll back, or forward."`
	Profile   profileCmd   `cmd:"" help:"Show in which functions a plugin burns its fuel and waits."`
	Rm        rmCmd        `cmd:"" help:"Stop a plugin and forget all its versions."`
	Events    eventsCmd    `cmd:"" help:"Show what happened on the server, and with -f what happens."`

	Bottlenecks bottlenecksCmd `cmd:"" help:"Say what is slow, why, and what to do."`

	// Commands for those who write plugins.
	New   newCmd   `cmd:"" help:"Make a folder to write a plugin in."`
	Build buildCmd `cmd:"" help:"Build the plugin in a folder."`
	Dev   devCmd   `cmd:"" help:"Build and upload a plugin, again after each change."`

	// Commands that need none.
	Backup        backupCmd  `cmd:"" help:"Copy a server's data, also while it serves."`
	Inspect       inspectCmd `cmd:"" help:"Say what a module is, and whether it can be a plugin."`
	CompileModule compileCmd `cmd:"" hidden:"" help:"Compile the module on standard input."`
	Version       versionCmd `cmd:"" help:"Say what this binary was built from."`
}

// globals are the flags of every command.
type globals struct {
	URL  string `name:"url" placeholder:"URL" default:"http://127.0.0.1:8080" env:"PRISM_URL" help:"The server to talk to."`
	Key  string `placeholder:"KEY" env:"PRISM_KEY" help:"API key, sent as a bearer token."`
	JSON bool   `name:"json" help:"Print JSON where a person would get text or a table."`
}

// client returns a client of the server the flags name.
func (g *globals) client() (*client.Client, error) {
	c, err := client.New(g.URL, client.Options{Key: g.Key})
	if err != nil {
		return nil, misuse{fmt.Errorf("--url or PRISM_URL: %w", err)}
	}
	return c, nil
}

// misuse is an error of the person at the keyboard.
type misuse struct{ error }

func main() { os.Exit(run(context.Background(), standard(), os.Args[1:])) }

// run parses the arguments, runs the command they name, and returns the exit code.
func run(ctx context.Context, t *terminal, args []string) int {
	var c commandLine
	helped := false
	parser, err := kong.New(&c,
		kong.Name("prismrt"),
		kong.Description("prismrt runs WebAssembly plugins, uploaded and called over HTTP."),
		kong.Vars{"languages": languages(), "scripts": strings.Join(script.Names(), " or ")},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(t.out, t.err),
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
		t.complain("prismrt: %v\nrun \"%s --help\" to see how it is used\n", err, selected(err))
		return exitMisuse
	}
	if err := command.Run(); err != nil {
		return report(t, &c.globals, err)
	}
	return 0
}

// interruptible returns a context that ends when the process is told to, for commands that
// leave something behind if they just end: processes, or files. The second time it just ends.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// selected returns the command that was recognised before parsing failed.
func selected(err error) string {
	if failed, ok := errors.AsType[*kong.ParseError](err); ok {
		if command := failed.Context.Selected(); command != nil {
			return command.FullPath()
		}
	}
	return "prismrt"
}
