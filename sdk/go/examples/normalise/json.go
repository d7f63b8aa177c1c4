package main

import (
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// maxDepth bounds how deeply objects and arrays nest.
const maxDepth = 64

// A token is a value or a key of a document. The tokens of a document stand in the order of its text,
// a container before its contents: for an object a key and a value for each member, for an array a
// value for each element.
type token struct {
	start, end uint32 // the token's text, with its quotes or brackets
	next       uint32 // the token after this one and its contents
}

// scan checks that text is a JSON object (RFC 8259, in UTF-8) and returns its tokens, and whether any
// of its strings has an escape. Otherwise it returns a sentence that says what is wrong and at which
// byte, counted from 0.
func scan(text string) (tokens []token, escapes bool, problem string) {
	s := scanner{text: text, tokens: make([]token, 0, len(text)/8+16)}
	s.space()
	if s.peek() != '{' {
		return nil, false, "not a JSON object"
	}
	if s.document() {
		s.space()
		if s.at == len(text) {
			return s.tokens, s.escapes, ""
		}
	}
	switch {
	case s.problem != "":
	case s.at == len(text):
		s.problem = "cut off"
	default:
		s.problem = "unexpected byte"
	}
	return nil, false, "not JSON: " + s.problem + " at offset " + strconv.Itoa(s.at)
}

// A scanner reads a document from front to back. Its methods report false where the text stops being
// JSON, and at is then the offending byte.
type scanner struct {
	text    string
	at      int
	tokens  []token
	inside  [maxDepth]int // the containers around this place, the outermost first
	depth   int           // how many
	escapes bool          // there was one
	problem string        // set when it is neither an unexpected byte nor the end
}

// document reads one value and all it contains.
func (s *scanner) document() bool {
	for {
		value := s.open()
		switch bracket := s.peek(); bracket {
		case '{', '[':
			if s.depth == maxDepth {
				s.problem = "nested deeper than " + strconv.Itoa(maxDepth) + " levels"
				return false
			}
			s.at++
			s.space()
			if s.peek() != closing(bracket) {
				s.inside[s.depth] = value
				s.depth++
				if bracket == '{' && !s.key() {
					return false
				}
				continue
			}
			s.at++
		case '"':
			if !s.quoted() {
				return false
			}
		case 't':
			if !s.literal("true") {
				return false
			}
		case 'f':
			if !s.literal("false") {
				return false
			}
		case 'n':
			if !s.literal("null") {
				return false
			}
		default:
			if !s.number() {
				return false
			}
		}
		s.close(value)
		if !s.after() {
			return false
		}
		if s.depth == 0 {
			return true
		}
	}
}

// after steps from the end of a value to the beginning of the next, out of the containers that end in
// between.
func (s *scanner) after() bool {
	for s.depth > 0 {
		s.space()
		container := s.inside[s.depth-1]
		bracket := s.text[s.tokens[container].start]
		if s.take(',') {
			s.space()
			return bracket == '[' || s.key()
		}
		if !s.take(closing(bracket)) {
			return false
		}
		s.close(container)
		s.depth--
	}
	return true
}

// closing returns the bracket that ends what bracket began.
func closing(bracket byte) byte { return bracket + 2 }

// key reads the key of a member, up to its value.
func (s *scanner) key() bool {
	if s.peek() != '"' {
		return false
	}
	key := s.open()
	if !s.quoted() {
		return false
	}
	s.close(key)
	s.space()
	if !s.take(':') {
		return false
	}
	s.space()
	return true
}

// open begins a token here, and close ends it, with all that was read since as its contents.
func (s *scanner) open() int {
	s.tokens = append(s.tokens, token{start: uint32(s.at)})
	return len(s.tokens) - 1
}

func (s *scanner) close(t int) {
	s.tokens[t].end = uint32(s.at)
	s.tokens[t].next = uint32(len(s.tokens))
}

func (s *scanner) quoted() bool {
	s.at++
	for {
		s.at += plain(s.text[s.at:])
		switch c := s.peek(); {
		case c == '"':
			s.at++
			return true
		case c == '\\':
			s.at++
			s.escapes = true
			if !s.escape() {
				return false
			}
		case c < ' ': // the end, too
			return false
		default:
			r, size := utf8.DecodeRuneInString(s.text[s.at:])
			if r == utf8.RuneError && size == 1 {
				s.problem = "not UTF-8"
				return false
			}
			s.at += size
		}
	}
}

// plain returns how many bytes of text are characters that stand for themselves: ASCII, and neither a
// control character nor a quote nor a backslash. It looks at eight of them at once.
func plain(text string) int {
	const each = 0x0101010101010101
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		t := text[n : n+8]
		eight := uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 |
			uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
		quote := eight ^ each*'"'
		backslash := eight ^ each*'\\'
		// In the first byte that is not plain, and in none before it, the highest bit is set.
		found := (eight | (eight-each*' ')&^eight | (quote-each)&^quote | (backslash-each)&^backslash) & (each * 0x80)
		if found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
	}
	for ; n < len(text); n++ {
		if c := text[n]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			break
		}
	}
	return n
}

func (s *scanner) escape() bool {
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return true
	case 'u':
		s.at++
		for range 4 {
			if hexDigit(s.peek()) < 0 {
				return false
			}
			s.at++
		}
		return true
	}
	return false
}

func (s *scanner) number() bool {
	_, n, ok := number(s.text[s.at:])
	s.at += n
	return ok
}

// number returns how many bytes of text are the beginning of a number, how many of them are before its
// exponent, and whether the number is whole.
func number(text string) (mantissa, n int, ok bool) {
	if n < len(text) && text[n] == '-' {
		n++
	}
	if n < len(text) && text[n] == '0' {
		n++
	} else if n, ok = digits(text, n); !ok {
		return n, n, false
	}
	if n < len(text) && text[n] == '.' {
		if n, ok = digits(text, n+1); !ok {
			return n, n, false
		}
	}
	mantissa = n
	if n < len(text) && text[n]|0x20 == 'e' {
		n++
		if n < len(text) && (text[n] == '+' || text[n] == '-') {
			n++
		}
		n, ok = digits(text, n)
		return mantissa, n, ok
	}
	return mantissa, n, true
}

// digits returns the offset behind the digits at n, and whether there is one at least.
func digits(text string, n int) (end int, ok bool) {
	for end = n; end < len(text) && isDigit(text[end]); end++ {
	}
	return end, end > n
}

func (s *scanner) literal(word string) bool {
	for i := range len(word) {
		if !s.take(word[i]) {
			return false
		}
	}
	return true
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek returns the byte here, 0 at the end. No JSON outside a string has a zero byte, and inside one it
// is no valid character either, so the two need not be told apart.
func (s *scanner) peek() byte {
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// hexDigit returns the value of a hexadecimal digit, -1 for any other byte.
func hexDigit(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// What follows reads the content of a checked string, the text between its quotes, in which a
// character may be written as an escape: "\u0045" is the key "E".

// equal reports whether content stands for word, which is ASCII.
func equal(content, word string) bool {
	rest, ok := cutPrefix(content, word)
	return ok && rest == ""
}

// cutPrefix returns what follows prefix, which is ASCII, in content.
func cutPrefix(content, prefix string) (rest string, ok bool) {
	for i := range len(prefix) {
		c, size := character(content)
		if size == 0 || c != int(prefix[i]) {
			return "", false
		}
		content = content[size:]
	}
	return content, true
}

// after returns what follows the first c in content.
func after(content string, c byte) (rest string, ok bool) {
	for content != "" {
		found, size := character(content)
		content = content[size:]
		if found == int(c) {
			return content, true
		}
	}
	return "", false
}

// character returns the first character of content and the bytes it takes, 0 at the end. Of a
// character that is neither ASCII nor an escape it returns the first byte, which is no ASCII
// character's either.
func character(content string) (c, size int) {
	if content == "" {
		return 0, 0
	}
	if content[0] != '\\' {
		return int(content[0]), 1
	}
	switch content[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		for i := 2; i < 6; i++ {
			c = c<<4 | hexDigit(content[i])
		}
		return c, 6
	}
	return int(content[1]), 2
}
