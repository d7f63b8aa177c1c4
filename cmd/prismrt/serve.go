package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/marketprism/prismrt/runtime/config"
)

type serveCmd struct {
	Config      string `placeholder:"FILE" env:"PRISM_CONFIG" help:"Configuration; without it ./runtime.toml if there is one, else the defaults."`
	Listen      string `placeholder:"ADDR" env:"PRISM_LISTEN" help:"Address to listen on, such as 127.0.0.1:8080; port 0 takes a free one."`
	Data        string `placeholder:"DIR" env:"PRISM_DATA" help:"Folder for the database, modules and compiled code."`
	PrintConfig bool   `help:"Print the configuration in force, as a runtime.toml, and exit."`
}

// Help is shown below the flags.
func (serveCmd) Help() string {
	return "Serves until SIGINT or SIGTERM; then takes no new calls, lets those in flight finish for the grace " +
		"period, and ends. A second signal ends it at once. Flags and environment override the file."
}

// Run serves.
func (c *serveCmd) Run(ctx context.Context, t *terminal) error {
	cfg, err := c.load()
	if err != nil {
		return misuse{err}
	}
	if c.PrintConfig {
		return c.print(t, cfg)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// From the first signal on, the second has its usual effect: before anybody is told of
	// the first.
	told, tell := context.WithCancel(context.WithoutCancel(ctx))
	defer tell()
	context.AfterFunc(ctx, func() { stop(); tell() })
	return serve(told, cfg, t.err)
}

// print prints the configuration, and which secrets there are besides.
func (c *serveCmd) print(t *terminal, cfg config.Config) error {
	if names, _ := traceHeaders(); len(names) > 0 && cfg.Trace.Endpoint != "" {
		return t.printf("%s\n# sent with spans, from the environment, values not shown: %s\n", cfg, strings.Join(names, ", "))
	}
	return t.printf("%s", cfg)
}

// load reads the file, if there is one, and what flags and environment override.
func (c *serveCmd) load() (config.Config, error) {
	cfg := config.Default()
	path := c.Config
	if path == "" {
		path = "runtime.toml"
	}
	switch loaded, err := config.Load(path); {
	case err == nil:
		cfg = loaded
	case c.Config == "" && errors.Is(err, fs.ErrNotExist):
	default:
		return cfg, err
	}
	if c.Listen != "" {
		cfg.Server.Listen = c.Listen
	}
	if c.Data != "" {
		cfg.Server.Data = c.Data
	}
	if err := environTrace(&cfg.Trace); err != nil {
		return cfg, err
	}
	if err := cfg.Check(); err != nil {
		return cfg, fmt.Errorf("the configuration cannot work:\n%w", err)
	}
	if _, err := callbackHosts(cfg.Callbacks); err != nil {
		return cfg, fmt.Errorf("the configuration cannot work:\n%w", err)
	}
	return cfg, nil
}
