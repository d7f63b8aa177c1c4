package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

func (s *server) invoke(w http.ResponseWriter, r *request) error {
	in := task.Invocation{ID: r.id, Namespace: namespace, Plugin: r.param("name"), Function: r.param("function")}
	if text := r.Header.Get("Prism-Timeout"); text != "" {
		timeout, err := time.ParseDuration(text)
		if err != nil || timeout <= 0 {
			return task.Faultf(task.KindInvalid, "the header Prism-Timeout is %q; write a positive number and a unit, such as 500ms", text)
		}
		in.Timeout = timeout
	}
	limits, err := s.Invoker.Limits(r.Context(), namespace, in.Plugin)
	if err != nil {
		return err
	}
	if in.Input, err = s.readBody(w, r, limits.Input, "limits.input of "+in.Plugin); err != nil {
		return err
	}

	result, err := s.Invoker.Invoke(r.Context(), in)
	header := w.Header()
	if result.Ref.Version != 0 {
		r.version = result.Ref.Version
		header.Set("Prism-Version", strconv.Itoa(result.Ref.Version)+" "+result.Digest.Short())
		header.Set("Prism-Fuel", strconv.FormatInt(result.Fuel, 10))
		header.Set("Server-Timing", serverTiming(result.Timing))
	}
	if err != nil {
		return err
	}
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Length", strconv.Itoa(len(result.Output)))
	s.write(w, http.StatusOK, result.Output)
	return nil
}

// serverTiming writes phases in milliseconds (W3C Server Timing).
func serverTiming(t task.Timing) string {
	b := make([]byte, 0, 64)
	b = append(b, "pool;dur="...)
	b = strconv.AppendFloat(b, float64(t.Pool.Microseconds())/1000, 'f', 3, 64)
	b = append(b, ", run;dur="...)
	b = strconv.AppendFloat(b, float64(t.Run.Microseconds())/1000, 'f', 3, 64)
	b = append(b, ", rewind;dur="...)
	b = strconv.AppendFloat(b, float64(t.Rewind.Microseconds())/1000, 'f', 3, 64)
	return string(b)
}
