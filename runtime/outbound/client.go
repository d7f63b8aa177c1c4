package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Limits bound a client's connections. All fields are to be given.
type Limits struct {
	Connect time.Duration // to be connected, and to agree on TLS
	Idle    int           // connections that are kept for another request
	PerHost int           // of these, to one host and port
	Header  int64         // of an answer, in bytes
}

// errPrivate is why an address is not called.
var errPrivate = errors.New("it is not a public address; list it by its address, or set allow_private")

// NewTransport makes one that goes to no hosts but those that hostsOf finds in a request's
// context, and by no proxy. It looks at the address a name leads to as it connects, where it
// can change no more. A connection that another request has left is used again by those for the
// same host and port, which Hosts.Client looks at.
func NewTransport(l Limits, hostsOf func(context.Context) *Hosts) *http.Transport {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		name, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		hosts := hostsOf(ctx)
		t := TargetOf(&url.URL{Scheme: "https", Host: net.JoinHostPort(name, port)})
		allowed, ok := hosts.allow(t)
		if !ok {
			return nil, fmt.Errorf("%s is not allowed", t)
		}
		d := net.Dialer{Timeout: l.Connect, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if public(at.Addr()) || hosts.reach == Anywhere || hosts.reach == Listed && allowed.addr.IsValid() {
				return nil
			}
			return fmt.Errorf("%s leads to %s: %w", t.host, at.Addr(), errPrivate)
		}}
		return d.DialContext(ctx, network, address)
	}
	return &http.Transport{
		DialContext: dial, ForceAttemptHTTP2: true, DisableCompression: true, TLSHandshakeTimeout: l.Connect,
		MaxIdleConns: l.Idle, MaxIdleConnsPerHost: l.PerHost, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: l.Header,
	}
}

// Client makes one that asks these hosts alone, also where it is redirected: at most a number
// of times, after which the answer is the redirection itself.
func (h *Hosts) Client(transport http.RoundTripper, redirects int) *http.Client {
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > redirects {
				return http.ErrUseLastResponse
			}
			return h.check(r.URL)
		},
	}
}
