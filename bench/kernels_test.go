package bench_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/marketprism/prismrt/bench/kernels/go/kernel"
)

// language is one module of build/ and what is run in it.
type language struct {
	name      string
	workloads []workload
}

// workload is a kernel, which is an exported function, or a Python program, which
// has code.
type workload struct {
	name string
	code string
	few  int32             // an n for tests
	want func(int32) int32 // what a kernel returns for n, computed here
}

var languages = []language{
	{"c", []workload{
		{name: "base64", few: 5, want: base64Text},
		{name: "empty", few: 1000, want: func(n int32) int32 { return n }},
		{name: "fib", few: 3, want: func(n int32) int32 { return n * 6765 }},
		{name: "matrix", few: 3, want: kernel.Matrix},
		{name: "quicksort", few: 3, want: sorted(4096, false)},
		{name: "regex", few: 2, want: matches},
		{name: "sha256", few: 3, want: kernel.SHA256},
		{name: "sieve", few: 2, want: func(n int32) int32 { return n * 6542 }},
		{name: "sum", few: 2, want: sum},
		{name: "tokenizer", few: 2, want: tokens},
	}},
	{"go", []workload{
		{name: "json", few: 3, want: kernel.JSON},
		{name: "map", few: 3, want: kernel.Map},
		{name: "matrix", few: 3, want: kernel.Matrix},
		{name: "regexp", few: 3, want: kernel.Regexp},
		{name: "sha256", few: 3, want: kernel.SHA256},
		{name: "sort", few: 3, want: kernel.Sort},
	}},
	{"as", []workload{
		{name: "crc32", few: 3, want: checksum},
		// After 1,000 steps The Computer Language Benchmarks Game prints -0.169087605.
		{name: "nbody", few: 1000, want: func(int32) int32 { return -169_087_605 }},
		{name: "sort", few: 3, want: sorted(2000, true)},
		{name: "stringhash", few: 1500, want: stringHash},
	}},
	{"python", []workload{
		{name: "start", code: `pass`},
		{name: "loop", code: pythonLoop},
		{name: "jsonre", code: pythonJSONRE},
	}},
}

const pythonLoop = `
def collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps

print(max((collatz(n), n) for n in range(1, 1500)))
`

const pythonJSONRE = `
import json, re

document = '{"id": 7, "tags": ["maker", "\\u00fcber"], "levels": [[97123.5, 0.0125], [97120.25, 7.5e-3]], "note": null}'
line = re.compile(r'(\S+) +(info|warn|error) +(\w+): (?:(GET|POST) (\S+)|.*?code=(\d+)|.*)')
journal = '''2026-11-23T09:14:07.122Z info  gateway: GET /v1/books/BTC-USDT?depth=20 200 1.84ms
2026-11-23T09:14:07.381Z warn  feed: gap of 3 updates, asking for a snapshot of ETH-PERP
2026-11-23T09:14:08.006Z error feed: peer 10.4.17.203 closed the connection, code=1006
'''

length = matched = 0
for i in range(300):
    value = json.loads(document)
    value['id'] += i
    length += len(json.dumps(value))
    matched += sum(len(m.group(3)) for m in line.finditer(journal))
print(length, matched)
`

// module reads what was built of the language.
func (l language) module() ([]byte, error) {
	file := filepath.Join("build", l.name+".wasm")
	module, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil, fmt.Errorf("bench/%s was not built: make -C bench does it", file)
	}
	return module, err
}

// on prepares the workload's runs.
func (w workload) on(tb testing.TB, e *engine) run {
	if w.code != "" {
		return e.program(tb, w.code)
	}
	return e.instance(tb, w.name)
}

// Metered or not, guests answer the same, and kernels what the same work gives
// natively.
func TestKernelsAgree(t *testing.T) {
	for _, l := range languages {
		t.Run("lang="+l.name, func(t *testing.T) {
			module, err := l.module()
			if err != nil {
				missing(t, err)
			}
			if len(module) > 1<<20 && (testing.Short() || raceEnabled()) {
				t.Skip(slow)
			}
			plain := newEngine(t, wazero.NewRuntimeConfig(), module)
			metered := newEngine(t, wazero.NewRuntimeConfig(), meter(t, module))
			for _, w := range l.workloads {
				t.Run("kernel="+w.name, func(t *testing.T) {
					want, err := w.on(t, plain)(w.few)
					if err != nil {
						t.Fatal(err)
					}
					if w.want != nil && want != w.want(w.few) {
						t.Errorf("n = %d: plain %v, natively %v", w.few, want, w.want(w.few))
					}
					got, err := w.on(t, metered)(w.few)
					if err != nil {
						t.Fatal(err)
					}
					if got != want {
						t.Errorf("n = %d: metered %v, plain %v", w.few, got, want)
					}
				})
			}
		})
	}
}

func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
