package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
)

// compileCmd is the server's compiler, in a process of its own: what a hostile
// module does to it, it does to nobody else.
type compileCmd struct {
	Dir    string        `arg:"" help:"Folder for the compiled code."`
	Memory uint64        `required:"" help:"Most address space to use, in bytes."`
	CPU    time.Duration `required:"" name:"cpu" help:"Most processor time to use."`
}

// Run compiles the module on standard input.
func (c *compileCmd) Run(ctx context.Context, t *terminal) error {
	if err := confine(c.Memory, c.CPU); err != nil {
		return fmt.Errorf("limit the compiler: %w", err)
	}
	module, err := engine.ReadModule(t.in)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, t.in)
		os.Exit(exitFault) // the server is gone
	}()
	if err := engine.CompileInto(ctx, c.Dir, module); err != nil {
		return bare{err}
	}
	return nil
}
