package main

import (
	"context"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

type clockCmd struct{}

func (*clockCmd) Run(ctx context.Context, term *terminal.IO, g *globals) error { return nil }
