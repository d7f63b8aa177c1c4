package api

import (
	"net/http"
	"strings"

	"github.com/marketprism/prismrt/runtime/task"
)

func (s *server) stats(w http.ResponseWriter, _ *request) error {
	return s.writeJSON(w, http.StatusOK, s.Monitor.Stats())
}

func (s *server) healthz(w http.ResponseWriter, _ *request) error {
	return s.writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
}

func (s *server) readyz(w http.ResponseWriter, _ *request) error {
	if reasons := s.Unready(); len(reasons) > 0 {
		return task.Faultf(task.KindUnavailable, "not ready: %s", strings.Join(reasons, "; "))
	}
	return s.writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}
