package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/task"
)

func ptr(n int) *int { return &n }

func TestALineIsASubmission(t *testing.T) {
	query := queue.Submission{Namespace: "default", Plugin: "base", Terms: task.Terms{Function: "f", Trace: "t"}, Delay: time.Second}
	with := func(change func(*queue.Submission)) queue.Submission {
		s := query
		change(&s)
		return s
	}
	for line, want := range map[string]queue.Submission{
		`{}`:                         query,
		` { "input" : "a" } ` + "\r": with(func(s *queue.Submission) { s.Input = []byte("a") }),
		`{"input":"say \"hi\"\n\u00e9\ud83d\ude00\/"}`: with(func(s *queue.Submission) { s.Input = []byte("say \"hi\"\né😀/") }),
		`{"input": {"a": [1, "}"]} }`:                  with(func(s *queue.Submission) { s.Input = []byte(`{"a": [1, "}"]}`) }),
		`{"input":null}`:                               with(func(s *queue.Submission) { s.Input = []byte("null") }),
		`{"input":-1.5e3,"key":"k"}`:                   with(func(s *queue.Submission) { s.Input, s.Key = []byte("-1.5e3"), "k" }),
		`{"input_base64":"//4="}`:                      with(func(s *queue.Submission) { s.Input = []byte{0xff, 0xfe} }),
		`{"input_base64":null,"plugin":null,"function":null,"delay_ms":null,"key":null,"at":null,"retries":null,"version":null}`: query,
		`{"plug\u0069n":"other","function":"g","version":7,"priority":9,"delay_ms":1.5,"retries":0,"backoff_ms":2000,"timeout_ms":0.5,"keep_ms":60000,"callback":"http://h/"}`: {
			Namespace: "default", Plugin: "other", Version: "7", Priority: ptr(9), Delay: 1500 * time.Microsecond,
			Terms: task.Terms{Function: "g", Trace: "t", Retries: ptr(0), Backoff: 2 * time.Second, Timeout: 500 * time.Microsecond, Keep: time.Minute, Callback: "http://h/"},
		},
		`{"version":"pinned","at":"2027-01-31T08:00:00+01:00"}`: with(func(s *queue.Submission) {
			s.Version, s.At = "pinned", time.Date(2027, 1, 31, 8, 0, 0, 0, time.FixedZone("", 3600))
		}),
		`{"input":"\ud800x\udc00\ud800\ud800"}`: with(func(s *queue.Submission) { s.Input = []byte("\ufffdx\ufffd\ufffd\ufffd") }),
	} {
		var got queue.Submission
		lines := &taskLines{query: query}
		if err := lines.read([]byte(line), &got); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if !got.At.Equal(want.At) {
			t.Errorf("%s is at %v, want %v", line, got.At, want.At)
		}
		got.At, want.At = time.Time{}, time.Time{}
		if deref(got.Priority) != deref(want.Priority) || deref(got.Terms.Retries) != deref(want.Terms.Retries) {
			t.Errorf("%s has the priority %d and %d retries", line, deref(got.Priority), deref(got.Terms.Retries))
		}
		for _, s := range []*queue.Submission{&got, &want} {
			s.Priority, s.Terms.Retries = nil, nil
		}
		if got, want := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); got != want {
			t.Errorf("%s is\n%s, want\n%s", line, got, want)
		}
	}
}

// deref is a number that may not be there, and -1 then.
func deref(n *int) int {
	if n == nil {
		return -1
	}
	return *n
}

func TestALineThatIsNoSubmissionIsRefusedByName(t *testing.T) {
	for line, says := range map[string]string{
		`{"plugin":"p","colour":1}`:                            `unknown field "colour"; known are plugin, input`,
		`{"Plugin":"p"}`:                                       `unknown field "Plugin"`,
		`{"plugin":"p","input":1,"\u0069nput":2}`:              `the field "input" twice`,
		`{"plugin":"p","input":1,"input_base64":""}`:           `write one of them`,
		`{"input":1}`:                                          `names no plugin`,
		`{"plugin":""}`:                                        `names no plugin`,
		`{"plugin":"P"}`:                                       `cannot name a plugin`,
		`{"plugin":7}`:                                         `plugin is 7 in the line; write a string`,
		`{"plugin":"p"`:                                        `not JSON`,
		`{"plugin":"p"} {}`:                                    `not JSON`,
		`["p"]`:                                                `not a JSON object`,
		`7`:                                                    `not a JSON object`,
		"{\"plugin\":\"p\",\"input\":\"\xff\"}":                `not UTF-8; bytes that are not text go into input_base64`,
		`{"plugin":"p","input_base64":"a"}`:                    `cannot be decoded`,
		`{"plugin":"p","input_base64":{}}`:                     `write a string`,
		`{"plugin":"p","priority":-1}`:                         `priority is "-1"; write a whole number from 0 on`,
		`{"plugin":"p","priority":"high"}`:                     `whole number`,
		`{"plugin":"p","retries":1.5}`:                         `whole number`,
		`{"plugin":"p","delay_ms":"5m"}`:                       `delay_ms is "5m" in the line; write a number of milliseconds`,
		`{"plugin":"p","delay_ms":-1}`:                         `milliseconds`,
		`{"plugin":"p","keep_ms":1e300}`:                       `milliseconds`,
		`{"plugin":"p","at":"tomorrow"}`:                       `RFC 3339`,
		`{"plugin":"p","at":5}`:                                `write a string`,
		`{"plugin":"p","version":{"a":1}}`:                     `from 1 on`,
		`{"plugin":"p","version":0}`:                           `from 1 on`,
		strings.Repeat("[", 20_000):                            `not JSON`,
		`{"plugin":"p","` + strings.Repeat("x", 9999) + `":1}`: `unknown field "xxx`,
	} {
		var into queue.Submission
		err := (&taskLines{}).read([]byte(line), &into)
		f := task.FaultOf(err)
		if f == nil || f.Kind != task.KindInvalid || !strings.Contains(f.Message, says) || len(f.Message) > 500 {
			t.Errorf("%.100s: %.600v, want a fault that says %q", line, err, says)
		}
	}
}

// What a line says holds for it alone.
func TestALineIsReadLikeAnyOther(t *testing.T) {
	lines := &taskLines{query: queue.Submission{Plugin: "base"}}
	read := func(line string) (s queue.Submission) {
		if err := lines.read([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	read(`{"plugin":"p","function":"f","key":"k","retries":1,"delay_ms":5}`)
	if s := read(`{}`); s.Plugin != "base" || s.Terms != (task.Terms{}) || s.Key != "" || s.Delay != 0 {
		t.Errorf("after another an empty line is %+v", s)
	}
	if s := read(`{"plugin":"p","function":"f"}`); s.Plugin != "p" || s.Terms.Function != "f" {
		t.Errorf("got %+v", s)
	}
}

// lineByTheLibrary reads a line in another way.
func lineByTheLibrary(line []byte) (s queue.Submission, ok bool) {
	var fields map[string]json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(line))
	if !utf8.Valid(line) || decoder.Decode(&fields) != nil || fields == nil || !json.Valid(line) {
		return s, false
	}
	// Of a map nobody can tell which names came twice.
	names := 0
	tokens := json.NewDecoder(bytes.NewReader(line))
	for depth, key := 0, false; ; {
		token, err := tokens.Token()
		if err != nil {
			break
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			key = depth == 1
			continue
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 1 {
			if key {
				names++
			}
			key = !key
		}
	}
	if names != len(fields) {
		return s, false
	}
	text := func(name string, into *string) {
		if v, there := fields[name]; there && string(v) != "null" {
			ok = ok && json.Unmarshal(v, into) == nil
		}
	}
	count := func(name string, into **int) {
		if v, there := fields[name]; there && string(v) != "null" {
			*into = new(int)
			ok = ok && json.Unmarshal(v, *into) == nil && **into >= 0
		}
	}
	span := func(name string, into *time.Duration) {
		if v, there := fields[name]; there && string(v) != "null" {
			var ms float64
			ok = ok && json.Unmarshal(v, &ms) == nil && ms >= 0 && ms < float64(math.MaxInt64/int64(time.Millisecond))
			*into = time.Duration(ms * float64(time.Millisecond))
		}
	}
	ok = true
	for name := range fields {
		ok = ok && slices.Contains(strings.Split(lineFields, ", "), name)
	}
	text("plugin", &s.Plugin)
	text("function", &s.Terms.Function)
	text("callback", &s.Terms.Callback)
	text("key", &s.Key)
	if v, there := fields["version"]; there && v[0] != '"' && string(v) != "null" {
		var n int
		ok = ok && json.Unmarshal(v, &n) == nil && n > 0
		s.Version = string(v)
	} else {
		text("version", &s.Version)
	}
	count("priority", &s.Priority)
	count("retries", &s.Terms.Retries)
	span("delay_ms", &s.Delay)
	span("backoff_ms", &s.Terms.Backoff)
	span("timeout_ms", &s.Terms.Timeout)
	span("keep_ms", &s.Terms.Keep)
	var at string
	if text("at", &at); ok && at != "" {
		var err error
		s.At, err = time.Parse(time.RFC3339, at)
		ok = err == nil
	}
	if v, there := fields["input"]; there {
		s.Input = v
		if v[0] == '"' {
			var input string
			ok = ok && json.Unmarshal(v, &input) == nil
			s.Input = []byte(input)
		}
	}
	if v, there := fields["input_base64"]; there {
		_, both := fields["input"]
		if ok = ok && !both; string(v) != "null" {
			var encoded string
			ok = ok && json.Unmarshal(v, &encoded) == nil
			var err error
			s.Input, err = base64.StdEncoding.DecodeString(encoded)
			ok = ok && err == nil
		}
	}
	return s, ok && plugins.CheckName(s.Plugin) == nil
}

func FuzzTaskLine(f *testing.F) {
	for _, line := range []string{
		`{"plugin":"p","input":{"a":[1,"}\\\"",{}]},"priority":3,"key":"k\u00e9y"}`, `{"plugin":"p","input_base64":"aGk="}`,
		`{ "plugin" : "p" , "version" : 3 , "delay_ms" : 1.5e2, "at":"2027-01-31T08:00:00Z" }`, `{"plugin":"p","input":"\ud83d\ude00\ud800\"\\"}`,
		`{"plugin":"p","function":"f","version":"pinned","retries":3,"backoff_ms":1,"timeout_ms":2,"keep_ms":3,"callback":"http://h"}`, `[]`, `{}`, `{"plugin":null}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		want, ok := lineByTheLibrary(line)
		var got queue.Submission
		err := (&taskLines{}).read(bytes.Clone(line), &got)
		if (err == nil) != ok {
			t.Fatalf("%q: %v; the library reads it: %v", line, err, ok)
		}
		if err != nil {
			if f := task.FaultOf(err); f.Kind != task.KindInvalid || len(f.Message) > 1000 {
				t.Fatalf("%q: %v", line, err)
			}
			return
		}
		if got.Plugin != want.Plugin || got.Version != want.Version || got.Key != want.Key || got.Delay != want.Delay || !got.At.Equal(want.At) ||
			!bytes.Equal(got.Input, want.Input) || deref(got.Priority) != deref(want.Priority) || deref(got.Terms.Retries) != deref(want.Terms.Retries) {
			t.Fatalf("%q is %+v, want %+v", line, got, want)
		}
		got.Terms.Retries, want.Terms.Retries = nil, nil
		if got.Terms != want.Terms {
			t.Fatalf("%q has the terms %+v, want %+v", line, got.Terms, want.Terms)
		}
	})
}

// lineOf is a line of about 256 bytes of input.
func lineOf(how string) []byte {
	object := `{"symbol":"BTC-USDT","bids":[["67123.1","0.52"],["67123.0","1.25"],["67122.9","0.11"]],"asks":[["67123.2","0.31"],["67123.3","2.75"]],"ts":1795900000123,"note":"` + strings.Repeat("x", 80) + `"}`
	switch how {
	case "object":
		return []byte(`{"plugin":"normalise","input":` + object + `}`)
	case "escaped":
		quoted, _ := json.Marshal(object)
		return []byte(`{"plugin":"normalise","input":` + string(quoted) + `,"key":"order-0000017"}`)
	case "base64":
		return []byte(`{"plugin":"normalise","input_base64":"` + base64.StdEncoding.EncodeToString([]byte(object)) + `"}`)
	default:
		return []byte(`{"plugin":"normalise","input":"` + strings.Repeat("a", 256) + `"}`)
	}
}

func BenchmarkTaskLine(b *testing.B) {
	for _, how := range []string{"text", "object", "escaped", "base64"} {
		b.Run(how, func(b *testing.B) {
			line := lineOf(how)
			space := make([]byte, len(line))
			lines := &taskLines{query: queue.Submission{Namespace: "default"}}
			var into queue.Submission
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				copy(space, line) // it is changed
				if err := lines.read(space, &into); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
