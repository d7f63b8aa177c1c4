package main_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const ordersInJavaScript = `const pair = /([a-z]+)-([a-z]+)/
let calls = 0
const seen = []

export function handle(input) {
  calls++
  seen.push(input)
  console.log('logged', {calls, list: [1, 'a']})
  const order = JSON.parse(input)
  if (order.fail)
    throw new RangeError('no ' + order.fail)
  return {symbol: order.symbol.replace(pair, (_, a, b) => a.toUpperCase() + '/' + b.toUpperCase()), calls, seen: seen.length}
}
`

func TestJavaScriptScripts(t *testing.T) {
	top := t
	s := startScripting(t, "javascript")
	s.put("orders", ordersInJavaScript, "")

	t.Run("answer, and keep nothing from call to call", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 25 {
					s.says("orders", `{"symbol": "btc-usdt"}`, `{"symbol":"BTC/USDT","calls":1,"seen":1}`)
				}
			})
		}
		wg.Wait()
	})

	t.Run("fail with their own trace", func(t *testing.T) {
		for range 2 {
			p := s.fails(http.StatusUnprocessableEntity, "guest", "RangeError: no price", "POST", "/v1/plugins/orders/invoke", []byte(`{"fail": "price"}`))
			want := []string{"orders.js:11", "    throw new RangeError('no ' + order.fail)", "                                 ^", "RangeError: no price", "    at handle (orders.js:11:34)"}
			if !slices.Equal(p.Stack, want) {
				t.Errorf("the trace is %q", p.Stack)
			}
			if len(p.Log) != 1 || p.Log[0] != "logged { calls: 1, list: [ 1, 'a' ] }" {
				t.Errorf("the log is %q", p.Log)
			}
		}
		s.put("fails", `export async function handle(input) {
  switch (String(input)) {
  case 'thrown': throw {code: 7}
  case 'late': await null; null.x
  case 'lost': Promise.reject(new Error('nobody waits for it')); return 'fine'
  case 'never': return new Promise(() => {})
  case 'function': return () => 1
  case 'deep': { const f = () => f() + 1; return f() }
  case 'cause': throw new Error('outer', {cause: new TypeError('inner')})
  case 'circle': { const error = new Error('round'); error.cause = error; throw error }
  case 'json': JSON.parse('{')
  case 'exit': process.exit(3)
  }
}`, "")
		for input, want := range map[string]string{
			"thrown":   "thrown: { code: 7 }",
			"late":     "TypeError: cannot read property 'x' of null",
			"lost":     "Error: nobody waits for it",
			"never":    "the handler waits for something that never comes",
			"function": "TypeError: the answer is of type function",
			"deep":     "RangeError: Maximum call stack size exceeded",
			"cause":    "Error: outer",
			"circle":   "Error: round",
			"json":     "SyntaxError: ",
		} {
			p := s.fails(http.StatusUnprocessableEntity, "guest", want, "POST", "/v1/plugins/fails/invoke", []byte(input))
			if input == "json" && strings.Contains(p.Detail, "fails.js") {
				t.Errorf("an input's fault is said to be the script's: %s", p.Detail)
			}
			if input == "cause" && !slices.Contains(p.Stack, "TypeError: inner") {
				t.Errorf("without its cause: %q", p.Stack)
			}
		}
		s.fails(http.StatusUnprocessableEntity, "exit", "exit code 3", "POST", "/v1/plugins/fails/invoke", []byte("exit"))
		s.says("fails", "", "")
	})

	t.Run("answer what they return", func(*testing.T) {
		s.answer("const handle = input => ", "aü", [][2]string{
			{`input.toReversed()`, "\xbc\xc3a"},
			{`input + 'ü'`, "aüü"},
			{`undefined`, ""},
			{`null`, ""},
			{`[1, {a: null}]`, `[1,{"a":null}]`},
			{`new Uint16Array([0x6261])`, "ab"},
			{`input.buffer`, "aü"},
			{`input.subarray(1)`, "ü"},
			{`new TextEncoder().encode(new TextDecoder().decode(input))`, "aü"},
			{`{ const d = new TextDecoder(); return d.decode(input.subarray(0, 2), {stream: true}) + '|' + d.decode(input.subarray(2)) }`, "a|ü"},
			{`{ try { new TextDecoder('utf-8', {fatal: true}).decode(input.subarray(2)) } catch (error) { return error.name } }`, "TypeError"},
			{`''`, ""},
			{`0`, "0"},
			{`false`, "false"},
			{`input.length`, "3"},
			{`Promise.resolve('later')`, "later"},
			{`new Promise(done => setTimeout(done, 5, 'later'))`, "later"},
			{`'abc'.repeat(50000)`, strings.Repeat("abc", 50000)},
			{`typeof require + typeof module`, "functionobject"},
			{`crypto.getRandomValues(new Uint8Array(4)).length + crypto.randomUUID().length`, "40"},
		})
	})

	t.Run("draw other random numbers in each call", func(*testing.T) {
		s.drawAnew(
			"Math.random()\nexports.handle = () => [Math.random(), crypto.randomUUID()]",
			"require('fs').readFileSync(0)\nconsole.log(Math.random())",
		)
	})

	t.Run("have their configuration as the environment", func(*testing.T) { s.haveConfig("const {region} = process.env\nexport const handle = () => region") })

	t.Run("are held to their limits", func(*testing.T) {
		s.areHeld("export function handle(input) { if (input == 'm') return new Uint8Array(40 << 20).length; while (input.length); }", "32MiB")
	})

	t.Run("are refused where they cannot run, by line or by name", func(t *testing.T) {
		s.areRefused(map[string]string{
			"let a\nfunction handle(input {\n}":                         "(bad.js, line 2)",
			"export function handle(input) {\n  if (x {\n}":             "SyntaxError: Unexpected token '{' (bad.js, line 2)",
			"import a from './a.js'\nexport const handle = 1":           `there is no module "./a.js" here, only fs and process`,
			"require('left-pad')":                                       "a script is one file",
			"\nfunction handle(a, b) {}":                                "bad.js, line 2: handle takes 2 arguments",
			"export const handle = 3":                                   "handle is of type number and cannot be called",
			"class handle {}":                                           "handle is a class",
			"export function* handle(input) {}":                         "handle is a generator",
			"export async function* handle(input) {}":                   "handle is a generator",
			"console.log('hello')":                                      "came to its end without a look at its input",
			"export function other(input) {}":                           "came to its end without a look at its input",
			"null.x\nfunction handle(input) {}":                         "TypeError: cannot read property 'x' of null",
			"await Promise.reject(new Error('no'))\nexport default 1":   "Error: no",
			"await new Promise(() => {})\nexport const handle = i => i": "the top level waits for something that never comes",
		}, func(stack []string) bool { return strings.Contains(strings.Join(stack, "\n"), "bad.js:") })
		s.fails(http.StatusBadRequest, "invalid", "the module is not quickjs.wasm of quickjs-wasi@3.6.2", "PUT", "/v1/runtimes/javascript", obedient(t))
	})

	t.Run("take handlers of every sort", func(*testing.T) {
		s.take(
			"function handle(input) { return input.length }", "const handle = input => input.length", "export const handle = (...all) => all[0].length",
			"export default input => input.length", "export default async input => input.length", "module.exports = input => input.length",
			"exports.handle = (input, more = 1) => input.length", "\ufeff#!/usr/bin/env node\nexport function handle(input) { return input.length }",
			"import {readFileSync} from 'node:fs'\nimport process from 'process'\nexport const handle = input => input.length",
		)
	})

	t.Run("come back after a restart", func(t *testing.T) {
		if code := s.stop(); code != 0 {
			t.Errorf("exit code %d:\n%s", code, &s.log)
		}
		s.server = startPatient(top, s.data)
		s.says("orders", `{"symbol": "btc-usdt"}`, `{"symbol":"BTC/USDT","calls":1,"seen":1}`)
	})
}

// Scripts that read standard input do here what they do with Node.
func TestScriptsOfNodeRunHere(t *testing.T) {
	s := startScripting(t, "javascript")
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(err) // the README asks for it
	}
	for n, source := range []string{
		"const fs = require('fs')\nconst text = fs.readFileSync(0, 'utf8')\nconsole.log(text.toUpperCase())\nconsole.error('log')\n",
		"const fs = require('node:fs')\nconst input = fs.readFileSync('/dev/stdin')\nprocess.stdout.write(input)\nprocess.stdout.write(String(input.length))\n",
		"const fs = require('fs')\nconst piece = new Uint8Array(3)\nfor (let n; n = fs.readSync(0, piece);) fs.writeSync(1, piece.subarray(0, n))\n",
		"console.log('before')\nconst input = JSON.parse(require('fs').readFileSync(0))\nconsole.log(input.list.map(v => v * 2).join(), input, [1, [2, {a: 'b'}]], null, undefined, 10n, new Map([[1, 'x']]), new Set(['y']), new Uint8Array(2), \"it's\", [\"it's\", 'a\"b'], {'a-b': 1}, () => 1, class A {}, Symbol('s'))\n",
		"const text = String(require('fs').readFileSync(0))\nsetTimeout(() => console.log('second'), 20)\nsetTimeout(() => console.log('first', text.length), 5)\nprocess.nextTick(() => console.log('soon'))\n",
		"const n = Buffer_free(require('fs').readFileSync(0))\nfunction Buffer_free(b) { return b.length }\nprocess.exitCode = n > 3 ? 2 : 0\n",
		"require('fs').readFileSync(0)\nconsole.log(new TextDecoder().decode(new TextEncoder().encode('zoë')), atob(btoa('a')), typeof queueMicrotask, [3, 1, 2].toSorted())\n",
		"let text = ''\nprocess.stdin.setEncoding('utf8').on('data', piece => { text += piece }).on('end', () => console.log(text.length))\n",
		"(async () => {\n  const pieces = []\n  for await (const piece of process.stdin) pieces.push(piece)\n  console.log(JSON.parse(pieces[0]).name)\n})()\n",
	} {
		input := `{"list": [1, 2.5, 3], "name": "zoë"}`
		file := filepath.Join(t.TempDir(), "script.cjs")
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(node, file)
		cmd.Stdin = strings.NewReader(input)
		want, failed := cmd.Output()
		name := fmt.Sprint("node", n)
		s.put(name, source, "")
		if failed != nil {
			s.fails(http.StatusUnprocessableEntity, "exit", "exit code 2", "POST", "/v1/plugins/"+name+"/invoke", []byte(input))
			continue
		}
		if status, got := s.do("POST", "/v1/plugins/"+name+"/invoke", []byte(input)); status != http.StatusOK || string(got) != string(want) {
			t.Errorf("%s: %d %q, and with Node %q", source, status, got, want)
		}
	}
}
