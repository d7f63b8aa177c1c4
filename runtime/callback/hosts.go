package callback

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/marketprism/prismrt/runtime/task"
)

// Hosts are those that callbacks may go to. The zero value is none.
type Hosts struct {
	allowed []host
	private bool // addresses that are not public, too
}

// host is one of them, or all under a domain.
type host struct {
	name  string     // in lower case; of a domain, ".example.com"
	addr  netip.Addr // where it is an address; then it may be one that is not public
	port  string     // "": 80 and 443
	under bool       // it is a domain
}

// ParseHosts reads a list of hosts: a name, *.example.com for all names under one, or an
// address; each with a port, or else it is for 80 and 443 alone. With private, names may
// lead to addresses that are not public. It reports all that is wrong.
func ParseHosts(list []string, private bool) (Hosts, error) {
	h := Hosts{private: private}
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

// target is where a URL leads.
type target struct {
	host string // in lower case, without a dot at its end
	addr netip.Addr
	port string
}

func (t target) String() string { return net.JoinHostPort(t.host, t.port) }

func targetOf(u *url.URL) target {
	t := target{host: strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), port: u.Port()}
	if t.port == "" {
		t.port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if a, err := netip.ParseAddr(t.host); err == nil {
		t.addr = a.Unmap()
	}
	return t
}

// allow finds by which of the hosts a target is allowed.
func (h *Hosts) allow(t target) (host, bool) {
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

// Check says why a URL cannot be called back, in a fault of kind forbidden or invalid. Where
// names lead is looked at when they are called.
func (h *Hosts) Check(callback string) error {
	u, err := url.Parse(callback)
	switch {
	case len(h.allowed) == 0:
		return task.Faultf(task.KindForbidden, "callbacks are off; leave callback out, or ask the operator to allow the host in [callbacks] of runtime.toml")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "":
		return task.Faultf(task.KindInvalid, "the callback is %.80q; it must be a URL with https or http and a host", callback)
	case u.User != nil:
		return task.Faultf(task.KindInvalid, "the callback has a user in its URL; put what the receiver is to know into the path or the query")
	}
	t := targetOf(u)
	if !t.addr.IsValid() && !validName(t.host) {
		return task.Faultf(task.KindInvalid, "the callback's host is %.80q, which is neither a name in ASCII nor an address", u.Hostname())
	}
	if _, ok := h.allow(t); !ok {
		return task.Faultf(task.KindForbidden, "callbacks to %s are not allowed; ask the operator to list it in [callbacks] hosts of runtime.toml", t)
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
