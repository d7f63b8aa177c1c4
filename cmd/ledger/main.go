// Command ledger keeps the books of a real server that is treated badly: it notes, in a
// process of its own, every task that was acknowledged and every result that was announced,
// while the server is killed (kill), its disk fills up (full) or fails to sync (sync), the
// power fails (power), or its clock is set (clock). In the end it accounts for each.
//
// Exit codes: 0 when the account holds; 1 when it does not, or something kept it from being
// taken; 2 when the command was misused.
//
//	make ledger
//	go run ./cmd/ledger kill --kills 3
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

	Kill  killCmd  `cmd:"" help:"Kill the server again and again, in the middle of whatever it does."`
	Power powerCmd `cmd:"" help:"Take the power away: what was not synced is gone. It needs root, on Linux."`
	Full  fullCmd  `cmd:"" help:"Fill the disk, and make room again. It needs root, on Linux."`
	Sync  syncCmd  `cmd:"" help:"Have the disk fail to sync. It needs strace."`
	Clock clockCmd `cmd:"" help:"Kill the server and set its clock, back and forward. It needs the sources, and Go."`
}

// globals are the flags of every command.
type globals struct {
	Server string `default:"bin/prismrt" help:"The prismrt binary to start; \"make build\" makes it."`
	Guests string `default:"cmd/ledger/guests" help:"The folder of the guest; \"make -C cmd/ledger/guests\" makes it."`
	Seed   uint64 `help:"Of what is done at random; 0: another one each time."`
	Book   string `type:"path" placeholder:"FILE" help:"Where each promise is noted as a line of JSON, as it is made; none: nowhere but in memory."`
	JSON   bool   `name:"json" help:"Print JSON instead of text."`
}

// module reads the guest.
func (g *globals) module() ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(g.Guests, "ledger.wasm"))
	if err != nil {
		return nil, fmt.Errorf("read the guest; \"make -C cmd/ledger/guests\" builds it: %w", err)
	}
	return b, nil
}

func main() { commandline.Main(run) }

const description = "ledger holds prismrt to its promises: that a task which was acknowledged is not lost, and a result that was announced does not change. " +
	"It starts servers of its own on free loopback ports and leaves nothing behind."

// run parses the arguments, runs the command they name, and returns the exit code.
func run(ctx context.Context, t *terminal.IO, args []string) int {
	var c commandLine
	return commandline.Run(ctx, t, "ledger", description, &c, args, &c.globals)
}
