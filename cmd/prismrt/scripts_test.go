package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/marketprism/prismrt/sdk/sdktest"
)

// interpreterOf reads the interpreter of a language, which bench fetches.
func interpreterOf(t *testing.T, language string) []byte {
	t.Helper()
	if testing.Short() {
		t.Skip("it compiles an interpreter")
	}
	module, err := os.ReadFile(filepath.Join("..", "..", "bench", "build", language+".wasm"))
	if os.IsNotExist(err) {
		sdktest.Missing(t, "the interpreter of %s was not fetched; make -C bench %s, which make test runs, does it", language, language)
	}
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// startWith runs a server that has the interpreter of a language.
func startWith(t *testing.T, language string) (s *server, data string) {
	t.Helper()
	module, data := interpreterOf(t, language), t.TempDir()
	s = startPatient(t, data)
	if status, answer := s.do("PUT", "/v1/runtimes/"+language, module); status != http.StatusCreated {
		t.Fatalf("install %s: %d %s", language, status, answer)
	}
	return s, data
}

// startPatient is start for interpreters on a slow machine.
func startPatient(t *testing.T, data string) *server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, file, "[upload]\ncompile_timeout = \"5m\"\nstart_timeout = \"1m\"\n")
	return start(t, data, "--config", file)
}

// says calls a plugin and compares its answer.
func (s *server) says(name, input, want string) {
	s.t.Helper()
	if status, answer := s.do("POST", "/v1/plugins/"+name+"/invoke", []byte(input)); status != http.StatusOK || string(answer) != want {
		s.t.Errorf("%s answers %q with %d %q, want %q", name, input, status, answer, want)
	}
}

const ordersInPython = `import json, os, re, sys

pair = re.compile('([a-z]+)-([a-z]+)')
calls, seen = 0, []

def handle(input):
    global calls
    calls += 1
    seen.append(input)
    print('logged', file=sys.stderr)
    print('printed')
    order = json.loads(input)
    if 'fail' in order:
        raise ValueError('no ' + order['fail'])
    symbol = pair.sub(lambda m: m[1].upper() + '/' + m[2].upper(), order['symbol'])
    return {'symbol': symbol, 'calls': calls, 'seen': len(seen)}
`

// differsFromJSON answers with what json.loads and json.dumps do otherwise than those they stand for.
const differsFromJSON = `import json, math

texts = ['', ' ', 'null', ' [1, 2.5] ', '{"a": {"b": [true, null]}}', '{"a": 1, "a": 2}', '{,', '[1', '[1]]', '1 2', '"\\ud800"', '"\t"', 'NaN', '-Infinity', '\ufeff1', '1e999', '٣', '[' * 20000]
documents = [text.encode(encoding, 'surrogatepass') for text in texts for encoding in ('utf-8', 'utf-16', 'utf-16-le', 'utf-32-be', 'utf-8-sig')]
documents += texts + [b'"\xff"', b'"\xed\xa0\x80"', bytearray(b'[1]'), memoryview(b'1'), 1, None, [], b'\x00', b'5\x00']
circle = []
circle.append(circle)
values = [1, 1.5, math.nan, 10**30, 'ü\ud800"', None, True, [], {}, {'a': [1, {'b': ()}]}, {1: 2, None: 3, 1.5: 4, True: 5}, circle, {'a': object()}, {(): 1}, [circle, object()], object(), b'x', (1, 2)]

def outcome(function, *args, **options):
    try:
        return repr(function(*args, **options))
    except Exception as error:
        return type(error).__name__, str(error).split(' at 0x')[0]

def handle(input):
    differing = []
    for function, arguments in (json.loads, documents), (json.dumps, values):
        for argument in arguments:
            got, want = outcome(function, argument), outcome(function.__wrapped__, argument)
            if got != want:
                differing.append([function.__name__, repr(argument)[:100], got, want])
    for options in {'parse_int': str}, {'object_pairs_hook': list}:
        if outcome(json.loads, '{"a": 1}', **options) != outcome(json.loads.__wrapped__, '{"a": 1}', **options):
            differing.append(repr(options))
    if json.dumps({'b': [1], 'a': 2}, indent=1, sort_keys=True) != '{\n "a": 2,\n "b": [\n  1\n ]\n}':
        differing.append('indent')
    return json.dumps(differing)
`

func TestPythonScripts(t *testing.T) {
	top := t
	s := startScripting(t, "python")
	s.put("orders", ordersInPython, "")

	t.Run("answer, and keep nothing from call to call", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 25 {
					s.says("orders", `{"symbol": "btc-usdt"}`, `{"symbol": "BTC/USDT", "calls": 1, "seen": 1}`)
				}
			})
		}
		wg.Wait()
	})

	t.Run("fail with their own traceback", func(t *testing.T) {
		for range 2 {
			p := s.fails(http.StatusUnprocessableEntity, "guest", "ValueError: no price", "POST", "/v1/plugins/orders/invoke", []byte(`{"fail": "price"}`))
			want := []string{"Traceback (most recent call last):", `  File "orders.py", line 14, in handle`, `    raise ValueError('no ' + order['fail'])`, "ValueError: no price"}
			if strings.Join(p.Stack, "\n") != strings.Join(want, "\n") {
				t.Errorf("the traceback is %q", p.Stack)
			}
			if len(p.Log) != 2 || p.Log[0] != "logged" || p.Log[1] != "printed" {
				t.Errorf("the log is %q", p.Log)
			}
			s.says("orders", `{"symbol": "a-b"}`, `{"symbol": "A/B", "calls": 1, "seen": 1}`)
		}
	})

	t.Run("say why they failed in pieces, if they like", func(*testing.T) {
		s.put("pieces", `import os
def handle(input):
    os.write(0, b'no caf\xc3')
    os.write(0, b'\xa9\nhere')
    os._exit(1)
`, "")
		if p := s.fails(http.StatusUnprocessableEntity, "guest", "no café", "POST", "/v1/plugins/pieces/invoke", nil); strings.Join(p.Stack, "") != "here" {
			s.t.Errorf("the traceback is %q", p.Stack)
		}
	})

	t.Run("answer what they return", func(*testing.T) {
		s.answer("def handle(input): return ", "abc", [][2]string{
			{`input[::-1]`, "cba"},
			{`input.decode() + 'ü'`, "abcü"},
			{`None`, ""},
			{`[1, {'a': None}]`, `[1, {"a": null}]`},
			{`bytearray(input)`, "abc"},
			{`memoryview(input)[1:]`, "bc"},
			{`b''`, ""},
			{`len(input)`, "3"},
			{`input * 50000`, strings.Repeat("abc", 50000)},
		})
	})

	t.Run("read and write JSON as its module does", func(t *testing.T) {
		s.put("json", differsFromJSON, "") // which imports what it is called
		s.says("json", "", "[]")
	})

	t.Run("read standard input where they have no handler", func(t *testing.T) {
		s.put("lines", "import random, sys\nif __name__ == '__main__':\n  for line in sys.stdin: print(line.strip().upper())\n  print(input is not None)\n", "")
		s.says("lines", "a\nb", "A\nB\nTrue\n")
		s.says("lines", "", "True\n")
		s.put("exits", "import sys\nif sys.stdin.read(): sys.exit('that was too much')\n", "")
		s.says("exits", "", "")
		p := s.fails(http.StatusUnprocessableEntity, "exit", "exit code 1", "POST", "/v1/plugins/exits/invoke", []byte("a"))
		if len(p.Log) != 1 || p.Log[0] != "that was too much" {
			t.Errorf("the log is %q", p.Log)
		}
	})

	t.Run("draw other random numbers in each call", func(*testing.T) {
		s.drawAnew(
			"import random\nrandom.random()\ndef handle(input): return [random.random(), random.randrange(10**9)]\n",
			"import random, sys\nsys.stdin.read()\nprint(random.random())\n",
		)
	})

	t.Run("have their configuration as the environment", func(*testing.T) {
		s.haveConfig("import os\nregion = os.environ['region']\ndef handle(input): return region")
	})

	t.Run("are held to their limits", func(*testing.T) {
		s.areHeld("def handle(input):\n  if input == b'm': return str(len(bytearray(40 << 20)))\n  while input: pass\n", "32MiB")
	})

	t.Run("are refused where they cannot run, by line or by name", func(*testing.T) {
		s.areRefused(map[string]string{
			"import json\ndef handle(input:\n  pass":      "SyntaxError: '(' was never closed (bad.py, line 2)",
			"def handle(input):\n  return 1\n   return 2": "IndentationError: unexpected indent (bad.py, line 3)",
			"def handle(): pass":                          "bad.py, line 1: handle takes 0 arguments",
			"\ndef handle(a, b): pass":                    "bad.py, line 2: handle takes 2 arguments",
			"def handle(a, *, b): pass":                   "handle takes 2 arguments",
			"handle = 3":                                  "handle is of type int and cannot be called",
			"async def handle(input): pass":               "handle is a coroutine",
			"def handle(input): yield input":              "handle is a generator",
			"import nosuch\ndef handle(input): pass":      "ModuleNotFoundError: No module named 'nosuch'",
			"print('hello')":                              "came to its end without a look at its input",
			"def other(input): pass":                      "came to its end without a look at its input",
			"x = 1 / 0\ndef handle(input): pass":          "ZeroDivisionError: division by zero",
			"\xff\xfe":                                    "bad.py",
		}, func(stack []string) bool { return strings.Contains(strings.Join(stack, "\n"), `File "bad.py", line`) })
		s.fails(http.StatusBadRequest, "invalid", "is no language of scripts", "PUT", "/v1/plugins/bad?runtime=cobol", []byte("x"))
		s.fails(http.StatusBadRequest, "invalid", "file name", "PUT", "/v1/plugins/bad?runtime=python&file=..%2Fbad.py", []byte("x"))
		s.fails(http.StatusNotFound, "not_found", "has no function", "POST", "/v1/plugins/orders/invoke/other", nil)
	})

	t.Run("take callables of every sort", func(*testing.T) {
		s.take(
			"handle = len", "handle = lambda input: len(input)", "def handle(*all): return len(all[0])", "def handle(input, more=1): return len(input)",
			"class Handler:\n  def __call__(self, input): return len(input)\nhandle = Handler()\n",
			"from dataclasses import dataclass\n@dataclass\nclass A:\n  b: int\ndef handle(input): return A(len(input)).b",
			"\ufeffdef handle(input): return len(input)",
		)
	})

	t.Run("share their interpreter", func(*testing.T) { s.shareInterpreter("import json\ndef handle(input): return %d", 2<<20) })

	t.Run("run tasks that last", func(t *testing.T) {
		status, answer := s.do("POST", "/v1/tasks?plugin=orders", []byte(`{"symbol": "x-y"}`), "Prefer", "wait=20")
		if status != http.StatusOK || string(answer) != `{"symbol": "X/Y", "calls": 1, "seen": 1}` {
			t.Errorf("%d %s", status, answer)
		}
	})

	t.Run("keep their interpreter from being removed", func(t *testing.T) {
		s.fails(http.StatusConflict, "conflict", "orders", "DELETE", "/v1/runtimes/python", nil)
	})

	t.Run("come back after a restart", func(t *testing.T) {
		if code := s.stop(); code != 0 {
			t.Errorf("exit code %d:\n%s", code, &s.log)
		}
		s.server = startPatient(top, s.data)
		s.says("orders", `{"symbol": "btc-usdt"}`, `{"symbol": "BTC/USDT", "calls": 1, "seen": 1}`)
		s.says("region", "", "eu")
		_, answer := s.do("GET", "/v1/runtimes", nil)
		var list struct {
			Runtimes []struct {
				Name    string
				Scripts int
			}
		}
		if err := json.Unmarshal(answer, &list); err != nil || len(list.Runtimes) != 1 || list.Runtimes[0].Name != "python" || list.Runtimes[0].Scripts < 5 {
			t.Errorf("the runtimes are %s", answer)
		}
	})

	t.Run("leave nothing behind when they and their language are removed", func(t *testing.T) {
		var list struct{ Plugins []struct{ Name string } }
		if _, answer := s.do("GET", "/v1/plugins", nil); json.Unmarshal(answer, &list) != nil || len(list.Plugins) < 5 {
			t.Fatalf("the plugins are %s", answer)
		}
		for _, p := range list.Plugins {
			if status, answer := s.do("DELETE", "/v1/plugins/"+p.Name, nil); status != http.StatusNoContent {
				t.Fatalf("%d %s", status, answer)
			}
		}
		if status, answer := s.do("DELETE", "/v1/runtimes/python", nil); status != http.StatusNoContent {
			t.Fatalf("%d %s", status, answer)
		}
		s.fails(http.StatusNotFound, "not_found", "prismrt runtime add python", "PUT", "/v1/plugins/hello?runtime=python", []byte("def handle(input): pass"))
		left, err := filepath.Glob(filepath.Join(s.data, "modules", "*.wasm"))
		if err != nil || len(left) != 0 {
			t.Errorf("modules are left: %q, %v", left, err)
		}
	})
}

func TestWhatIsNoInterpreterIsNotInstalled(t *testing.T) {
	s := start(t, t.TempDir())
	s.fails(http.StatusBadRequest, "invalid", "cannot be an interpreter", "PUT", "/v1/runtimes/python", telling(1))
	s.fails(http.StatusBadRequest, "invalid", "is no language", "PUT", "/v1/runtimes/cobol", telling(1))
	s.fails(http.StatusBadRequest, "invalid", "does not run a script", "PUT", "/v1/runtimes/python", obedient(t))
	s.fails(http.StatusNotFound, "not_found", "is not installed", "DELETE", "/v1/runtimes/python", nil)
	s.fails(http.StatusNotFound, "not_found", "prismrt runtime add python", "PUT", "/v1/plugins/hello?runtime=python", []byte("def handle(input): pass"))
	if _, answer := s.do("GET", "/v1/runtimes", nil); strings.TrimSpace(string(answer)) != `{"runtimes":[]}` {
		t.Errorf("the runtimes are %s", answer)
	}
}

// scriptForm is an upload of a script with a manifest.
func scriptForm(t *testing.T, source, manifest string) (body []byte, contentType string) {
	t.Helper()
	body, contentType = form(t, []byte(source), manifest)
	return []byte(strings.ReplaceAll(string(body), `name="module"`, `name="script"`)), contentType
}

// images is how many bytes of memory the images of all guests take.
func (s *server) images(t *testing.T) int64 {
	t.Helper()
	_, answer := s.do("GET", "/v1/stats", nil)
	var stats struct {
		Memory struct {
			ImageBytes int64 `json:"image_bytes"`
		}
	}
	if err := json.Unmarshal(answer, &stats); err != nil || stats.Memory.ImageBytes == 0 {
		t.Fatalf("no images in %s", answer)
	}
	return stats.Memory.ImageBytes
}
