package api

import (
	"net/http"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// runtimeRow is a language whose scripts can be uploaded.
type runtimeRow struct {
	Name      string      `json:"name"`
	Digest    task.Digest `json:"digest"` // of the interpreter that new scripts run with
	Bytes     int64       `json:"bytes"`
	Scripts   int         `json:"scripts"` // versions that use it
	UpdatedAt time.Time   `json:"updated_at"`
}

func (s *server) listRuntimes(w http.ResponseWriter, _ *request) error {
	rows := []runtimeRow{}
	for _, r := range s.Catalogue.Runtimes() {
		rows = append(rows, runtimeRow(r))
	}
	return s.writeJSON(w, http.StatusOK, map[string]any{"runtimes": rows})
}

// putRuntime installs the interpreter of a language: the body is its module.
func (s *server) putRuntime(w http.ResponseWriter, r *request) error {
	module, err := s.readBody(w, r, s.MaxModule, "upload.module of this server")
	if err != nil {
		return err
	}
	row, added, err := s.Catalogue.AddRuntime(r.Context(), r.param("name"), module)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if added {
		status = http.StatusCreated
	}
	return s.writeJSON(w, status, runtimeRow(row))
}

func (s *server) deleteRuntime(w http.ResponseWriter, r *request) error {
	if err := s.Catalogue.RemoveRuntime(r.Context(), r.param("name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
