package main

import "strconv"

// A message is one input on its way to events. The first failure stays; from then on readers return
// nothing and what is written is thrown away, so no caller has to look before the end.
type message struct {
	text    string
	tokens  []token
	escapes bool   // some string has one
	where   string // the exchange and the kind of message, for failures
	failure string // "" while all is well
	out     []byte
}

// A field is a value of the message together with the way to it, which failures name. Its readers
// return plain text: of a string what stands between the quotes, of a number its digits. They return ""
// for a value that is null or not there, where the field may be, and after a failure.
type field struct {
	m      *message
	parent *field
	key    string // the member's key, "" for an element
	index  int    // the element's index
	token  int    // absent when the message has no such value
	need   need
}

const absent = -1

// A need says what a field may do without.
type need int

const (
	required need = iota
	nullable
	optional
)

// top is the whole message, an object.
func (m *message) top() field { return field{m: m} }

// fail keeps the first failure.
func (m *message) fail(failure string) {
	if m.failure == "" {
		m.failure = failure
	}
}

// unknown fails on a value that is none of those this plugin knows.
func (m *message) unknown(noun, content string) {
	m.fail(m.where + ": unknown " + noun + " " + excerpt(`"`+content+`"`))
}

// has reports whether an object has the key.
func (f *field) has(key string) bool { return f.field(key).token != absent }

// field returns the member of an object. Of several with one key the last counts.
func (f *field) field(key string) field {
	member := field{m: f.m, parent: f, key: key, token: absent}
	if f.token == absent {
		return member
	}
	tokens := f.m.tokens
	for i := f.token + 1; i < int(tokens[f.token].next); i = int(tokens[i+1].next) {
		t := tokens[i]
		if content := f.m.text[t.start+1 : t.end-1]; content == key || f.m.escapes && equal(content, key) {
			member.token = i + 1
		}
	}
	return member
}

// first returns the first element of an array.
func (f *field) first() field {
	return field{m: f.m, parent: f, token: f.element(f.token + 1)}
}

// next returns the element after this one.
func (f *field) next() field {
	next := field{m: f.m, parent: f.parent, index: f.index + 1, token: absent}
	if f.token != absent {
		next.token = f.parent.element(int(f.m.tokens[f.token].next))
	}
	return next
}

// element returns token, or absent when it is past the end of the array.
func (f *field) element(token int) int {
	if f.token == absent || token >= int(f.m.tokens[f.token].next) {
		return absent
	}
	return token
}

// orNull lets a value be null, or "", which is how OKX writes null.
func (f field) orNull() field {
	f.need = nullable
	return f
}

// ifSent lets a value be missing, or null.
func (f field) ifSent() field {
	f.need = optional
	return f
}

// text returns the value as it stands in the message, "" when it has none and need not.
func (f field) text() string {
	if f.token == absent {
		if f.need != optional {
			f.fail("is missing")
		}
		return ""
	}
	t := f.m.tokens[f.token]
	text := f.m.text[t.start:t.end]
	if f.need != required && (text == "null" || text == `""`) {
		return ""
	}
	return text
}

// object returns the field when it is an object, and one without members when it is not.
func (f field) object() field { return f.container('{', "an object") }

// array returns the field when it is an array, and one without elements when it is not.
func (f field) array() field { return f.container('[', "an array") }

// entries is an array with an element at least: a message without data would say nothing.
func (f field) entries() field {
	f = f.array()
	if f.token != absent && f.first().token == absent {
		f.fail("is empty")
	}
	return f
}

func (f field) container(bracket byte, noun string) field {
	text := f.text()
	if text != "" && text[0] != bracket {
		f.wrong(noun, text)
	}
	if text == "" || text[0] != bracket {
		f.token = absent
	}
	return f
}

// string returns the content of a string, its escapes kept. An empty string is refused: here strings
// are names, ids and reasons.
func (f field) string() string {
	text := f.text()
	if text == "" {
		return ""
	}
	if text[0] != '"' {
		f.wrong("a string", text)
		return ""
	}
	if text == `""` {
		f.fail("is empty")
		return ""
	}
	return text[1 : len(text)-1]
}

// oneOf returns the word among words that a string holds.
func (f field) oneOf(words ...string) string {
	text := f.text()
	if text == "" {
		return ""
	}
	if text[0] == '"' {
		for _, word := range words {
			if equal(text[1:len(text)-1], word) {
				return word
			}
		}
	}
	noun := `"` + words[0] + `"`
	for _, word := range words[1:] {
		noun += ` or "` + word + `"`
	}
	f.wrong(noun, text)
	return ""
}

// bool reports whether a value is true.
func (f field) bool() bool {
	text := f.text()
	if text != "" && text != "true" && text != "false" {
		f.wrong("true or false", text)
	}
	return text == "true"
}

// integer returns a number without fraction.
func (f field) integer() string {
	text := f.text()
	if text != "" && !isInteger(text) {
		f.wrong("a 64-bit integer", text)
		return ""
	}
	return text
}

// digits returns the integer in a string.
func (f field) digits() string {
	text := f.text()
	if text == "" {
		return ""
	}
	if text[0] != '"' || !isInteger(text[1:len(text)-1]) {
		f.wrong("a 64-bit integer in a string", text)
		return ""
	}
	return text[1 : len(text)-1]
}

// number returns a number as a plain decimal.
func (f field) number() string {
	text := f.text()
	if text == "" {
		return ""
	}
	plain := plainDecimal(text)
	if plain == "" {
		f.wrong("a decimal number", text)
	}
	return plain
}

// decimal returns the number in a string as a plain decimal.
func (f field) decimal() string {
	text := f.text()
	if text == "" {
		return ""
	}
	plain := ""
	if text[0] == '"' {
		plain = plainDecimal(text[1 : len(text)-1])
	}
	if plain == "" {
		f.wrong("a decimal number in a string", text)
	}
	return plain
}

// wrong fails with what the field should have been and what it is.
func (f *field) wrong(noun, text string) { f.fail("is not " + noun + ": " + excerpt(text)) }

func (f *field) fail(problem string) {
	if f.m.failure == "" {
		f.m.fail(f.m.where + `: field "` + f.path() + `" ` + problem)
	}
}

// path returns the way to the field: data[0].px
func (f *field) path() string {
	switch {
	case f.parent == nil:
		return ""
	case f.key == "":
		return f.parent.path() + "[" + strconv.Itoa(f.index) + "]"
	case f.parent.parent == nil:
		return f.key
	}
	return f.parent.path() + "." + f.key
}

// excerpt returns the beginning of text, whole characters of it.
func excerpt(text string) string {
	const most = 40 // bytes
	if len(text) <= most {
		return text
	}
	end := most
	for text[end]&0xc0 == 0x80 { // not the first byte of a character
		end--
	}
	return text[:end] + "..."
}
