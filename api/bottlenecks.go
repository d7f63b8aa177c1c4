package api

import (
	"bytes"
	"net/http"
	"time"

	"github.com/marketprism/prismrt/runtime/bottleneck"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/task"
)

// bottlenecks answers GET /v1/bottlenecks?window=10s: as JSON, or for people where they
// prefer text/plain.
func (s *server) bottlenecks(w http.ResponseWriter, r *request) error {
	window, err := windowOf(r, bottleneck.Now)
	if err != nil {
		return err
	}
	mediaType, err := negotiate(r.Request, "application/json", "text/plain")
	if err != nil {
		return err
	}
	w.Header().Set("Vary", "Accept")
	report := bottleneck.NewReport(s.Monitor.Window(window), s.Profiles.Hot)
	if mediaType == "application/json" {
		return s.writeJSON(w, http.StatusOK, report)
	}
	var text bytes.Buffer
	if _, err := report.WriteTo(&text); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	s.write(w, http.StatusOK, text.Bytes())
	return nil
}

// windowOf reads the query parameter window: how far back to look.
func windowOf(r *request, otherwise time.Duration) (time.Duration, error) {
	text := r.URL.Query().Get("window")
	if text == "" {
		return otherwise, nil
	}
	window, err := time.ParseDuration(text)
	if err != nil || window < time.Second || window > monitor.MaxWindow {
		return 0, task.Faultf(task.KindInvalid, "window is %q; write a duration from 1s to %v, such as 5m", text, monitor.MaxWindow)
	}
	return window, nil
}
