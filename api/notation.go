package api

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/marketprism/prismrt/runtime/task"
)

// notation is a media type of batches: how inputs are told apart, and how answers are
// written.
type notation interface {
	splitter() splitter

	// begin appends what stands before an output. When the output has been appended, too,
	// end makes an answer of all that is in dst from start on.
	begin(dst []byte) []byte
	end(dst []byte, start int) []byte

	// fail appends the answer of an item that failed; problem is a JSON object.
	fail(dst []byte, kind task.Kind, problem []byte) []byte
}

// notations are those there are, by media type.
var notations = map[string]notation{
	"application/x-ndjson":         ndjson{},
	"application/vnd.prism.frames": framed{},
}

// framed writes a status, the length as four bytes, the least significant first, and as
// many bytes: the output, or a problem document.
type framed struct{}

const (
	statusOK    = 0 // and 1, 2, ... for the kinds of faults, in the order of task.Kinds
	framePrefix = 5
)

func (framed) splitter() splitter { return new(frames) }

func (framed) begin(dst []byte) []byte { return append(dst, statusOK, 0, 0, 0, 0) }

func (framed) end(dst []byte, start int) []byte {
	binary.LittleEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-framePrefix))
	return dst
}

func (f framed) fail(dst []byte, kind task.Kind, problem []byte) []byte {
	start := len(dst)
	dst = f.end(append(f.begin(dst), problem...), start)
	dst[start] = byte(1 + slices.Index(task.Kinds, kind))
	return dst
}

// ndjson writes a line of JSON.
type ndjson struct{}

const outputPrefix = `{"output":`

func (ndjson) splitter() splitter { return new(lines) }

func (ndjson) begin(dst []byte) []byte { return append(dst, outputPrefix...) }

// end embeds an output that is JSON, quotes other text, and encodes what is not text.
func (ndjson) end(dst []byte, start int) []byte {
	output := dst[start+len(outputPrefix):]
	switch {
	case !utf8.Valid(output):
		encoded := base64.StdEncoding.EncodeToString(output)
		dst = append(append(dst[:start], `{"output_base64":"`...), encoded...)
		return append(dst, "\"}\n"...)
	case json.Valid(output):
		inOneLine(output)
	default:
		dst = appendQuoted(dst[:start+len(outputPrefix)], string(output))
	}
	return append(dst, "}\n"...)
}

func (ndjson) fail(dst []byte, _ task.Kind, problem []byte) []byte {
	dst = append(append(dst, `{"error":`...), problem...)
	return append(dst, "}\n"...)
}

// inOneLine makes spaces of the line ends of a JSON text. They are never part of a value.
func inOneLine(text []byte) {
	for _, end := range []byte{'\n', '\r'} {
		for rest := text; ; {
			n := bytes.IndexByte(rest, end)
			if n < 0 {
				break
			}
			rest[n] = ' '
			rest = rest[n+1:]
		}
	}
}

// appendQuoted appends text, which is UTF-8, as a JSON string.
func appendQuoted(dst []byte, text string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for n := range len(text) {
		c := text[n]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[from:n]...)
		from = n + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, digits[c>>4], digits[c&0xf])
		}
	}
	return append(append(dst, text[from:]...), '"')
}
