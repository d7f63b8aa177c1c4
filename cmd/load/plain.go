package main

import (
	"context"

	"github.com/marketprism/prismrt/cmd/internal/plain"
)

// onPlain answers by the guest on plain wazero: with an instance a call, or with one of
// so many that are called again and again. These are what a server would have that
// isolates nothing: a call finds the memory as the one before it left it.
func onPlain(ctx context.Context, g *globals, fresh bool, instances int) (answering, error) {
	module, err := g.module("upper")
	if err != nil {
		return nil, err
	}
	runtime, err := plain.New(ctx, map[string][]byte{"upper": module})
	if err != nil {
		return nil, err
	}
	if fresh {
		return func(ctx context.Context, input []byte) ([]byte, error) { return runtime.Call(ctx, "upper", input) }, nil
	}
	pool := make(chan *plain.Instance, instances)
	for range instances {
		i, err := runtime.Instantiate(ctx, "upper")
		if err != nil {
			return nil, err
		}
		pool <- i
	}
	return func(ctx context.Context, input []byte) ([]byte, error) {
		i := <-pool
		defer func() { pool <- i }()
		return i.Call(ctx, input)
	}, nil
}
