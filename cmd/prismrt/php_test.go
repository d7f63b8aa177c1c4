package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

const ordersInPHP = `<?php
declare(strict_types=1);

namespace Orders;

use InvalidArgumentException;

echo 'loaded', "\n"; // not a part of any answer
$calls = 0;

function handle(string $input): array
{
    global $calls;
    $calls++;
    fwrite(STDERR, "logged\n");
    echo 'printed', "\n";
    $order = json_decode($input, true);
    if (isset($order['fail'])) {
        refuse($order['fail']);
    }
    return ['symbol' => preg_replace_callback('/([a-z]+)-([a-z]+)/', fn($m) => strtoupper("$m[1]/$m[2]"), $order['symbol']), 'calls' => $calls];
}

function refuse(string $what): never
{
    throw new InvalidArgumentException("no $what");
}
`

// uploadPHP puts a script and fails the test unless it becomes a new version.
func (s *server) uploadPHP(name, source, manifest string) {
	s.t.Helper()
	body, contentType := scriptForm(s.t, source, manifest)
	if status, answer := s.do("PUT", "/v1/plugins/"+name+"?runtime=php&file="+name+".php", body, "Content-Type", contentType); status != http.StatusCreated {
		s.t.Fatalf("upload of %s: %d %s", name, status, answer)
	}
}

func TestPHPScripts(t *testing.T) {
	top := t
	s, data := startWith(t, "php")
	const patient = "[limits]\ntimeout = \"30s\"\n" // calls may wait on a slow machine
	s.uploadPHP("orders", ordersInPHP, patient)

	t.Run("answer, and keep nothing from call to call", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range 10 {
					s.says("orders", `{"symbol": "btc-usdt"}`, `{"symbol":"BTC/USDT","calls":1}`)
				}
			})
		}
		wg.Wait()
	})

	t.Run("fail with their own traceback", func(t *testing.T) {
		for range 2 {
			p := s.fails(http.StatusUnprocessableEntity, "guest", "InvalidArgumentException: no price", "POST", "/v1/plugins/orders/invoke", []byte(`{"fail": "price"}`))
			want := []string{
				"InvalidArgumentException: no price in orders.php:26", "Stack trace:", "#0 orders.php(19): Orders\\refuse('price')",
				"#1 [internal function]: Orders\\handle('{\"fail\": \"price...')", "#2 [internal function]: Prismrt\\serve('Orders\\\\handle')", "#3 {main}",
			}
			if strings.Join(p.Stack, "\n") != strings.Join(want, "\n") {
				t.Errorf("the traceback is\n%s", strings.Join(p.Stack, "\n"))
			}
			if strings.Join(p.Log, " ") != "loaded logged printed" {
				t.Errorf("the log is %q", p.Log)
			}
			s.says("orders", `{"symbol": "a-b"}`, `{"symbol":"A/B","calls":1}`)
		}
	})

	t.Run("answer what they return", func(t *testing.T) {
		for n, tt := range []struct{ returns, want string }{
			{`strrev($input)`, "cba"},
			{`$input . 'ü'`, "abcü"},
			{`null`, ""},
			{`[1, ['a' => null], 'ü/', 1.0]`, `[1,{"a":null},"ü/",1.0]`},
			{`"\xff$input"`, "\xffabc"},
			{`''`, ""},
			{`strlen($input)`, "3"},
			{`str_repeat($input, 50000)`, strings.Repeat("abc", 50000)},
			{`[PHP_SAPI, __FILE__, $input == 'abc' ? count($GLOBALS['argv']) : 0]`, `["cli","returns8.php",1]`},
		} {
			name := fmt.Sprint("returns", n)
			s.uploadPHP(name, "<?php function handle($input) { return "+tt.returns+"; }", patient)
			s.says(name, "abc", tt.want)
			s.do("DELETE", "/v1/plugins/"+name, nil)
		}
	})

	t.Run("take inputs of all sizes", func(t *testing.T) {
		s.uploadPHP("size", "<?php function handle($input) { return strlen($input); }", patient)
		s.uploadPHP("sizein", "<?php echo strlen(stream_get_contents(STDIN));", patient)
		for _, size := range []int{0, 1, 8191, 8192, 8193, 200000} { // it is read by 8192
			s.says("size", strings.Repeat("x", size), fmt.Sprint(size))
			s.says("sizein", strings.Repeat("x", size), fmt.Sprint(size))
		}
	})

	t.Run("read standard input where they have no handler", func(t *testing.T) {
		for n, source := range []string{
			"<?php while (($line = fgets(STDIN)) !== false) {\n  echo strtoupper($line);\n}",
			"<?php foreach (file('php://stdin') as $line) echo strtoupper($line);",
			"<?php $in = fopen('php://stdin', 'r'); while (!feof($in)) echo strtoupper(fgetc($in)); fclose($in);",
			"<?php echo strtoupper(file_get_contents('php://input'));",
			"<?= strtoupper(stream_get_contents(STDIN)) ?>",
			"<?php $m = fopen('php://memory', 'w+'); stream_copy_to_stream(STDIN, $m); rewind($m); file_put_contents('php://output', strtoupper(stream_get_contents($m)));",
		} {
			name := fmt.Sprint("reads", n)
			s.uploadPHP(name, source, patient)
			s.says(name, "a\nb", "A\nB")
			s.do("DELETE", "/v1/plugins/"+name, nil)
		}
		s.uploadPHP("exits", "<?php if (file_get_contents('php://stdin')) { fwrite(STDERR, 'that was too much'); exit(3); }", patient)
		s.says("exits", "", "")
		p := s.fails(http.StatusUnprocessableEntity, "exit", "exit code 3", "POST", "/v1/plugins/exits/invoke", []byte("a"))
		if len(p.Log) != 1 || p.Log[0] != "that was too much" {
			t.Errorf("the log is %q", p.Log)
		}
		s.uploadPHP("throws", "<?php $line = file_get_contents('php://stdin');\nif ($line) nosuch($line);", patient)
		p = s.fails(http.StatusUnprocessableEntity, "guest", "Error: Call to undefined function nosuch()", "POST", "/v1/plugins/throws/invoke", []byte("a"))
		if len(p.Stack) == 0 || p.Stack[0] != "Error: Call to undefined function nosuch() in throws.php:2" {
			t.Errorf("the traceback is %q", p.Stack)
		}
		s.uploadPHP("catches", "<?php set_exception_handler(function ($e) { fwrite(STDERR, 'caught ' . $e->getMessage()); });\nthrow new Exception(fgets(STDIN));", patient)
		if p = s.fails(http.StatusUnprocessableEntity, "exit", "exit code 255", "POST", "/v1/plugins/catches/invoke", []byte("a")); len(p.Log) != 1 || p.Log[0] != "caught a" {
			t.Errorf("the log is %q", p.Log)
		}
	})

	t.Run("draw other random numbers in each call", func(t *testing.T) {
		s.uploadPHP("draws", "<?php mt_rand();\nfunction handle($input) { return [mt_rand(), rand(), array_rand(range(0, 1000000))]; }\n", patient)
		s.uploadPHP("drawsin", "<?php mt_rand(); fgets(STDIN); echo mt_rand();", patient)
		s.uploadPHP("secret", "<?php random_int(0, PHP_INT_MAX); function handle($input) { return random_int(0, PHP_INT_MAX); }", patient)
		for _, name := range []string{"draws", "drawsin", "secret"} {
			seen := make(map[string]bool)
			for range 10 {
				_, answer := s.do("POST", "/v1/plugins/"+name+"/invoke", nil)
				if seen[string(answer)] {
					t.Errorf("%s drew %s twice", name, answer)
				}
				seen[string(answer)] = true
			}
		}
	})

	t.Run("have their configuration as the environment", func(t *testing.T) {
		s.uploadPHP("region", "<?php $region = getenv('region') . $_ENV['region'] . $_SERVER['region'];\nfunction handle($input) { return $GLOBALS['region']; }", "[grants]\nconfig = {region = 'eu'}\n")
		s.says("region", "", "eueueu")
	})

	t.Run("are held to their limits", func(t *testing.T) {
		s.uploadPHP("greedy", "<?php function handle($input) {\n  if ($input == 'm') return strlen(str_repeat('x', 40 << 20));\n  while ($input == 'f');\n}\n", "[limits]\ntimeout = '30s'\nmemory = '32MiB'\nfuel = 200_000_000\n")
		s.fails(http.StatusUnprocessableEntity, "fuel", "limits.fuel", "POST", "/v1/plugins/greedy/invoke", []byte("f"))
		s.fails(http.StatusUnprocessableEntity, "memory", "limits.memory", "POST", "/v1/plugins/greedy/invoke", []byte("m"))
		s.says("greedy", "", "")
	})

	t.Run("are refused where they cannot run, by line or by name", func(t *testing.T) {
		for source, want := range map[string]string{
			"<?php\nfunction handle($input) {\n  if (\n}":               "ParseError: Unclosed '(' on line 3 does not match '}' (bad.php, line 4)",
			"<?php\n\nfunction handle() {}":                             "bad.php, line 3: handle takes 0 arguments",
			"<?php function handle($a, $b) {}":                          "bad.php, line 1: handle takes 2 arguments",
			"<?php function handle($a) { yield $a; }":                   "handle is a generator",
			"<?php\nnosuch();\nfunction handle($input) {}":              "Error: Call to undefined function nosuch()",
			"<?php\nrequire 'other.php';\nfunction handle($a) {}":       "Error: Failed opening required 'other.php'",
			"<?php echo 'hello';":                                       "came to its end without a look at its input",
			"plain text":                                                "came to its end without a look at its input",
			"<?php class A { function handle($input) {} }":              "came to its end without a look at its input",
			"<?php $handle = function ($input) {};":                     "came to its end without a look at its input",
			"<?php\nfunction strlen($a) {}\nfunction handle($a) {}":     "trapped",
			"<?php if (getenv('x')): function handle($input) {} endif;": "bad.php: handle was not defined",
			"<?php use function handle; echo 1;":                        "came to its end without a look at its input",
			"<?php function":                                            "ParseError: syntax error, unexpected end of file",
			"<?php function handle":                                     "ParseError: syntax error, unexpected end of file",
			"<?php namespace":                                           "ParseError: syntax error, unexpected end of file",
			"<?php exit(3); function handle($input) {}":                 "exit code 3",
		} {
			kind, status := "guest", http.StatusUnprocessableEntity
			switch {
			case strings.Contains(want, "came to"):
				kind, status = "invalid", http.StatusBadRequest
			case strings.Contains(want, "exit code"):
				kind = "exit"
			case strings.Contains(want, "trapped"):
				kind = "trap"
			}
			p := s.fails(status, kind, want, "PUT", "/v1/plugins/bad?runtime=php&file=bad.php", []byte(source))
			if strings.Contains(want, "Error") && (len(p.Stack) == 0 || !strings.Contains(p.Stack[0], " in bad.php:")) {
				t.Errorf("%q: the traceback is %q", source, p.Stack)
			}
			if kind == "guest" && len(p.Log) > 0 && !strings.Contains(p.Log[0], "Failed to open stream") {
				t.Errorf("%q: the log is %q", source, p.Log)
			}
			if log := strings.Join(p.Log, "\n"); kind == "trap" && (!strings.Contains(log, "PHP Fatal error: ") || !strings.Contains(log, " in bad.php on line 2")) {
				t.Errorf("%q: the log is %q", source, p.Log)
			}
		}
	})

	t.Run("take handlers of every sort", func(t *testing.T) {
		for n, source := range []string{
			"<?php function handle(...$all) { return strlen($all[0]); }", "<?php function &handle($input, $more = 1) { $n = strlen($input); return $n; }", "<?php FUNCTION Handle($input) { return strlen($input); }",
			"#!/usr/bin/env php\n<?php declare(strict_types=1);\nnamespace A\\B;\nfunction handle(string $input): int { return strlen($input); }",
			"<?php $text = \"{${'x'}}\" ?? ''; $x = ['}' => \"{$text}\"]; function handle($input) { return strlen($input); }",
			"<?php enum Size: int { case Four = 4; }\nfunction handle($input) { return Size::from(strlen($input)); }",
		} {
			name := fmt.Sprint("handler", n)
			s.uploadPHP(name, source, patient)
			s.says(name, "abcd", "4")
			s.do("DELETE", "/v1/plugins/"+name, nil)
		}
	})

	t.Run("have PHP's extensions", func(t *testing.T) {
		s.uploadPHP("library", `<?php
function handle($input) {
    $doc = new DOMDocument();
    $doc->loadXML('<a>b</a>');
    $sql = (new PDO('sqlite::memory:'))->query('select 1 + 1')->fetchColumn();
    return [$doc->textContent, $sql, hash('sha256', $input), mb_strtoupper('ü'), (new DateTime('2026-11-30'))->modify('+1 day')->format('Y-m-d'), iterator_to_array(new ArrayIterator([1]))];
}
`, patient)
		s.says("library", "abc", `["b",2,"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","Ü","2026-12-01",[1]]`)
	})

	t.Run("share their interpreter", func(t *testing.T) {
		before := s.images(t)
		const scripts = 3
		for n := range scripts {
			s.uploadPHP(fmt.Sprint("small", n), fmt.Sprintf("<?php function handle($input) { return %d; }", n), patient)
			s.says(fmt.Sprint("small", n), "", fmt.Sprint(n))
		}
		each := (s.images(t) - before) / scripts
		t.Logf("an image of a script takes %d KiB", each>>10)
		if each > 1<<20 {
			t.Errorf("a script takes %d bytes of its own, its interpreter has 12 MiB", each)
		}
	})

	t.Run("come back after a restart", func(t *testing.T) {
		if code := s.stop(); code != 0 {
			t.Errorf("exit code %d:\n%s", code, &s.log)
		}
		s = startPatient(top, data)
		s.says("orders", `{"symbol": "btc-usdt"}`, `{"symbol":"BTC/USDT","calls":1}`)
		s.says("region", "", "eueueu")
	})
}

func TestAnotherPHPThanTheOneThatIsKnownIsNotInstalled(t *testing.T) {
	s := start(t, t.TempDir())
	s.fails(http.StatusBadRequest, "invalid", "the module is not dist/langs/php-cgi-8.2.0.wasm", "PUT", "/v1/runtimes/php", telling(1))
}
