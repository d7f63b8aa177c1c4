package callback

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/runtime/task"
)

func TestOnlyListedHostsAreAllowed(t *testing.T) {
	hosts, err := ParseHosts([]string{"example.com", "Hooks.Example.org:8443", "*.example.net", "*.local.test:8080", "192.0.2.7", "[2001:db8::1]:9000", "127.0.0.1:8000"}, false)
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]task.Kind{
		"https://example.com/hook?a=b":      "",
		"http://EXAMPLE.com.":               "",
		"https://example.com:443/":          "",
		"https://example.com:8443/":         task.KindForbidden,
		"https://a.example.com/":            task.KindForbidden,
		"https://hooks.example.org:8443/":   "",
		"https://hooks.example.org/":        task.KindForbidden,
		"https://a.example.net/":            "",
		"https://a.b.example.net/":          "",
		"https://example.net/":              task.KindForbidden,
		"https://.example.net/":             task.KindInvalid,
		"https://badexample.net/":           task.KindForbidden,
		"http://x.local.test:8080/":         "",
		"http://x.local.test/":              task.KindForbidden,
		"http://192.0.2.7/":                 "",
		"http://[::ffff:192.0.2.7]/":        "",
		"http://192.0.2.8/":                 task.KindForbidden,
		"http://3221225991/":                task.KindInvalid, // 192.0.2.7, to some resolvers
		"http://0xc0.0.2.7/":                task.KindInvalid,
		"http://127.1:8000/":                task.KindInvalid,
		"http://127.0.0.1:8000/":            "",
		"http://localhost:8000/":            task.KindForbidden,
		"http://[2001:db8::1]:9000/":        "",
		"http://[2001:db8:0::1]:9000/":      "",
		"http://[2001:db8::1%25eth0]:9000/": task.KindForbidden,
		"https://user:pw@example.com/":      task.KindInvalid,
		"https://example.com@evil.test/":    task.KindInvalid,
		"https://evil.test/#@example.com":   task.KindForbidden,
		"ftp://example.com/":                task.KindInvalid,
		"https:example.com":                 task.KindInvalid,
		"//example.com/":                    task.KindInvalid,
		"https://":                          task.KindInvalid,
		"https://exämple.com/":              task.KindInvalid,
		"":                                  task.KindInvalid,
		"https://example.com:99999/":        task.KindForbidden,
	} {
		err := hosts.Check(url)
		kind := task.Kind("")
		if err != nil {
			kind = task.FaultOf(err).Kind
		}
		if kind != want {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
	var none Hosts
	if f := task.FaultOf(none.Check("https://example.com/")); f == nil || f.Kind != task.KindForbidden || !strings.Contains(f.Message, "callbacks are off") {
		t.Errorf("where none is listed: %v", f)
	}
}

func TestWhatCannotBeAHostIsRefusedAtOnce(t *testing.T) {
	_, err := ParseHosts([]string{"example.com", "https://a.test", "a b", "*", "*.", "a:0", "a:99999", "a:b", "127.1", "-a.test", "", "*.1.2.3.4", "fe80::1%eth0", "a..b", "ok.test:1"}, false)
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
	hosts, err := ParseHosts([]string{"example.com", "*.example.net", "127.0.0.1:8000"}, false)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if err := hosts.Check(url); err != nil {
			if k := task.FaultOf(err).Kind; k != task.KindForbidden && k != task.KindInvalid {
				t.Fatal(err)
			}
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
