package api

import (
	"cmp"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/tracing"
)

// batch runs a plugin on each of a stream of inputs and answers with the stream of what
// came out, in the same order.
func (s *server) batch(w http.ResponseWriter, r *request) error {
	b, v, err := s.openStream(w, r)
	if err != nil {
		refuseStream(w)
		return err
	}
	if r.Header.Get("Expect") != "" {
		// Once there is a status, net/http no longer says this by itself.
		w.WriteHeader(http.StatusContinue)
	}
	header := w.Header()
	header.Set("Content-Type", b.mediaType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Prism-Version", strconv.Itoa(v.Ref.Version)+" "+v.Digest.Short())
	header.Set("Trailer", "Prism-Fuel")
	w.WriteHeader(http.StatusOK)
	whole := b.serve(w)
	b.traced.End(tracing.Answered{
		ID: b.in.ID, Plugin: b.in.Plugin, Function: b.in.Function,
		Items: b.answered, Faults: b.faults.Load(), Fuel: b.fuel.Load(), Whole: whole,
	}, time.Now())
	if !whole {
		// The client has left, or is not to take what it got for all there is.
		panic(http.ErrAbortHandler)
	}
	header.Set("Prism-Fuel", strconv.FormatInt(b.fuel.Load(), 10))
	return nil
}

// openStream makes the stream that a request asks for, if it can be, and returns the
// version that its first items will have.
func (s *server) openStream(w http.ResponseWriter, r *request) (*stream, plugins.Version, error) {
	in, err := invocationOf(r)
	if err != nil {
		return nil, plugins.Version{}, err
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	how := notations[mediaType]
	if how == nil {
		return nil, plugins.Version{}, &httpFault{http.StatusUnsupportedMediaType, task.Faultf(task.KindInvalid, "the Content-Type of a batch is %s; this one is %.80q",
			strings.Join(slices.Sorted(maps.Keys(notations)), " or "), mediaType)}
	}
	limits, err := s.Invoker.Limits(r.Context(), namespace, in.Plugin)
	if err != nil {
		return nil, plugins.Version{}, err
	}
	v, err := s.liveVersion(in.Plugin)
	if err != nil {
		return nil, v, err
	}
	if err := checkFunction(v, in.Function); err != nil {
		return nil, v, err
	}
	d, err := newDuplex(w, r, s.BodyTimeout, s.BodyTimeout+time.Duration(limits.Timeout))
	if err != nil {
		return nil, v, err
	}
	// Room for as many chunks as keep the cores busy, and for as many calls at once.
	ahead := aheadOfCore * s.Cores
	b := &stream{
		server: s, duplex: d, in: in, mediaType: mediaType, notation: how, limit: int(limits.Input),
		queue: make(chan *chunk, ahead), turns: make(chan struct{}, min(ahead, cmp.Or(v.Run.Max, ahead))),
	}
	b.in.Trace = s.Tracer.Take(r.Header)
	b.traced = s.Tracer.Batch(b.in.Trace, time.Now())
	return b, v, nil
}

// liveVersion returns the version that answers, by the catalogue.
func (s *server) liveVersion(name string) (plugins.Version, error) {
	p, err := s.Catalogue.Plugin(namespace, name)
	if err != nil {
		return plugins.Version{}, err
	}
	return p.Version(p.Live)
}

// checkFunction refuses before the stream what no item could call.
func checkFunction(v plugins.Version, name string) error {
	switch {
	case name == "":
		return nil
	case v.ABI == task.ABIScript:
		return task.Faultf(task.KindNotFound, "%s is a script and has no function %q; call it without one", v.Ref.Plugin, name)
	case v.ABI.IsProgram():
		return task.Faultf(task.KindNotFound, "%s is a command and has no function %q; call it without one", v.Ref.Plugin, name)
	case !slices.Contains(v.Facts.Functions, name):
		return task.Faultf(task.KindNotFound, "%s has no function %q; it has %s", v.Ref.Plugin, name, strings.Join(v.Facts.Functions, ", "))
	}
	return nil
}
