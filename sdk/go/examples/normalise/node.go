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

// A node is an object or an array of the message together with the way to it, which failures name.
//
// A reader of an object is given a key; a reader of an array is given next, and takes one element after
// the other. Readers return plain text: of a string what stands between the quotes, of a number its
// digits. They return "" for a value that is null or not there, where the node allows that, and after a
// failure.
type node struct {
	m      *message
	parent *node
	key    string // of this node in an object, or next
	index  int    // of this node in an array
	token  int    // absent when there is no such node: it has no contents
	cursor int    // the token of the next element
	taken  int    // how many elements were
	lack   lack
}

const (
	next   = ""
	absent = -1
)

// none is no node.
var none = node{token: absent}

// A lack is what the values of a node may do without.
type lack int

const (
	complete  lack = iota
	withNulls      // they may be null, or "", which is how OKX writes null
	withGaps       // they may be null, or missing
)

// top is the whole message, an object.
func (m *message) top() node { return node{m: m} }

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

// orNull is the same node, whose values may be null.
func (n *node) orNull() node {
	lax := *n
	lax.lack = withNulls
	return lax
}

// ifSent is the same node, whose values may be missing.
func (n *node) ifSent() node {
	lax := *n
	lax.lack = withGaps
	return lax
}

// has reports whether an object has the key.
func (n *node) has(key string) bool { return n.find(key) != absent }

// more reports whether there is another element to take.
func (n *node) more() bool {
	return n.token != absent && n.cursor < int(n.m.tokens[n.token].next) && n.m.failure == ""
}

// find returns the token of a value. Of several members with one key the last counts.
func (n *node) find(key string) int {
	if n.token == absent {
		return absent
	}
	tokens := n.m.tokens
	end := int(tokens[n.token].next)
	found := absent
	if key == next {
		n.taken++
		if n.cursor < end {
			found = n.cursor
			n.cursor = int(tokens[found].next)
		}
		return found
	}
	for i := n.token + 1; i < end; i = int(tokens[i+1].next) {
		t := tokens[i]
		if content := n.m.text[t.start+1 : t.end-1]; content == key || n.m.escapes && equal(content, key) {
			found = i + 1
		}
	}
	return found
}

// raw returns a value as it stands in the message, and its token.
func (n *node) raw(key string) (text string, token int) {
	token = n.find(key)
	if token == absent {
		if n.lack != withGaps {
			n.fail(key, "is missing")
		}
		return "", absent
	}
	t := n.m.tokens[token]
	text = n.m.text[t.start:t.end]
	if n.lack != complete && (text == "null" || text == `""`) {
		text = ""
	}
	return text, token
}

// object returns a value that is an object.
func (n *node) object(key string) node { return n.container(key, '{', "an object") }

// array returns a value that is an array.
func (n *node) array(key string) node { return n.container(key, '[', "an array") }

// entries is the array "data" of a message that carries several entries. One at least is there: a
// message without any would say nothing.
func (n *node) entries() node {
	entries := n.array("data")
	if !entries.more() {
		n.fail("data", "is empty")
	}
	return entries
}

func (n *node) container(key string, bracket byte, noun string) node {
	text, token := n.raw(key)
	if text != "" && text[0] != bracket {
		n.wrong(key, noun, text)
		token = absent
	}
	return node{m: n.m, parent: n, key: key, index: n.taken - 1, token: token, cursor: token + 1}
}

// string returns the content of a string, its escapes kept. An empty string is refused: here strings
// are names, ids and reasons.
func (n *node) string(key string) string {
	text, _ := n.raw(key)
	switch {
	case text == "":
		return ""
	case text[0] != '"':
		n.wrong(key, "a string", text)
		return ""
	case text == `""`:
		n.fail(key, "is empty")
		return ""
	}
	return text[1 : len(text)-1]
}

// oneOf returns the word among words that a string holds.
func (n *node) oneOf(key string, words ...string) string {
	text, _ := n.raw(key)
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
	n.wrong(key, noun, text)
	return ""
}

// bool reports whether a value is true.
func (n *node) bool(key string) bool {
	text, _ := n.raw(key)
	if text != "" && text != "true" && text != "false" {
		n.wrong(key, "true or false", text)
	}
	return text == "true"
}

// integer returns a number without fraction.
func (n *node) integer(key string) string {
	text, _ := n.raw(key)
	if text != "" && !isInteger(text) {
		n.wrong(key, "a 64-bit integer", text)
		return ""
	}
	return text
}

// digits returns the integer in a string.
func (n *node) digits(key string) string {
	text, _ := n.raw(key)
	if text == "" {
		return ""
	}
	if text[0] != '"' || !isInteger(text[1:len(text)-1]) {
		n.wrong(key, "a 64-bit integer in a string", text)
		return ""
	}
	return text[1 : len(text)-1]
}

// number returns a number as a plain decimal.
func (n *node) number(key string) string {
	text, _ := n.raw(key)
	if text == "" {
		return ""
	}
	plain := plainDecimal(text)
	if plain == "" {
		n.wrong(key, "a decimal number", text)
	}
	return plain
}

// decimal returns the number in a string as a plain decimal.
func (n *node) decimal(key string) string {
	text, _ := n.raw(key)
	if text == "" {
		return ""
	}
	plain := ""
	if text[0] == '"' {
		plain = plainDecimal(text[1 : len(text)-1])
	}
	if plain == "" {
		n.wrong(key, "a decimal number in a string", text)
	}
	return plain
}

// wrong fails with what a value should have been and what it is.
func (n *node) wrong(key, noun, text string) { n.fail(key, "is not "+noun+": "+excerpt(text)) }

// fail fails on a value: the member with that key, or the element taken last.
func (n *node) fail(key, problem string) {
	if n.m.failure == "" {
		value := node{parent: n, key: key, index: n.taken - 1}
		n.m.fail(n.m.where + `: field "` + value.path() + `" ` + problem)
	}
}

// path returns the way to the node: data[0].px
func (n *node) path() string {
	switch {
	case n.parent == nil:
		return ""
	case n.key == next:
		return n.parent.path() + "[" + strconv.Itoa(n.index) + "]"
	case n.parent.parent == nil:
		return n.key
	}
	return n.parent.path() + "." + n.key
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
