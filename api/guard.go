package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/marketprism/prismrt/runtime/task"
)

// guard keeps web pages from using a server that trusts whoever reaches it: a
// page of another origin, by http.CrossOriginProtection, and one whose name was
// made to point at this machine (DNS rebinding), by the Host it asks for.
func (s *server) guard(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(s.handle(func(http.ResponseWriter, *request) error {
		return task.Faultf(task.KindForbidden, "this request comes from a web page of another origin")
	}))
	named := protection.Handler(next)
	strange := s.handle(func(_ http.ResponseWriter, r *request) error {
		return task.Faultf(task.KindForbidden, "this server does not answer to the name %.80q; use 127.0.0.1 or localhost", r.Host)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.Host) {
			strange(w, r)
			return
		}
		named.ServeHTTP(w, r)
	})
}

// isLoopback tells whether a Host header names this machine.
func isLoopback(hostport string) bool {
	// As nearly every request has it.
	if host, _, _ := strings.Cut(hostport, ":"); host == "127.0.0.1" || host == "localhost" {
		return true
	}
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport // without a port
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
