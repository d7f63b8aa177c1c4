// Command load measures the HTTP path of a real server, on the machine it runs on:
// how many calls it answers beside servers that do less (throughput), whether one
// plugin's flood keeps the cores from another (fairness), what becomes of calls when there
// are too many (overload), how many tasks are kept and run (tasks), and how soon scripts
// answer (scripts).
//
// The machine is shared with the generator of the load, which therefore is one of its
// own: see connection. What it takes is shown beside what the servers take.
//
// Exit codes: 0 when everything was measured, whatever came out; 1 when something did
// not work, such as a wrong answer; 2 when the command was misused.
//
//	make load
//	go run ./cmd/load throughput --rounds 3
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

// commandLine is the grammar: a field a command, each in the file of its name.
type commandLine struct {
	globals

	Throughput throughputCmd `cmd:"" help:"Make as many short calls as there are answers: how many, at what cost, beside servers that do less?"`
	Fairness   fairnessCmd   `cmd:"" help:"Flood one plugin: what does another get of the cores, and how soon does it answer?"`
	Overload   overloadCmd   `cmd:"" help:"Make more calls than can be answered: how many still are, and how soon are the others refused?"`

	Tasks tasksCmd `cmd:"" help:"Submit durable tasks: how many are run, and how soon, beside the database alone?"`

	Scripts scriptsCmd `cmd:"" help:"Upload scripts and call them: how soon do they answer, beside a guest in C?"`

	Backlog backlogCmd `cmd:"" help:"Let a million durable tasks of one plugin wait: what do they take, and does another plugin notice?"`

	// What throughput and tasks start in processes of their own.
	Compared comparedCmd `cmd:"" hidden:"" help:"Serve what prismrt is compared with."`
	Bare     bareCmd     `cmd:"" hidden:"" help:"Do a database's writes for tasks."`
}

// globals are the flags of every command.
type globals struct {
	Server string `default:"bin/prismrt" help:"The prismrt binary to start; \"make build\" makes it."`
	Guests string `default:"cmd/load/guests" help:"The folder of the guests; \"make -C cmd/load/guests\" makes them."`
	JSON   bool   `name:"json" help:"Print JSON instead of a table."`
}

// module reads a guest that was built.
func (g *globals) module(name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(g.Guests, name+".wasm"))
	if err != nil {
		return nil, fmt.Errorf("read a guest; \"make -C cmd/load/guests\" builds them: %w", err)
	}
	return b, nil
}

func main() { commandline.Main(run) }

const description = "load measures the HTTP path of prismrt. It starts servers of its own on free loopback ports and leaves nothing behind."

// run parses the arguments, runs the command they name, and returns the exit code.
func run(ctx context.Context, t *terminal.IO, args []string) int {
	var c commandLine
	return commandline.Run(ctx, t, "load", description, &c, args, &c.globals)
}
