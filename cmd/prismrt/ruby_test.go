package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

const ordersInRuby = `require 'json'
require 'set'

PAIR = /([a-z]+)-([a-z]+)/
$calls, $seen = 0, Set.new

def handle(input)
  $calls += 1
  $seen << rand
  warn 'logged'
  puts 'printed'
  STDOUT.puts 'said'
  order = JSON.parse(input)
  raise ArgumentError, "no #{order['fail']}" if order.key?('fail')
  {symbol: order['symbol'].sub(PAIR) { "#{$1.upcase}/#{$2.upcase}" }, calls: $calls, seen: $seen.size}
end

puts 'loaded' # not a part of any answer
`

func TestRubyScripts(t *testing.T) {
	top := t
	s := startScripting(t, "ruby")
	s.put("orders", ordersInRuby, "")

	t.Run("answer, and keep nothing from call to call", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range 10 {
					s.says("orders", `{"symbol": "btc-usdt"}`, `{"symbol":"BTC/USDT","calls":1,"seen":1}`)
				}
			})
		}
		wg.Wait()
	})

	t.Run("fail with their own traceback", func(t *testing.T) {
		for range 2 {
			p := s.fails(http.StatusUnprocessableEntity, "guest", "ArgumentError: no price", "POST", "/v1/plugins/orders/invoke", []byte(`{"fail": "price"}`))
			want := []string{
				"orders.rb:14:in `handle': no price (ArgumentError)", "",
				"  raise ArgumentError, \"no #{order['fail']}\" if order.key?('fail')", "        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
			}
			if strings.Join(p.Stack, "\n") != strings.Join(want, "\n") {
				t.Errorf("the traceback is %q", p.Stack)
			}
			if strings.Join(p.Log, " ") != "loaded logged printed said" {
				t.Errorf("the log is %q", p.Log)
			}
			s.says("orders", `{"symbol": "a-b"}`, `{"symbol":"A/B","calls":1,"seen":1}`)
		}
	})

	t.Run("have the line that failed in it, and what led there", func(t *testing.T) {
		s.put("deep", "def half(x)\n  x.halve / 2\nend\n\ndef handle(input)\n  half(input.to_i)\nrescue NoMethodError\n  raise \"it cannot be \\xff halved\"\nend\n", "")
		p := s.fails(http.StatusUnprocessableEntity, "guest", "RuntimeError: it cannot be \ufffd halved", "POST", "/v1/plugins/deep/invoke", []byte("5"))
		want := []string{
			"deep.rb:8:in `rescue in handle': it cannot be \ufffd halved (RuntimeError)", "\tfrom deep.rb:5:in `handle'",
			"deep.rb:2:in `half': undefined method `halve' for 5:Integer (NoMethodError)", "", "  x.halve / 2", "   ^^^^^^", "\tfrom deep.rb:6:in `handle'",
		}
		if strings.Join(p.Stack, "\n") != strings.Join(want, "\n") {
			t.Errorf("the traceback is\n%s", strings.Join(p.Stack, "\n"))
		}
	})

	t.Run("answer what they return", func(t *testing.T) {
		cases := []struct{ returns, want string }{
			{`input.reverse`, "cba"},
			{`input + 'ü'`, "abcü"},
			{`nil`, ""},
			{`[1, {a: nil}, :b, 'ü', 1.5]`, `[1,{"a":null},"b","ü",1.5]`},
			{`"\xff".b + input`, "\xffabc"},
			{`''`, ""},
			{`input.bytesize`, "3"},
			{`input.encoding.to_s`, "UTF-8"},
			{`input * 50000`, strings.Repeat("abc", 50000)},
		}
		source := "def handle(input)\n  number, input = input.split(':')\n  case number.to_i\n"
		for n, tt := range cases {
			source += fmt.Sprintf("  when %d then %s\n", n, tt.returns)
		}
		s.put("returns", source+"  end\nend\n", "")
		for n, tt := range cases {
			s.says("returns", fmt.Sprintf("%d:abc", n), tt.want)
		}
	})

	t.Run("take inputs of all sizes", func(t *testing.T) {
		s.put("size", "def handle(input) = [input.bytesize, input[0]]", "")
		s.put("sizein", "print [ARGF.read.bytesize, nil]", "")
		for _, size := range []int{0, 1, 65535, 65536, 65537, 131072, 200000} { // it is read by 65536
			first := "\"x\""
			if size == 0 {
				first = "null"
			}
			s.says("size", strings.Repeat("x", size), fmt.Sprintf("[%d,%s]", size, first))
			s.says("sizein", strings.Repeat("x", size), fmt.Sprintf("[%d, nil]", size))
		}
	})

	t.Run("read standard input where they have no handler", func(t *testing.T) {
		for n, source := range []string{
			"if __FILE__ == $0\n  while line = gets\n    puts line.chomp.upcase\n  end\nend\n",
			"ARGF.each_line { |line| puts line.chomp.upcase }",
			"STDIN.each_line(chomp: true) { puts _1.upcase }",
			"puts $stdin.read.upcase",
			"puts readlines.map(&:chomp).map(&:upcase)",
			"$stdout.sync = true\nputs [$stdin.readline.chomp.upcase, $<.read.upcase]",
			"until $stdin.eof?\n  print $stdin.getc.upcase\nend\nputs\n",
			"IO.copy_stream($stdin, $out = StringIO.new)\nputs $out.string.upcase",
		} {
			name := fmt.Sprint("reads", n)
			s.put(name, source, "")
			s.says(name, "a\nb", "A\nB\n")
			s.do("DELETE", "/v1/plugins/"+name, nil)
		}
		s.put("exits", "abort 'that was too much' if gets\n", "")
		s.says("exits", "", "")
		p := s.fails(http.StatusUnprocessableEntity, "exit", "exit code 1", "POST", "/v1/plugins/exits/invoke", []byte("a"))
		if len(p.Log) != 1 || p.Log[0] != "that was too much" {
			t.Errorf("the log is %q", p.Log)
		}
		s.put("exitsin", "def handle(input) = exit(input.to_i)", "")
		s.says("exitsin", "0", "")
		s.fails(http.StatusUnprocessableEntity, "exit", "exit code 7", "POST", "/v1/plugins/exitsin/invoke", []byte("7"))
	})

	t.Run("draw other random numbers in each call", func(*testing.T) {
		s.drawAnew(
			"rand\ndef handle(input) = [rand, Random.rand(10**9), (1..20).to_a.shuffle]\n",
			"rand\n$stdin.read\nputs rand\n",
			"gets\nputs rand\n",
		)
	})

	t.Run("have their configuration as the environment", func(*testing.T) { s.haveConfig("REGION = ENV.fetch('region')\ndef handle(input) = REGION") })

	t.Run("are held to their limits", func(*testing.T) {
		s.areHeld("def handle(input)\n  return ('x' * (90 << 20)).size if input == 'm'\n  loop {} if input == 'f'\nend\n", "128MiB")
		s.put("endless", "def handle(input) = input.empty? ? 'well' : handle(input)", "")
		s.fails(http.StatusUnprocessableEntity, "guest", "SystemStackError: stack level too deep", "POST", "/v1/plugins/endless/invoke", []byte("s"))
		s.says("endless", "", "well")
	})

	t.Run("are refused where they cannot run, by line or by name", func(*testing.T) {
		s.areRefused(map[string]string{
			"def handle(input)\n  if\nend\n":                    "SyntaxError: bad.rb:3: syntax error, unexpected `end'",
			"def handle; end":                                   "bad.rb, line 1: handle takes 0 arguments",
			"\ndef handle(a, b)\nend":                           "bad.rb, line 2: handle takes 2 arguments",
			"def handle(a, b:) = a":                             "handle takes 2 arguments",
			"require 'nosuch'\ndef handle(input) = 1":           "LoadError: cannot load such file -- nosuch",
			"puts 'hello'":                                      "came to its end without a look at its input",
			"handle = ->(input) { input }":                      "came to its end without a look at its input",
			"class Handler\n  def handle(input) = input\nend\n": "came to its end without a look at its input",
			"\nx = 1 / 0\ndef handle(input) = x":                "ZeroDivisionError: divided by 0",
			"\xff\xfe":                                          "SyntaxError: bad.rb:1: invalid multibyte char",
			"exit 3\ndef handle(input) = 1":                     "exit code 3",
			"throw :it\ndef handle(input) = 1":                  "UncaughtThrowError: uncaught throw :it",
		}, func(stack []string) bool { return len(stack) > 0 && strings.HasPrefix(stack[0], "bad.rb:") })
	})

	t.Run("take handlers of every sort", func(*testing.T) {
		s.take(
			"def handle(*all) = all.first.size", "def handle(input, more = 1) = input.size", "def handle(input, key: 1) = input.size", "def handle(input = nil, &block) = input.size",
			"# frozen_string_literal: true\nSIZE = ''.frozen?\ndef handle(input) = SIZE && input.size", "\ufeffdef handle(input) = input.size",
			"Order = Struct.new(:input)\ndef handle(input) = Order.new(input).input.size",
			"def handle(input)\n  f = Fiber.new { |x| Fiber.yield x.size }\n  f.resume(input)\nend", //nolint:misspell // a class of Ruby
		)
	})

	t.Run("have the standard library", func(t *testing.T) {
		s.put("library", `%w[bigdecimal csv date digest erb forwardable json logger ostruct securerandom set strscan tempfile time].each { |name| require name }
def handle(input) = [Date.parse(input) + 1, Digest::SHA256.hexdigest(input)[0, 8], CSV.parse_line('a,"b,c"'), BigDecimal('0.1') + BigDecimal('0.2') == BigDecimal('0.3'), ERB.new('<%= 1 + 1 %>').result]
`, "")
		s.says("library", "2026-11-30", `["2026-12-01","e0b7c446",["a","b,c"],true,"2"]`)
	})

	t.Run("share their interpreter", func(*testing.T) { s.shareInterpreter("require 'set'\ndef handle(input) = %d", 3<<20) })

	t.Run("run tasks that last", func(t *testing.T) {
		status, answer := s.do("POST", "/v1/tasks?plugin=orders", []byte(`{"symbol": "x-y"}`), "Prefer", "wait=20")
		if status != http.StatusOK || string(answer) != `{"symbol":"X/Y","calls":1,"seen":1}` {
			t.Errorf("%d %s", status, answer)
		}
	})

	t.Run("come back after a restart", func(t *testing.T) {
		if code := s.stop(); code != 0 {
			t.Errorf("exit code %d:\n%s", code, &s.log)
		}
		s.server = startPatient(top, s.data)
		s.says("orders", `{"symbol": "btc-usdt"}`, `{"symbol":"BTC/USDT","calls":1,"seen":1}`)
		s.says("region", "", "eu")
	})
}
