package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/marketprism/prismrt/cmd/internal/plain"
	"github.com/marketprism/prismrt/sdk/client"
)

// guest is a hostile plugin. Called with an empty input or "ok" it answers at
// once; called with "attack" it does what it does.
type guest struct {
	name  string
	does  string
	ends  []client.Kind // how its calls may be answered
	start bool          // it misbehaves before it can be called
}

var (
	late = []client.Kind{client.KindDeadline}
	// On a slow machine the deadline comes before so much output.
	tooLarge = []client.Kind{client.KindTooLarge, client.KindDeadline}
	// A stack that ends is a trap; how much of one there is, is the server's affair.
	overflow = []client.Kind{client.KindTrap, client.KindMemory, client.KindDeadline}
	unfit    = []client.Kind{client.KindDeadline, client.KindInvalid}
)

// hostile are the guests, in the order of the table.
var hostile = []guest{
	{name: "loop", does: "an infinite loop", ends: late},
	{name: "start", does: "an infinite loop in the start function", ends: unfit, start: true},
	{name: "tree", does: "2^50 calls without a loop", ends: late},
	{name: "recursion", does: "infinite recursion", ends: overflow},
	{name: "fill", does: "memory.fill of all memory", ends: late},
	{name: "grow", does: "memory.grow, every page written", ends: late},
	{name: "table", does: "table.grow", ends: late},
	{name: "tables", does: "table.grow of 16 tables", ends: late},
	{name: "sleep", does: "poll_oneoff for 292 years", ends: late},
	{name: "naps", does: "poll_oneoff, again when woken", ends: late},
	{name: "stubborn", does: "poll_oneoff, computing when woken", ends: late},
	{name: "output", does: "output_write without end", ends: tooLarge},
	{name: "stdout", does: "fd_write to 1 without end", ends: tooLarge},
	{name: "log", does: "log without end, in a long slice", ends: late},
	{name: "scatter", does: "fd_write to 2 of millions of pieces", ends: late},
	{name: "random", does: "random_get of all memory", ends: late},
	{name: "keys", does: "config_get by a key of all memory", ends: late},
}

// mayEnd tells whether calls of the guest may be answered so. Any may be refused when the
// others at the same time have shown that it cannot end before its deadline.
func (g guest) mayEnd(kind string) bool {
	return kind == string(client.KindBusy) || slices.Contains(g.ends, client.Kind(kind))
}

// selected returns the guests of these names, all for none.
func selected(wanted []string) ([]guest, error) {
	if len(wanted) == 0 {
		return hostile, nil
	}
	var chosen []guest
	for _, name := range wanted {
		i := slices.IndexFunc(hostile, func(g guest) bool { return g.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no guest %q; there are %s", name, strings.Join(names(hostile), ", "))
		}
		chosen = append(chosen, hostile[i])
	}
	return chosen, nil
}

func names(guests []guest) (names []string) {
	for _, g := range guests {
		names = append(names, g.name)
	}
	return names
}

// module reads a guest that was built.
func (g *globals) module(name string) ([]byte, error) {
	if name == "start" {
		return startModule, nil
	}
	b, err := os.ReadFile(filepath.Join(g.Guests, name+".wasm"))
	if err != nil {
		return nil, fmt.Errorf("read a guest; \"make -C cmd/holds/guests\" builds them: %w", err)
	}
	return b, nil
}

// newPlain has plain wazero compile the named guests.
func newPlain(ctx context.Context, g *globals, names ...string) (*plain.Runtime, error) {
	modules := make(map[string][]byte)
	for _, name := range names {
		module, err := g.module(name)
		if err != nil {
			return nil, err
		}
		modules[name] = module
	}
	return plain.New(ctx, modules)
}

// startModule is a command whose start section names a function that loops;
// clang's linker makes no start sections. Its _start does nothing.
var startModule = slices.Concat(
	[]byte("\x00asm\x01\x00\x00\x00"),
	[]byte{1, 4, 1, 0x60, 0, 0},                         // type () -> ()
	[]byte{3, 3, 2, 0, 0},                               // two functions of it
	[]byte{7, 10, 1, 6}, []byte("_start"), []byte{0, 0}, // the first is exported
	[]byte{8, 1, 1}, // the second is the start function:
	[]byte{10, 12, 2, 2, 0, 0x0b, 7, 0, 3, 0x40, 12, 0, 11, 11}, // end; loop br 0 end end
)
