package main

import (
	"context"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

type fullCmd struct{}

func (*fullCmd) Run(ctx context.Context, term *terminal.IO, g *globals) error { return nil }
