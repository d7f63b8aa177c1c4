#include "node.hpp"

#include "decimal.hpp"

namespace {

/* excerpt returns the beginning of text, whole characters of it. */
std::string excerpt(std::string_view text) {
	constexpr std::size_t most = 40; /* bytes */
	if (text.size() <= most) {
		return std::string(text);
	}
	std::size_t end = most;
	while ((text[end] & 0xc0) == 0x80) { /* not the first byte of a character */
		end--;
	}
	return std::string(text.substr(0, end)) + "...";
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string_view unquoted(std::string_view text) { return text.substr(1, text.size() - 2); }

/* content_of returns what is in a string, nothing for any other value. */
std::string_view content_of(std::string_view text) {
	return text.starts_with('"') ? unquoted(text) : std::string_view();
}

} // namespace

void Message::fail(std::string problem) {
	if (failure.empty()) {
		failure = std::move(problem);
	}
}

void Message::unknown(std::string_view noun, std::string_view content) {
	fail(std::string(where) + ": unknown " + std::string(noun) + " " + excerpt(quoted(content)));
}

Node Node::lax(Lack allowed) const {
	Node same = *this;
	same.lack = allowed;
	return same;
}

Node Node::root() const {
	Node same = *this;
	same.parent = nullptr;
	return same;
}

bool Node::more() const {
	return token != absent && cursor < message->document.tokens[token].next && message->failure.empty();
}

/* member returns the token of a member. Of several with one key the last counts. */
std::size_t Node::member(std::string_view wanted) const {
	std::size_t found = absent;
	if (token == absent) {
		return found;
	}
	const auto &tokens = message->document.tokens;
	for (std::size_t i = token + 1; i < tokens[token].next; i = tokens[i + 1].next) {
		const std::string_view content = unquoted(message->text.substr(tokens[i].start, tokens[i].end - tokens[i].start));
		if (content == wanted || (message->document.escapes && equal(content, wanted))) {
			found = i + 1;
		}
	}
	return found;
}

/* find returns the token of a value. */
std::size_t Node::find(std::string_view wanted) {
	if (wanted != NEXT || token == absent) {
		return member(wanted);
	}
	taken++;
	if (cursor >= message->document.tokens[token].next) {
		return absent;
	}
	const std::size_t found = cursor;
	cursor = message->document.tokens[found].next;
	return found;
}

/* need returns the token of a value that has to be there, or fails. */
std::size_t Node::need(std::string_view wanted) {
	const std::size_t found = find(wanted);
	if (found == absent && lack != Lack::gaps) {
		fail(wanted, "is missing");
	}
	return found;
}

std::string_view Node::text_of(std::size_t value) const {
	if (value == absent) {
		return {};
	}
	const Token &t = message->document.tokens[value];
	const std::string_view text = message->text.substr(t.start, t.end - t.start);
	return lack != Lack::nothing && (text == "null" || text == "\"\"") ? std::string_view() : text;
}

Node Node::entries() {
	Node all = array("data");
	if (!all.more()) {
		fail("data", "is empty");
	}
	return all;
}

Node Node::container(std::string_view wanted, char bracket, std::string_view noun) {
	std::size_t found = need(wanted);
	const std::string_view text = text_of(found);
	if (!text.empty() && text.front() != bracket) {
		wrong(wanted, noun, text);
		found = absent;
	}
	return child(wanted, found);
}

/* child returns the member with that key, or the element taken last. */
Node Node::child(std::string_view name, std::size_t value) const { return {*message, this, name, taken - 1, value}; }

std::string_view Node::string(std::string_view wanted) {
	const std::string_view text = raw(wanted);
	if (text.empty()) {
		return {};
	}
	if (text.front() != '"') {
		wrong(wanted, "a string", text);
		return {};
	}
	if (text == "\"\"") {
		fail(wanted, "is empty");
		return {};
	}
	return unquoted(text);
}

std::string_view Node::one_of(std::string_view wanted, std::initializer_list<std::string_view> words) {
	const std::string_view text = raw(wanted);
	if (text.empty()) {
		return {};
	}
	std::string noun;
	for (const std::string_view word : words) {
		if (text.front() == '"' && equal(unquoted(text), word)) {
			return word;
		}
		noun += (noun.empty() ? "" : " or ") + quoted(word);
	}
	wrong(wanted, noun, text);
	return {};
}

bool Node::boolean(std::string_view wanted) {
	const std::string_view text = raw(wanted);
	if (!text.empty() && text != "true" && text != "false") {
		wrong(wanted, "true or false", text);
	}
	return text == "true";
}

std::string_view Node::integer(std::string_view wanted) {
	const std::string_view text = raw(wanted);
	if (text.empty() || is_integer(text)) {
		return text;
	}
	wrong(wanted, "a 64-bit integer", text);
	return {};
}

std::string_view Node::digits(std::string_view wanted) {
	const std::string_view text = raw(wanted);
	const std::string_view content = content_of(text);
	if (text.empty() || is_integer(content)) {
		return content;
	}
	wrong(wanted, "a 64-bit integer in a string", text);
	return {};
}

std::string Node::number(std::string_view wanted) {
	const std::string_view text = raw(wanted);
	std::string plain = plain_decimal(text);
	if (plain.empty() && !text.empty()) {
		wrong(wanted, "a decimal number", text);
	}
	return plain;
}

std::string Node::decimal(std::string_view wanted) {
	const std::string_view text = raw(wanted);
	std::string plain = plain_decimal(content_of(text));
	if (plain.empty() && !text.empty()) {
		wrong(wanted, "a decimal number in a string", text);
	}
	return plain;
}

void Node::wrong(std::string_view wanted, std::string_view noun, std::string_view text) {
	fail(wanted, "is not " + std::string(noun) + ": " + excerpt(text));
}

/* fail fails on a value: the member with that key, or the element taken last. */
void Node::fail(std::string_view wanted, std::string problem) {
	if (message->failure.empty()) {
		message->fail(std::string(message->where) + ": field " + quoted(child(wanted, absent).path()) + " " + problem);
	}
}

/* path returns the way to the node: data[0].px */
std::string Node::path() const {
	if (parent == nullptr) {
		return {};
	}
	if (step == NEXT) {
		return parent->path() + "[" + std::to_string(index) + "]";
	}
	const std::string before = parent->path();
	return before.empty() ? std::string(step) : before + "." + std::string(step);
}
