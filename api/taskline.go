package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/task"
)

// taskLines reads the lines of a batch of tasks: a JSON object each, with the fields of
// lineFields. What a line does not say is as the query has it.
type taskLines struct {
	query queue.Submission

	// Of the line before. That most have the same saves memory.
	plugin, function string
}

// lineFields are the fields of a line. Durations are numbers, in milliseconds.
const lineFields = "plugin, input, input_base64, function, version, priority, delay_ms, at, retries, backoff_ms, timeout_ms, keep_ms, callback, key"

// read makes a submission of a line, which is changed by it and must stay until the
// submission is stored: the input mostly lies in it. It is that of an output in an answer
// (ndjson) the other way round: a string stands for its text, another value for itself as
// it is written.
func (l *taskLines) read(line []byte, into *queue.Submission) error {
	*into = l.query
	if !utf8.Valid(line) {
		return task.Faultf(task.KindInvalid, "the line is not UTF-8; bytes that are not text go into input_base64")
	}
	if !json.Valid(line) {
		var v any
		return task.Faultf(task.KindInvalid, "the line is not JSON: %w", json.Unmarshal(line, &v))
	}
	// From here on it is known to be, and cutting it cannot fail.
	rest := skipBlanks(line)
	if rest[0] != '{' {
		return task.Faultf(task.KindInvalid, `the line is not a JSON object; write {"plugin": "NAME", "input": ...}`)
	}
	var seen fieldSet
	for rest = skipBlanks(rest[1:]); rest[0] != '}'; {
		var name, value []byte
		name, rest = cutValue(rest)
		value, rest = cutValue(skipBlanks(skipBlanks(rest)[1:]))
		if rest = skipBlanks(rest); rest[0] == ',' {
			rest = skipBlanks(rest[1:])
		}
		name = unescape(name[1 : len(name)-1])
		if !seen.add(name) {
			return task.Faultf(task.KindInvalid, "the line has the field %.80q twice", name)
		}
		if err := l.set(into, name, value); err != nil {
			return err
		}
	}
	if seen.has("input") && seen.has("input_base64") {
		return task.Faultf(task.KindInvalid, "the line has input and input_base64; write one of them")
	}
	if into.Plugin == "" {
		return task.Faultf(task.KindInvalid, `the line names no plugin, and neither does the query; write {"plugin": "NAME", "input": ...}`)
	}
	return nil
}

// fieldSet is names of fields. There are no more than lineFields has, and one.
type fieldSet struct {
	names [16][]byte
	n     int
}

func (s *fieldSet) add(name []byte) bool {
	if s.has(string(name)) {
		return false
	}
	s.names[s.n] = name
	s.n++
	return true
}

func (s *fieldSet) has(name string) bool {
	for _, other := range s.names[:s.n] {
		if string(other) == name {
			return true
		}
	}
	return false
}

// set takes up a field. One that is null says nothing, but for the input.
func (l *taskLines) set(into *queue.Submission, name, value []byte) (err error) {
	if value[0] == 'n' && string(name) != "input" {
		value = nil
	}
	switch string(name) {
	case "input":
		into.Input = value
		if value[0] == '"' {
			into.Input = unescape(value[1 : len(value)-1])
		}
	case "input_base64":
		into.Input, err = base64Value(value)
	case "plugin":
		var name string
		if name, err = textValue("plugin", value, l.plugin); err == nil && name != l.plugin {
			err = plugins.CheckName(name)
		}
		if err != nil {
			return err
		}
		l.plugin = name
		into.Plugin = orQuery(value, name, into.Plugin)
	case "function":
		l.function, err = textValue("function", value, l.function)
		into.Terms.Function = orQuery(value, l.function, into.Terms.Function)
	case "version":
		if value != nil && value[0] != '"' {
			_, err = parseCount("version", string(value), 1)
			into.Version = string(value)
			break
		}
		into.Version, err = textValue("version", value, into.Version)
	case "priority":
		into.Priority, err = countValue("priority", value, into.Priority)
	case "retries":
		into.Terms.Retries, err = countValue("retries", value, into.Terms.Retries)
	case "delay_ms":
		into.Delay, err = spanValue("delay_ms", value, into.Delay)
	case "backoff_ms":
		into.Terms.Backoff, err = spanValue("backoff_ms", value, into.Terms.Backoff)
	case "timeout_ms":
		into.Terms.Timeout, err = spanValue("timeout_ms", value, into.Terms.Timeout)
	case "keep_ms":
		into.Terms.Keep, err = spanValue("keep_ms", value, into.Terms.Keep)
	case "at":
		var text string
		if text, err = textValue("at", value, ""); err == nil && text != "" {
			into.At, err = parseMoment("at", text)
		}
	case "callback":
		into.Terms.Callback, err = textValue("callback", value, into.Terms.Callback)
	case "key":
		into.Key, err = textValue("key", value, into.Key)
	default:
		return task.Faultf(task.KindInvalid, "the line has the unknown field %.80q; known are %s", name, lineFields)
	}
	return err
}

// orQuery is what a field says, or the query where it says nothing.
func orQuery(value []byte, line, query string) string {
	if value == nil {
		return query
	}
	return line
}

// textValue is a string's text, or was where the value is none. It is made only where it
// differs from that.
func textValue(what string, value []byte, was string) (string, error) {
	if value == nil {
		return was, nil
	}
	if value[0] != '"' {
		return "", task.Faultf(task.KindInvalid, "%s is %.80s in the line; write a string", what, value)
	}
	text := unescape(value[1 : len(value)-1])
	if string(text) == was {
		return was, nil
	}
	return string(text), nil
}

func countValue(what string, value []byte, was *int) (*int, error) {
	if value == nil {
		return was, nil
	}
	n, err := parseCount(what, string(value), 0)
	return &n, err
}

// mostMilliseconds is about what a time.Duration holds.
const mostMilliseconds = math.MaxInt64 / int64(time.Millisecond)

func spanValue(what string, value []byte, was time.Duration) (time.Duration, error) {
	if value == nil {
		return was, nil
	}
	ms, err := strconv.ParseFloat(string(value), 64)
	if err != nil || ms < 0 || ms >= float64(mostMilliseconds) {
		return 0, task.Faultf(task.KindInvalid, "%s is %.80s in the line; write a number of milliseconds", what, value)
	}
	return time.Duration(ms * float64(time.Millisecond)), nil
}

func base64Value(value []byte) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	if value[0] != '"' {
		return nil, task.Faultf(task.KindInvalid, "input_base64 is %.80s in the line; write a string", value)
	}
	text := unescape(value[1 : len(value)-1])
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(decoded, text)
	if err != nil {
		return nil, task.Faultf(task.KindInvalid, "input_base64 cannot be decoded (RFC 4648, section 4): %w", err)
	}
	return decoded[:n], nil
}

func skipBlanks(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

// cutValue cuts the value off that b, which is a part of valid JSON, begins with.
func cutValue(b []byte) (value, rest []byte) {
	n := 0
	switch b[0] {
	case '"':
		n = stringEnd(b)
	case '{', '[':
		for depth := 0; n == 0 || depth > 0; {
			switch b[n] {
			case '"':
				n += stringEnd(b[n:])
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			n++
		}
	default:
		for n < len(b) && strings.IndexByte(",]} \t\r\n", b[n]) < 0 {
			n++
		}
	}
	return b[:n], b[n:]
}

// stringEnd is the length of the string that b begins with, its quotes included.
func stringEnd(b []byte) int {
	n := 1
	for {
		n += bytes.IndexByte(b[n:], '"') + 1
		escapes := 0 // right before the quote
		for b[n-2-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return n
		}
	}
}

// unescape resolves the escapes of a string of valid JSON, without its quotes, where it is.
// Half of a surrogate pair stands for U+FFFD, as in encoding/json.
func unescape(b []byte) []byte {
	to := bytes.IndexByte(b, '\\')
	if to < 0 {
		return b
	}
	for from := to; from < len(b); {
		if b[from] != '\\' {
			n := bytes.IndexByte(b[from:], '\\')
			if n < 0 {
				n = len(b) - from
			}
			to += copy(b[to:], b[from:from+n])
			from += n
			continue
		}
		c := b[from+1]
		if c != 'u' {
			if n := strings.IndexByte("bfnrt", c); n >= 0 {
				c = "\b\f\n\r\t"[n]
			}
			b[to] = c
			from, to = from+2, to+1
			continue
		}
		r := fourDigits(b[from+2:])
		from += 6
		if utf16.IsSurrogate(r) {
			var second rune
			if len(b) >= from+6 && b[from] == '\\' && b[from+1] == 'u' {
				second = fourDigits(b[from+2:])
			}
			if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
				from += 6
			}
		}
		to += utf8.EncodeRune(b[to:], r) // never more bytes than it took
	}
	return b[:to]
}

// fourDigits reads four hexadecimal digits.
func fourDigits(b []byte) (r rune) {
	for _, c := range b[:4] {
		switch {
		case c <= '9':
			c -= '0'
		default:
			c = c | 0x20 - 'a' + 10
		}
		r = r<<4 | rune(c)
	}
	return r
}
