// Package outbound is where the server's own requests may go: it reads lists of hosts, and
// makes the client that goes to no others, whatever a name leads to and wherever an answer
// redirects it.
package outbound

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Hosts are those that requests may go to. The zero value is none.
type Hosts struct {
	allowed []host
	reach   Reach
}

// Reach is which addresses may be called, of those that are not public.
type Reach int

// How far a list of hosts may reach.
const (
	Public   Reach = iota // none
	Listed                // those that are listed as addresses
	Anywhere              // all, also where names lead to them
)

// host is one of them, or all under a domain.
type host struct {
	name  string     // in lower case; of a domain, ".example.com"
	addr  netip.Addr // where it is an address
	port  string     // "": 80 and 443
	under bool       // it is a domain
}

// ParseHosts reads a list of hosts: a name, *.example.com for all names under one, or an
// address; each with a port, or else it is for 80 and 443 alone. It reports all that is
// wrong.
func ParseHosts(list []string, reach Reach) (Hosts, error) {
	h := Hosts{reach: reach}
	var wrong []string
	for _, text := range list {
		if one, ok := parseHost(text); ok {
			h.allowed = append(h.allowed, one)
		} else {
			wrong = append(wrong, fmt.Sprintf("%.80q", text))
		}
	}
	if wrong != nil {
		return Hosts{}, fmt.Errorf("%s cannot be a host; write example.com, example.com:8443, *.example.com, 192.0.2.1 or [2001:db8::1]:8080", strings.Join(wrong, ", "))
	}
	return h, nil
}

func parseHost(text string) (h host, ok bool) {
	name := text
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return host{addr: a.Unmap()}, a.Zone() == ""
	}
	if at, port, err := net.SplitHostPort(text); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return host{}, false
		}
		name, h.port = at, port
		if a, err := netip.ParseAddr(at); err == nil {
			h.addr = a.Unmap()
			return h, a.Zone() == ""
		}
	}
	if name, h.under = strings.CutPrefix(name, "*."); !validName(name) {
		return host{}, false
	}
	h.name = strings.ToLower(name)
	if h.under {
		h.name = "." + h.name
	}
	return h, true
}

// validName tells whether a name is one of hosts (RFC 1123, section 2.1), and none that a
// resolver takes for an address, such as 127.1 or 0x7f.1.
func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
		last = label
	}
	return last[0] < '0' || last[0] > '9'
}

// Target is where a URL leads.
type Target struct {
	host string // in lower case, without a dot at its end
	addr netip.Addr
	port string
}

// String returns "host:port".
func (t Target) String() string { return net.JoinHostPort(t.host, t.port) }

// TargetOf returns where a URL with http or https leads.
func TargetOf(u *url.URL) Target {
	t := Target{host: strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), port: u.Port()}
	if t.port == "" {
		t.port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if a, err := netip.ParseAddr(t.host); err == nil {
		t.addr = a.Unmap()
	}
	return t
}

// allow finds by which of the hosts a target is allowed.
func (h *Hosts) allow(t Target) (host, bool) {
	n := slices.IndexFunc(h.allowed, func(a host) bool {
		if a.port == "" && t.port != "80" && t.port != "443" || a.port != "" && a.port != t.port {
			return false
		}
		switch {
		case a.addr.IsValid() || t.addr.IsValid():
			return a.addr == t.addr
		case a.under:
			return strings.HasSuffix(t.host, a.name) && len(t.host) > len(a.name)
		}
		return a.name == t.host
	})
	if n < 0 {
		return host{}, false
	}
	return h.allowed[n], true
}

// None tells that nothing may be called.
func (h *Hosts) None() bool { return len(h.allowed) == 0 }

// Error says why a URL cannot be called. The sentence goes on from what names the URL.
type Error struct {
	Malformed bool   // it is no URL that anybody can call
	Target    Target // of one that is not
	why       string
}

func (e *Error) Error() string { return e.why }

func malformed(format string, args ...any) *Error {
	return &Error{Malformed: true, why: fmt.Sprintf(format, args...)}
}

// Check says why a URL cannot be called, in an *Error. Where names lead is looked at when they
// are called.
func (h *Hosts) Check(to string) error {
	u, err := url.Parse(to)
	if err != nil {
		return malformed("is %.80q; it must be a URL with https or http and a host", to)
	}
	return h.check(u)
}

func (h *Hosts) check(u *url.URL) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "":
		return malformed("is %.80q; it must be a URL with https or http and a host", u)
	case u.User != nil:
		return malformed("has a user in its URL; put what the receiver is to know into a header, the path or the query")
	}
	t := TargetOf(u)
	if !t.addr.IsValid() && !validName(t.host) {
		return malformed("has the host %.80q, which is neither a name in ASCII nor an address", u.Hostname())
	}
	if _, ok := h.allow(t); !ok {
		return &Error{Target: t, why: fmt.Sprintf("leads to %s, which is not allowed", t)}
	}
	return nil
}

// special are addresses that are not other people's: the registries of special-purpose
// addresses (IANA; RFC 6890). Of IPv6, what is not 2000::/3 is not given out.
var special = func() (all []netip.Prefix) {
	for _, text := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
		"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
	} {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}()

var unicast = netip.MustParsePrefix("2000::/3")

// public tells whether an address may be anybody's.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" || a.Is6() && !unicast.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}
