package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/marketprism/prismrt/runtime/cgi"
	"github.com/marketprism/prismrt/runtime/task"
)

// sandbox is the policy that pages of plugins are shown under. Without
// allow-same-origin they are of an origin of their own: they cannot read what the API
// answers, nor each other's, and what they send to it comes from another origin, which
// guard refuses (HTML, "Sandboxing"; docs/cgi.md, "Strangers' pages").
const sandbox = "sandbox allow-scripts allow-forms allow-downloads"

// scriptPath is where the plugin is found.
func scriptPath(name string) string { return "/x/" + name }

// cgi answers a request as the plugin does that the path names.
func (s *server) cgi(w http.ResponseWriter, r *request) error {
	used := buffers.Get()
	defer keep(used)
	result, err := s.call(w, r, &used.Value, r.environ)
	if err != nil {
		return gatewayFault(err, &result)
	}
	answer, err := cgi.Parse(result.Output, r.Method)
	if err != nil {
		return badGateway(task.Faultf(task.KindGuest, "the answer of %s is not one of a CGI program: %w", r.param("name"), err))
	}
	s.writeAnswer(w, &answer)
	return nil
}

// environ says a request, whose body has so many bytes, in variables.
func (r *request) environ(body int) ([]string, error) {
	all, err := cgi.Environ(r.Request, scriptPath(r.param("name")), body)
	if f, ok := errors.AsType[*task.Fault](err); ok && f.Kind == task.KindTooLarge {
		return nil, &httpFault{http.StatusRequestHeaderFieldsTooLarge, f}
	}
	return all, err
}

// writeAnswer sends what a plugin answers, in at most the BodyTimeout.
func (s *server) writeAnswer(w http.ResponseWriter, answer *cgi.Response) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.BodyTimeout))
	header := w.Header()
	for name, values := range answer.Header {
		header[name] = values
	}
	header.Add("Content-Security-Policy", sandbox) // besides the plugin's own: both hold
	header["X-Content-Type-Options"] = nosniff
	w.WriteHeader(answer.Status)
	if len(answer.Body) > 0 {
		_, _ = w.Write(answer.Body)
	}
}

// gatewayFault is what became of a call as a gateway says it: what the plugin has done
// wrong is no fault of the client's.
func gatewayFault(err error, result *task.Result) error {
	fault := task.FaultOf(err)
	switch fault.Kind {
	case task.KindExit, task.KindTrap, task.KindGuest, task.KindFuel, task.KindMemory:
		return badGateway(fault)
	case task.KindTooLarge:
		if result.Fuel > 0 { // it is the output that was
			return badGateway(fault)
		}
	}
	return err
}

func badGateway(f *task.Fault) error { return &httpFault{http.StatusBadGateway, f} }
