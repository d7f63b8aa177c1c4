package main

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/project"
	"github.com/marketprism/prismrt/sdk/client"
)

type devCmd struct {
	Dir  string `arg:"" optional:"" default:"." type:"path" help:"The project's folder."`
	Data data   `placeholder:"X" help:"Call the plugin with it after each upload, and print what it answers: the text itself, or @FILE."`
}

// Help is shown by "prismrt dev --help".
func (*devCmd) Help() string {
	return `Builds the project and uploads it, and does so again after each change, until it is
interrupted. What does not build leaves the version before it live. A server that is not
there yet is waited for. With --json there is an object for each upload.

Example:

  prismrt serve &
  cd greet && prismrt dev --data Ada
  prismrt dev --data @message.json`
}

// Run builds and uploads until it is interrupted.
func (d *devCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	if d.Data.text == "-" {
		return misuse{errors.New("--data is wanted after each upload, and standard input can be read once; name a @FILE")}
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	p, err := project.Open(d.Dir)
	if err != nil {
		return misuse{err}
	}
	if err := p.Language.Check(ctx); err != nil && ctx.Err() == nil {
		return misuse{err}
	}
	server, err := g.client()
	if err != nil {
		return err
	}
	w, err := newWatch(p)
	if err != nil {
		return err
	}
	defer w.close()
	for ctx.Err() == nil {
		b, err := d.build(ctx, t)
		for again := true; again && ctx.Err() == nil; {
			if err == nil {
				err = d.upload(ctx, t, g, server, b)
			}
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				report(t, g, err)
			}
			again, err = await(ctx, t, w, server, unanswered(err))
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// unanswered tells whether an error is that there is no server.
func unanswered(err error) bool {
	_, is := errors.AsType[*url.Error](err)
	return is
}

// await waits for a change, or where the server did not answer until it is ready: then the
// upload is to be made again, of what is built.
func await(ctx context.Context, t *terminal, w *watch, server *client.Client, down bool) (again bool, err error) {
	if changed, err := w.overtaken(ctx); changed || err != nil {
		return false, err
	}
	if !down {
		t.complain("watching %s\n", w.project.Dir)
		_, err = w.changed(ctx, nil)
		return false, err
	}
	t.complain("watching %s, and waiting for the server\n", w.project.Dir)
	ctx, cancel := context.WithCancel(ctx)
	up := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		if untilReady(ctx, server) == nil {
			close(up)
		}
	})
	changed, err := w.changed(ctx, up)
	cancel()
	asking.Wait()
	return err == nil && !changed, err
}

// untilReady returns nil once the server can run plugins, or ctx's error.
func untilReady(ctx context.Context, server *client.Client) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for server.Ready(ctx) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// built is what a build came to.
type built struct {
	project *project.Project // with the name that its manifest has by now
	module  string
	took    time.Duration
}

func (d *devCmd) build(ctx context.Context, t *terminal) (built, error) {
	p, err := project.Open(d.Dir)
	if err != nil {
		return built{}, misuse{err}
	}
	t.complain("building %s\n", p.Name)
	begun := time.Now()
	module, err := buildProject(ctx, t, p)
	return built{p, module, time.Since(begun)}, err
}

// upload makes what was built live, and calls it.
func (d *devCmd) upload(ctx context.Context, t *terminal, g *globals, server *client.Client, b built) error {
	m, err := manifestOf(b.project)
	if err != nil {
		return err
	}
	begun := time.Now()
	push := pushCmd{File: b.module, Name: b.project.Name}
	v, created, err := push.upload(ctx, t, server, m)
	if err != nil {
		return err
	}
	took := b.took + time.Since(begun)
	if !g.JSON {
		if err := t.printf("built in %.1f s, live after %.1f s: %s", b.took.Seconds(), took.Seconds(), outcome(v, created)); err != nil {
			return err
		}
	}
	var r *client.Result
	if d.Data.given {
		input, err := d.Data.read(t)
		if err != nil {
			return err
		}
		if r, err = server.Call(ctx, b.project.Name, input, client.CallOptions{}); err != nil {
			return err
		}
	}
	switch {
	case g.JSON:
		row := devRow{Module: b.module, BuildSeconds: b.took.Seconds(), Seconds: took.Seconds(), Created: created, Version: v}
		if r != nil {
			a := answerOf(r)
			row.Answer = &a
		}
		return t.json(row)
	case r != nil:
		_, err = t.out.Write(r.Output)
	}
	return err
}

// devRow is what --json prints of an upload.
type devRow struct {
	Module       string          `json:"module"`
	BuildSeconds float64         `json:"build_seconds"`
	Seconds      float64         `json:"seconds"` // until it was live
	Created      bool            `json:"created"` // else it was stored before, with the same manifest
	Version      *client.Version `json:"version"`
	Answer       *answer         `json:"answer,omitempty"` // to --data
}
