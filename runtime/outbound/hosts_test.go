package outbound

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// What Check can say of a URL.
const allowed, refused, invalid = "allowed", "refused", "invalid"

func TestOnlyListedHostsAreAllowed(t *testing.T) {
	hosts, err := ParseHosts([]string{"example.com", "Hooks.Example.org:8443", "*.example.net", "*.local.test:8080", "192.0.2.7", "[2001:db8::1]:9000", "127.0.0.1:8000"}, Listed)
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"https://example.com/hook?a=b":      allowed,
		"http://EXAMPLE.com.":               allowed,
		"https://example.com:443/":          allowed,
		"https://example.com:8443/":         refused,
		"https://a.example.com/":            refused,
		"https://hooks.example.org:8443/":   allowed,
		"https://hooks.example.org/":        refused,
		"https://a.example.net/":            allowed,
		"https://a.b.example.net/":          allowed,
		"https://example.net/":              refused,
		"https://.example.net/":             invalid,
		"https://badexample.net/":           refused,
		"http://x.local.test:8080/":         allowed,
		"http://x.local.test/":              refused,
		"http://192.0.2.7/":                 allowed,
		"http://[::ffff:192.0.2.7]/":        allowed,
		"http://192.0.2.8/":                 refused,
		"http://3221225991/":                invalid, // 192.0.2.7, to some resolvers
		"http://0xc0.0.2.7/":                invalid,
		"http://127.1:8000/":                invalid,
		"http://127.0.0.1:8000/":            allowed,
		"http://localhost:8000/":            refused,
		"http://[2001:db8::1]:9000/":        allowed,
		"http://[2001:db8:0::1]:9000/":      allowed,
		"http://[2001:db8::1%25eth0]:9000/": refused,
		"https://user:pw@example.com/":      invalid,
		"https://example.com@evil.test/":    invalid,
		"https://evil.test/#@example.com":   refused,
		"ftp://example.com/":                invalid,
		"https:example.com":                 invalid,
		"//example.com/":                    invalid,
		"https://":                          invalid,
		"https://exämple.com/":              invalid,
		"":                                  invalid,
		"https://example.com:99999/":        refused,
	} {
		err := hosts.Check(url)
		got := allowed
		if e, ok := errors.AsType[*Error](err); ok && e.Malformed {
			got = invalid
		} else if err != nil {
			got = refused
		}
		if got != want {
			t.Errorf("%s: %v, want it %s", url, err, want)
		}
	}
	var none Hosts
	if !none.None() || none.Check("https://example.com/") == nil {
		t.Error("where none is listed, one is allowed")
	}
}

func TestWhatCannotBeAHostIsRefusedAtOnce(t *testing.T) {
	_, err := ParseHosts([]string{"example.com", "https://a.test", "a b", "*", "*.", "a:0", "a:99999", "a:b", "127.1", "-a.test", "", "*.1.2.3.4", "fe80::1%eth0", "a..b", "ok.test:1"}, Listed)
	if err == nil {
		t.Fatal("no error")
	}
	for _, wrong := range []string{`"https://a.test"`, `"a b"`, `"*"`, `"*."`, `"a:0"`, `"a:99999"`, `"a:b"`, `"127.1"`, `"-a.test"`, `""`, `"*.1.2.3.4"`, `"fe80::1%eth0"`, `"a..b"`} {
		if !strings.Contains(err.Error(), wrong) {
			t.Errorf("%v does not say %s", err, wrong)
		}
	}
	if strings.Contains(err.Error(), `"example.com"`) || strings.Contains(err.Error(), `"ok.test:1"`) {
		t.Errorf("%v refuses too much", err)
	}
}

func TestPublicAddressesAreToldApart(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "192.0.3.1": true, "172.32.0.1": true, "223.255.255.255": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true, "100.128.0.1": true,
		"127.0.0.1": false, "127.255.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "192.0.0.8": false, "198.18.0.1": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd12::1": false, "ff02::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false,
		"::127.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001::1": false, "2001:db8::1": false, "3fff::1": false, "fec0::1": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is public: %v, want %v", text, got, want)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func FuzzCheck(f *testing.F) {
	for _, url := range []string{"https://example.com/", "http://127.0.0.1:8000/x", "https://a.example.net:443", "http://[::1]/", "https://u@example.com"} {
		f.Add(url)
	}
	hosts, err := ParseHosts([]string{"example.com", "*.example.net", "127.0.0.1:8000"}, Listed)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if err := hosts.Check(url); err != nil {
			return
		}
		// What is allowed is one of the three, whoever reads the URL.
		_, rest, ok := strings.Cut(strings.ToLower(url), "://")
		end := strings.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		at := rest[:end]
		if !ok || !strings.HasPrefix(at, "example.com") && !strings.Contains(at, ".example.net") && !strings.HasPrefix(at, "127.0.0.1:8000") && !strings.HasPrefix(at, "[::ffff:") || strings.Contains(at, "@") {
			t.Fatalf("%q is allowed", url)
		}
	})
}
