package main

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

// comparedCmd is what throughput starts beside prismrt: an HTTP server with prismrt's
// router, settings and number of Ps that does nothing but read the body and answer.
// It ends with its standard input, hence with who started it.
type comparedCmd struct {
	How string `arg:"" enum:"floor,headers,fresh,pool" help:"floor: Go answers. headers: Go answers, with as many bytes of header as prismrt. fresh: plain wazero, an instance a call. pool: plain wazero, instances that are called again as they are."`
}

// answering is the work of a compared server.
type answering func(ctx context.Context, input []byte) ([]byte, error)

// Run serves.
func (c *comparedCmd) Run(ctx context.Context, t *terminal.IO, g *globals) error {
	slots := served.MorePs()
	answer, header := floor, http.Header{}
	switch c.How {
	case "headers":
		header = prismrtHeader
	case "fresh", "pool":
		var err error
		if answer, err = onPlain(ctx, g, c.How == "fresh", 4*slots); err != nil {
			return err
		}
	}
	// The timeouts are the defaults of runtime.toml.
	return served.Serve(ctx, t.Err, &http.Server{Handler: router(answer, header), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute})
}

// floor answers in capitals: the least that the guest could cost.
func floor(_ context.Context, input []byte) ([]byte, error) {
	for i, c := range input {
		if 'a' <= c && c <= 'z' {
			input[i] = c - 'a' + 'A'
		}
	}
	return input, nil
}

// prismrtHeader is what else prismrt says in an answer, with values as long as they are.
var prismrtHeader = http.Header{
	"Prism-Fuel":             {"2312"},
	"Prism-Request-Id":       {"01KAXH6T9Z6X2V5M8N3QW4R7YB"},
	"Prism-Version":          {"1 0123456789ab"},
	"Server-Timing":          {"queue;dur=0.000, pool;dur=0.000, run;dur=0.002, host;dur=0.000, rewind;dur=0.001"},
	"X-Content-Type-Options": {"nosniff"},
}

// router answers where prismrt does, with a header to which it adds what it must.
func router(answer answering, header http.Header) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.GetHead)
	r.Get("/readyz", func(http.ResponseWriter, *http.Request) {})
	r.Post("/v1/plugins/{name}/invoke", func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < 0 || r.ContentLength > 1<<20 {
			http.Error(w, "the body's length must be known and at most 1 MiB", http.StatusRequestEntityTooLarge)
			return
		}
		input := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, input); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		output, err := answer(r.Context(), input)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		maps.Copy(w.Header(), header)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(len(output)))
		w.Write(output)
	})
	return r
}
