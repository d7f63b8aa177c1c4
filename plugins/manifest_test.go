package plugins_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/task"
)

const wholeTOML = `
name     = "normalise"
abi      = "prism"
function = "handle"
[limits]
memory  = "32MiB"
timeout = "500ms"
fuel    = 500_000_000
input   = "64KiB"
output  = "1MiB"
[pool]
min = 2
max = 8
[health]
input    = '{"ping":true}'
expect   = '{"pong":true}'
every    = "30s"
failover = true
[tasks]
retries     = 7
backoff     = "2s"
max_backoff = "1m"
concurrency = 4
rate        = 12.5
keep        = "1h"
keep_dead   = "48h"

[grants]
config = { region = "eu", mode = "fast" }
`

const wholeJSON = `{
  "name": "normalise", "abi": "prism", "function": "handle",
  "limits": {"memory": "32MiB", "timeout": "500ms", "fuel": 500000000, "input": "64KiB", "output": "1MiB"},
  "pool": {"min": 2, "max": 8},
  "health": {"input": "{\"ping\":true}", "expect": "{\"pong\":true}", "every": "30s", "failover": true},
  "tasks": {"retries": 7, "backoff": "2s", "max_backoff": "1m", "concurrency": 4, "rate": 12.5, "keep": "1h", "keep_dead": "48h"},
  "grants": {"config": {"region": "eu", "mode": "fast"}}
}`

func TestAManifestIsTheSameInTOMLAndJSON(t *testing.T) {
	a, err := plugins.ParseTOML([]byte(wholeTOML))
	if err != nil {
		t.Fatal(err)
	}
	b, err := plugins.ParseJSON([]byte(wholeJSON))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("TOML gives %+v, JSON %+v", a, b)
	}
	if *a.Limits.Memory != 32<<20 || *a.Limits.Fuel != 500_000_000 || *a.Pool.Max != 8 || *a.Tasks.Retries != 7 || *a.Tasks.Rate != 12.5 || a.Grants.Config["region"] != "eu" {
		t.Errorf("read %+v", a)
	}
}

func TestBadManifestsAreRefusedByName(t *testing.T) {
	for name, tt := range map[string]struct {
		parse func([]byte) (plugins.Manifest, error)
		text  string
		want  []string
	}{
		"unknown TOML keys":    {plugins.ParseTOML, "colour = 1\n[limits]\nfeul = 3", []string{"colour", "limits.feul", "known are"}},
		"unknown JSON key":     {plugins.ParseJSON, `{"limits": {"feul": 3}}`, []string{"limits.feul"}},
		"a bare duration":      {plugins.ParseTOML, "[limits]\ntimeout = 1", []string{"timeout", "unit"}},
		"a bare interval":      {plugins.ParseTOML, "[health]\nevery = 10", []string{"every", "unit"}},
		"a rate of no number":  {plugins.ParseTOML, "[tasks]\nrate = nan", []string{"tasks.rate is NaN"}},
		"an endless rate":      {plugins.ParseTOML, "[tasks]\nrate = inf", []string{"tasks.rate is +Inf"}},
		"a number expected":    {plugins.ParseJSON, `{"health": {"expect": 4}}`, []string{"health.expect"}},
		"a bare JSON duration": {plugins.ParseJSON, `{"limits": {"timeout": 1}}`, []string{"timeout", "unit"}},
		"a wrong type":         {plugins.ParseTOML, "[pool]\nmin = \"few\"", []string{"min"}},
		"not TOML":             {plugins.ParseTOML, "name normalise", []string{"line 1"}},
		"not JSON":             {plugins.ParseJSON, "name normalise", []string{"not a JSON object"}},
		"a JSON list":          {plugins.ParseJSON, "[]", []string{"not a JSON object"}},
		"more after the JSON":  {plugins.ParseJSON, "{} {}", []string{"more after"}},
	} {
		_, err := tt.parse([]byte(tt.text))
		for _, want := range append(tt.want, "manifest: ", "invalid") {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one that says %q", name, err, want)
			}
		}
	}
}

func TestWhatAManifestSaysIsHeldToTheContract(t *testing.T) {
	for text, tt := range map[string]struct {
		abi  task.ABI
		want string // "": it is good
	}{
		"args = ['-c', 'print(1)']":                                 {task.ABICommand, ""},
		"abi = 'cgi'\nargs = ['a']\n[grants.config]\nregion = 'eu'": {task.ABICGI, ""},
		"args = ['-v']":          {task.ABIPrism, "args are for programs"},
		"args = [\"a\\u0000b\"]": {task.ABICommand, "zero byte"},
		"args = ['" + strings.Repeat("x", 70_000) + "']":   {task.ABICommand, "64KiB is the most"},
		"abi = 'cgi'\n[health]\ninput = ''":                {task.ABICGI, "CGI programs do not get"},
		"abi = 'cgi'\n[grants.config]\nPATH_INFO = '/'":    {task.ABICGI, `the key "PATH_INFO", which CGI has`},
		"abi = 'cgi'\n[grants.config]\nHTTP_X_USER = 'me'": {task.ABICGI, `the key "HTTP_X_USER", which CGI has`},
		"abi = 'fastcgi'":   {task.ABICommand, "must be command, prism, extism or cgi"},
		"function = 'main'": {task.ABICGI, "which has none"},
		"log = 'debug'\n[grants]\nhttp = ['example.com']\nvars = '1KiB'": {task.ABIExtism, ""},
		"log = 'debug'":                             {task.ABIPrism, "only Extism plug-ins have that"},
		"[grants]\nhttp = ['a.test']":               {task.ABICommand, "grants.http is given and the contract is command"},
		"[grants]\nvars = '1KiB'":                   {task.ABICGI, "grants.vars is given"},
		"[health]\ninput = 'a'":                     {task.ABIPrism, "there is none; set function to one of first, second"},
		"[health]\ninput = 'a'\nevery='9s'":         {task.ABICommand, ""},
		"function = 'first'\n[health]\ninput = 'a'": {task.ABIPrism, ""},
	} {
		m, err := plugins.ParseTOML([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		limits := task.Limits{Memory: 1 << 20, Timeout: 1, Fuel: 1, Stack: 1, Input: 1, Output: 1}
		v, err := m.Version(plugins.Defaults{Limits: limits, MaxLimits: limits, Max: 1, MaxMax: 1}, plugins.Report{ABI: tt.abi, Functions: []string{"first", "second"}})
		switch {
		case tt.want == "":
			if err != nil || len(v.Args) != len(m.Args) {
				t.Errorf("%.60s: %+v, %v", text, v, err)
			}
		case err == nil || !strings.Contains(err.Error(), tt.want):
			t.Errorf("%.60s: %v; want an error that says %q", text, err, tt.want)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add(wholeTOML)
	f.Add(wholeJSON)
	f.Add(`{"limits": {"memory": null}}`)
	f.Add(`{"pool": {"min": 99999999999999999999}}`)
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = plugins.ParseTOML([]byte(text))
		_, _ = plugins.ParseJSON([]byte(text))
	})
}
