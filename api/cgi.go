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
	in, err := invocationOf(r)
	if err != nil {
		return err
	}
	limits, err := s.Invoker.Limits(r.Context(), namespace, in.Plugin)
	if err != nil {
		return err
	}
	kept := buffers.Get()
	b := &kept.Value
	defer func() { buffers.Put(kept, cap(b.in)+cap(b.out)) }()
	if b.in, err = readInto(b.in, w, r, limits.Input, "limits.input of "+in.Plugin); err != nil {
		return err
	}
	if in.Environ, err = cgi.Environ(r.Request, scriptPath(in.Plugin), len(b.in)); err != nil {
		if f, ok := errors.AsType[*task.Fault](err); ok && f.Kind == task.KindTooLarge {
			return &httpFault{http.StatusRequestHeaderFieldsTooLarge, f}
		}
		return err
	}
	in.Input, in.Buffer, in.Trace = b.in, b.out, s.Tracer.Take(r.Header)
	result, err := s.Invoker.Invoke(r.Context(), in)
	if r.version = result.Ref.Version; r.version != 0 {
		r.account(w.Header(), &result)
	}
	if err != nil {
		return gatewayFault(err, &result)
	}
	if cap(result.Output) > cap(b.out) {
		b.out = result.Output
	}
	answer, err := cgi.Parse(result.Output, r.Method)
	if err != nil {
		return badGateway(task.Faultf(task.KindGuest, "the answer of %s is not one of a CGI program: %w", in.Plugin, err))
	}
	s.writeAnswer(w, &answer)
	return nil
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
