package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	pprof "github.com/google/pprof/profile"
)

// spinning is a module whose handler has another function go so many times round a loop.
func spinning(turns int) []byte {
	section := func(id byte, content ...byte) []byte { return append([]byte{id, byte(len(content))}, content...) }
	count := []byte{byte(turns&0x7f) | 0x80, byte(turns>>7&0x7f) | 0x80, byte(turns >> 14)} // signed LEB128, of 1,000,000 or so
	loop := slices.Concat([]byte{1, 1, 0x7f, 0x41}, count, []byte{0x21, 0, 0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x0b})
	return slices.Concat(
		[]byte{0, 'a', 's', 'm', 1, 0, 0, 0},
		section(1, 3, 0x60, 2, 0x7f, 0x7f, 0, 0x60, 0, 1, 0x7f, 0x60, 0, 0),
		section(2, slices.Concat([]byte{1, 5}, []byte("prism"), []byte{12}, []byte("output_write"), []byte{0, 0})...),
		section(3, 2, 1, 2),
		section(5, 1, 0, 1),
		section(7, slices.Concat([]byte{2, 6}, []byte("memory"), []byte{2, 0, 6}, []byte("handle"), []byte{0, 1})...),
		section(10, slices.Concat([]byte{2, 6, 0, 0x10, 2, 0x41, 0, 0x0b, byte(len(loop))}, loop)...),
	)
}

func TestAProfileIsServedInEveryFormat(t *testing.T) {
	url, log := serve(t)
	get := func(query, accept string) (status int, mediaType string, body []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/plugins/spin/profile"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err = io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("Content-Type"), body
	}
	if status, _, _ := get("", ""); status != http.StatusNotFound {
		t.Errorf("without a plugin: %d", status)
	}
	for _, number := range []int{1_000_000, 1_000_001} {
		if status, answer := do(t, http.MethodPut, url+"/v1/plugins/spin", spinning(number)); status != http.StatusCreated {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if status, _, body := get("", ""); status != http.StatusOK || !strings.Contains(string(body), "nothing was sampled") {
		t.Errorf("before the first call: %d %s", status, body)
	}
	for range 20 {
		if status, answer := do(t, http.MethodPost, url+"/v1/plugins/spin/invoke", nil); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
	}
	for name, tt := range map[string]struct{ query, accept, mediaType, begin string }{
		"json":                  {"", "", "application/json", `{"plugin":"spin","version":2,`},
		"json as browsers ask":  {"?format=json", "text/html", "application/json", `{"plugin":"spin"`},
		"pprof":                 {"?format=pprof", "", "application/vnd.google.protobuf", "\x1f\x8b"},
		"pprof by Accept":       {"", "application/x-protobuf", "application/vnd.google.protobuf", "\x1f\x8b"},
		"folded":                {"?format=folded&window=1m", "", "text/plain; charset=utf-8", "$1;$2 "},
		"folded by Accept":      {"", "text/plain;q=0.9, */*", "text/plain; charset=utf-8", "$1;$2 "},
		"svg":                   {"", "image/svg+xml", "image/svg+xml", "<?xml"},
		"a difference":          {"?diff=version:1&format=folded", "", "text/plain; charset=utf-8", "$1;$2 0 "},
		"a difference in time":  {"?diff=5m&format=folded", "", "text/plain; charset=utf-8", "$1;$2 0 "},
		"a difference in pprof": {"?diff=5m&format=pprof", "", "application/vnd.google.protobuf", "\x1f\x8b"},
		"a version not called":  {"?version=1&format=folded", "", "text/plain; charset=utf-8", ""},
		"time on the host":      {"?by=host&format=folded", "", "text/plain; charset=utf-8", ""},
	} {
		status, mediaType, body := get(tt.query, tt.accept)
		if status != http.StatusOK || mediaType != tt.mediaType || !strings.HasPrefix(string(body), tt.begin) || tt.begin == "" && len(body) > 0 {
			t.Errorf("%s: %d %s %.100q", name, status, mediaType, body)
		}
	}
	_, _, body := get("?format=pprof", "")
	if p, err := pprof.Parse(bytes.NewReader(body)); err != nil || len(p.Sample) == 0 {
		t.Errorf("pprof: %v", err)
	}
	var summary struct {
		Functions []struct {
			Function  string
			FlatShare float64 `json:"flat_share"`
		}
		Notes []string
	}
	if _, _, body := get("", ""); json.Unmarshal(body, &summary) != nil || len(summary.Functions) < 2 || summary.Functions[0].Function != "$2" ||
		summary.Functions[0].FlatShare < 0.99 || !strings.Contains(summary.Notes[0], "loop") {
		t.Errorf("%s", body)
	}
	for query, want := range map[string]string{
		"?format=png":                "json, pprof, folded, svg",
		"?window=5":                  "a number and a unit",
		"?window=1s":                 "in windows of 5s",
		"?window=16m":                "kept for 15m0s",
		"?version=0":                 "not the number of a version",
		"?version=9":                 "no version 9",
		"?diff=yesterday":            "version:1",
		"?diff=version:9":            "no version 9",
		"?diff=11m":                  "shorten window or diff",
		"?by=weight":                 "fuel, or host",
		"?since=1m":                  "unknown query parameter",
		"?window=1m&window=-1m&by=x": "x",
	} {
		if status, _, body := get(query, ""); status/100 != 4 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s, want %q", query, status, body, want)
		}
	}
	if status, answer := do(t, http.MethodDelete, url+"/v1/plugins/spin", nil); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, answer)
	}
	if status, answer := do(t, http.MethodPut, url+"/v1/plugins/spin", spinning(1_000_000)); status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	if _, _, body := get("?format=folded", ""); len(body) > 0 {
		t.Errorf("a new plugin of the old name has %s", body)
	}
	if log.Len() > 0 {
		t.Errorf("the log says %s", log)
	}
}
