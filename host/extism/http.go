package extism

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/marketprism/prismrt/runtime/outbound"
	"github.com/marketprism/prismrt/runtime/task"
)

const (
	// mostRedirects is how many are followed; the answer is the one after the last.
	mostRedirects = 10

	// mostRequest bounds the JSON that describes a request, in bytes.
	mostRequest = 256 << 10

	// mostHeader bounds the headers of an answer, in bytes.
	mostHeader = 256 << 10
)

// hostsKey is the key under which a request's context has the hosts that it may go to.
type hostsKey struct{}

func newTransport() http.RoundTripper {
	return outbound.NewTransport(outbound.Limits{Connect: 10 * time.Second, Idle: 64, PerHost: 16, Header: mostHeader},
		func(ctx context.Context) *outbound.Hosts { return ctx.Value(hostsKey{}).(*outbound.Hosts) })
}

// request is how plug-ins describe one.
type request struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
}

// http_request(request, body) -> a new block with the answer's body, 0 where that is empty.
// Both blocks are freed. A request that is not allowed, or is not answered, ends the guest: the
// ABI has no other way to say so.
func httpRequest(s *state, c Call, stack []uint64) {
	c.Spend(httpPrice)
	s.status, s.headers = 0, nil
	described := s.block(stack[0])
	if len(described) > mostRequest {
		refuse("the request is described in %v; %v is the most", task.Bytes(len(described)), task.Bytes(mostRequest))
	}
	c.Spend(int64(len(described)))
	var r request
	if err := json.Unmarshal(described, &r); err != nil {
		refuse("the request is not described as {\"url\", \"method\", \"headers\"}: %v", err)
	}
	// The memory stays where it is while the request goes on, since the guest does not run.
	body := s.block(stack[1])
	s.free(stack[0])
	s.free(stack[1])

	hosts, err := outbound.ParseHosts(c.Version().HTTP, s.host.reach)
	if err != nil {
		panic("extism: a manifest was let through whose " + err.Error()) // plugins checks it
	}
	if err := hosts.Check(r.URL); err != nil {
		refuse("a request to %.200q is not allowed, since it %v; list its host in grants.http of the manifest", r.URL, err)
	}
	to, err := url.Parse(r.URL)
	if err != nil {
		refuse("%v", err)
	}
	var answer []byte
	failed := c.Wait("http", to.Hostname(), func() (err error) {
		answer, err = s.send(c, &hosts, r, body)
		return err
	})
	if failed != nil {
		// What a URL says may be a secret, and it is the guest's own.
		if e, ok := errors.AsType[*url.Error](failed); ok {
			failed = e.Err
		}
		refuse("the request to %s failed: %v", outbound.TargetOf(to), failed)
	}
	stack[0] = put(s, c, answer)
}

// refuse ends the guest in a host function.
func refuse(format string, args ...any) {
	panic(task.Faultf(task.KindTrap, "extism.http_request: "+format, args...))
}

// errLong is why an answer is not taken.
var errLong = errors.New("its answer is larger than what limits.memory leaves; raise the limit in the manifest")

// send makes a request within what is left of the call's time, and notes what the answer says.
func (s *state) send(c Call, hosts *outbound.Hosts, r request, body []byte) ([]byte, error) {
	// The context is not the call's own, which the transport may still look at when the call is
	// over.
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), hostsKey{}, hosts))
	defer cancel()
	if at, ok := c.Deadline(); ok {
		var end context.CancelFunc
		ctx, end = context.WithDeadline(ctx, at)
		defer end()
	}
	defer context.AfterFunc(c, cancel)()
	method := strings.ToUpper(r.Method)
	if method == "" {
		method = http.MethodGet
	}
	q, err := http.NewRequestWithContext(ctx, method, r.URL, bytes.NewReader(bytes.Clone(body)))
	if err != nil {
		return nil, err
	}
	for name, value := range r.Headers {
		if strings.EqualFold(name, "Host") { // by which a server behind the same address is chosen
			return nil, errors.New("the header Host is the URL's")
		}
		q.Header.Set(name, value)
	}
	response, err := hosts.Client(s.host.transport, mostRedirects).Do(q)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	left := int64(c.Version().Limits.Memory) - int64(s.taken()) - 64
	answer, err := io.ReadAll(io.LimitReader(response.Body, max(0, left)+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(answer)) > left:
		return nil, errLong
	}
	s.status, s.headers = response.StatusCode, response.Header
	return answer, nil
}

// http_status_code() -> that of the last answer, 0 where there is none
func httpStatusCode(s *state, _ Call, stack []uint64) { stack[0] = uint64(s.status) }

// http_headers() -> a new block with those of the last answer, as a JSON object of names in
// lower case and values, of which several are joined by commas; 0 where there is none
func httpHeaders(s *state, c Call, stack []uint64) {
	if s.headers == nil {
		stack[0] = 0
		return
	}
	joined := make(map[string]string, len(s.headers))
	for name, values := range s.headers {
		joined[strings.ToLower(name)] = strings.Join(values, ",")
	}
	text, err := json.Marshal(joined)
	if err != nil {
		panic("extism: headers do not encode: " + err.Error())
	}
	c.Spend(int64(len(text)))
	stack[0] = put(s, c, text)
}
