package main

import (
	"context"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

type powerCmd struct{}

func (*powerCmd) Run(ctx context.Context, term *terminal.IO, g *globals) error { return nil }
