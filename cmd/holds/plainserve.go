package main

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

// plainServeCmd is what freeze starts: the calls of prismrt's HTTP interface that
// it makes, on plain wazero. It ends with its standard input, hence with who
// started it.
type plainServeCmd struct{}

// Run serves.
func (*plainServeCmd) Run(ctx context.Context, t *terminal.IO, g *globals) error {
	served.MorePs()
	p, err := newPlain(ctx, g, "loop", "echo")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /v1/plugins/{name}/invoke", func(w http.ResponseWriter, r *http.Request) {
		input, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		output, err := p.Call(r.Context(), r.PathValue("name"), input)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(len(output)))
		w.Write(output)
	})
	return served.Serve(ctx, t.Err, &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second})
}
