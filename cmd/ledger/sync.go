package main

import (
	"context"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

type syncCmd struct{}

func (*syncCmd) Run(ctx context.Context, term *terminal.IO, g *globals) error { return nil }
