package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// checkLine checks that a line of NDJSON stands for an output.
func checkLine(t *testing.T, line, output string) {
	t.Helper()
	if n := strings.IndexAny(line, "\r\n"); n != len(line)-1 || !utf8.ValidString(line) {
		t.Fatalf("%q is not one line of text", line)
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal([]byte(line), &doc); err != nil || len(doc) != 1 {
		t.Fatalf("%q is not an object of one field: %v", line, err)
	}
	var got any
	switch {
	case !utf8.ValidString(output):
		var b []byte
		if err := json.Unmarshal(doc["output_base64"], &b); err != nil || string(b) != output {
			t.Errorf("%q stands for %q: %v", line, output, err)
		}
	case json.Valid([]byte(output)):
		var compact, want bytes.Buffer
		if err := json.Compact(&compact, doc["output"]); err != nil {
			t.Fatal(err)
		}
		if err := json.Compact(&want, []byte(output)); err != nil || !bytes.Equal(compact.Bytes(), want.Bytes()) {
			t.Errorf("%q stands for %q", line, output)
		}
	default:
		if err := json.Unmarshal(doc["output"], &got); err != nil || got != output {
			t.Errorf("%q stands for %q: %v", line, output, err)
		}
	}
}

func TestALineEmbedsQuotesOrEncodesAnOutput(t *testing.T) {
	for output, want := range map[string]string{
		`{"a": [1, 2]}`:             `{"output":{"a": [1, 2]}}`,
		"{\r\n\t\"a\": 1\n}\n":      "{\"output\":{  \t\"a\": 1 } }",
		`"a string"`:                `{"output":"a string"}`,
		"1.5e3":                     `{"output":1.5e3}`,
		"null":                      `{"output":null}`,
		"":                          `{"output":""}`,
		"two 2":                     `{"output":"two 2"}`,
		"{} {}":                     `{"output":"{} {}"}`,
		"say \"hi\"\n\x01":          `{"output":"say \"hi\"\n\u0001"}`,
		"\xff\xfe":                  `{"output_base64":"//4="}`,
		"\"\xff\"":                  `{"output_base64":"Iv8i"}`,
		strings.Repeat("[", 20_000): `{"output":"` + strings.Repeat("[", 20_000) + `"}`,
	} {
		line := ndjson{}.end(append(ndjson{}.begin(nil), output...), 0)
		if string(line) != want+"\n" {
			t.Errorf("%.100q becomes %.100q, want %.100q", output, line, want)
		}
		checkLine(t, string(line), output)
	}
}
