#include "json.hpp"

namespace {

constexpr std::size_t max_depth = 64; /* of objects and arrays in one another */

/* closing returns the bracket that ends what bracket began. */
constexpr char closing(char bracket) { return static_cast<char>(bracket + 2); }

/* hex_digit returns the value of a hexadecimal digit, -1 for any other byte. */
int hex_digit(char c) {
	if (is_digit(c)) {
		return c - '0';
	}
	if ('a' <= c && c <= 'f') {
		return c - 'a' + 10;
	}
	if ('A' <= c && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

/* size_of_character returns the bytes that the first character of text takes, which is not ASCII; 0 when it is
 * not UTF-8 (RFC 3629). */
std::size_t size_of_character(std::string_view text) {
	const auto byte = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
	const unsigned char first = byte(0);
	std::size_t size = 0;
	unsigned char least = 0x80, most = 0xbf; /* of the second byte */
	if (0xc2 <= first && first <= 0xdf) {
		size = 2;
	} else if (0xe0 <= first && first <= 0xef) {
		size = 3;
		least = first == 0xe0 ? 0xa0 : least;
		most = first == 0xed ? 0x9f : most;
	} else if (0xf0 <= first && first <= 0xf4) {
		size = 4;
		least = first == 0xf0 ? 0x90 : least;
		most = first == 0xf4 ? 0x8f : most;
	}
	if (size == 0 || size > text.size() || byte(1) < least || byte(1) > most) {
		return 0;
	}
	for (std::size_t i = 2; i < size; i++) {
		if ((byte(i) & 0xc0) != 0x80) {
			return 0;
		}
	}
	return size;
}

/* A Scanner reads a document from front to back. Its methods return false where the text stops being JSON, and
 * at is then the offending byte. */
class Scanner {
public:
	explicit Scanner(std::string_view whole) : text(whole) { document.tokens.reserve(text.size() / 8 + 16); }

	Document scan() {
		space();
		if (peek() != '{') {
			document.problem = "not a JSON object";
			return std::move(document);
		}
		if (value()) {
			space();
			if (at == text.size()) {
				return std::move(document);
			}
		}
		if (document.problem.empty()) {
			document.problem = at == text.size() ? "cut off" : "unexpected byte";
		}
		document.problem = "not JSON: " + document.problem + " at offset " + std::to_string(at);
		return std::move(document);
	}

private:
	/* value reads one value and all it contains. */
	bool value() {
		for (;;) {
			const std::size_t token = open();
			const char bracket = peek();
			if (bracket == '{' || bracket == '[') {
				if (inside.size() == max_depth) {
					document.problem = "nested deeper than " + std::to_string(max_depth) + " levels";
					return false;
				}
				at++;
				space();
				if (!take(closing(bracket))) {
					inside.push_back(token);
					if (bracket == '{' && !key()) {
						return false;
					}
					continue;
				}
			} else if (!scalar(bracket)) {
				return false;
			}
			close(token);
			if (!after_value()) {
				return false;
			}
			if (inside.empty()) {
				return true;
			}
		}
	}

	bool scalar(char first) {
		switch (first) {
		case '"':
			return quoted();
		case 't':
			return literal("true");
		case 'f':
			return literal("false");
		case 'n':
			return literal("null");
		default:
			const NumberText number = read_number(text.substr(at));
			at += number.length;
			return number.whole;
		}
	}

	/* after_value steps from the end of a value to the beginning of the next, out of the containers that end in
	 * between. */
	bool after_value() {
		while (!inside.empty()) {
			space();
			const char bracket = text[document.tokens[inside.back()].start];
			if (take(',')) {
				space();
				return bracket == '[' || key();
			}
			if (!take(closing(bracket))) {
				return false;
			}
			close(inside.back());
			inside.pop_back();
		}
		return true;
	}

	/* key reads the key of a member, up to its value. */
	bool key() {
		if (peek() != '"') {
			return false;
		}
		const std::size_t token = open();
		if (!quoted()) {
			return false;
		}
		close(token);
		space();
		if (!take(':')) {
			return false;
		}
		space();
		return true;
	}

	/* open begins a token here, and close ends it, with all that was read since as its contents. */
	std::size_t open() {
		document.tokens.push_back({at, 0, 0});
		return document.tokens.size() - 1;
	}

	void close(std::size_t token) {
		document.tokens[token].end = at;
		document.tokens[token].next = document.tokens.size();
	}

	bool quoted() {
		at++;
		for (;;) {
			const auto c = static_cast<unsigned char>(peek());
			if (c == '"') {
				at++;
				return true;
			}
			if (c < ' ') { /* the end, too */
				return false;
			}
			if (c == '\\') {
				at++;
				document.escapes = true;
				if (!escape()) {
					return false;
				}
			} else if (c < 0x80) {
				at++;
			} else {
				const std::size_t size = size_of_character(text.substr(at));
				if (size == 0) {
					document.problem = "not UTF-8";
					return false;
				}
				at += size;
			}
		}
	}

	bool escape() {
		if (take('u')) {
			for (int i = 0; i < 4; i++) {
				if (hex_digit(peek()) < 0) {
					return false;
				}
				at++;
			}
			return true;
		}
		if (peek() == '\0' || std::string_view("\"\\/bfnrt").find(peek()) == std::string_view::npos) {
			return false;
		}
		at++;
		return true;
	}

	bool literal(std::string_view word) {
		for (const char c : word) {
			if (!take(c)) {
				return false;
			}
		}
		return true;
	}

	void space() {
		while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') {
			at++;
		}
	}

	/* peek returns the byte here, 0 at the end. No JSON outside a string has a zero byte, and inside one it is no
	 * valid character either, so the two need not be told apart. */
	[[nodiscard]] char peek() const { return at < text.size() ? text[at] : '\0'; }

	bool take(char c) {
		if (peek() != c) {
			return false;
		}
		at++;
		return true;
	}

	std::string_view text;
	std::size_t at = 0;
	std::vector<std::size_t> inside; /* the containers around this place, the outermost first */
	Document document;
};

/* A Character is the first one of a content and the bytes it takes. Of one that is neither ASCII nor an escape
 * it is the first byte, which is no ASCII character's either. */
struct Character {
	int code;
	std::size_t size;
};

Character character(std::string_view content) {
	if (content[0] != '\\') {
		return {static_cast<unsigned char>(content[0]), 1};
	}
	switch (content[1]) {
	case 'b':
		return {'\b', 2};
	case 'f':
		return {'\f', 2};
	case 'n':
		return {'\n', 2};
	case 'r':
		return {'\r', 2};
	case 't':
		return {'\t', 2};
	case 'u': {
		int code = 0;
		for (const char digit : content.substr(2, 4)) {
			code = code << 4 | hex_digit(digit);
		}
		return {code, 6};
	}
	default:
		return {content[1], 2};
	}
}

} // namespace

Document scan(std::string_view text) { return Scanner(text).scan(); }

NumberText read_number(std::string_view text) {
	NumberText number{0, 0, false};
	std::size_t &n = number.length;
	const auto peek = [&] { return n < text.size() ? text[n] : '\0'; };
	const auto digits = [&] {
		const std::size_t start = n;
		while (is_digit(peek())) {
			n++;
		}
		return n > start;
	};
	if (peek() == '-') {
		n++;
	}
	if (peek() == '0') {
		n++;
	} else if (!digits()) {
		return number;
	}
	if (peek() == '.') {
		n++;
		if (!digits()) {
			return number;
		}
	}
	number.mantissa = n;
	if (peek() == 'e' || peek() == 'E') {
		n++;
		if (peek() == '+' || peek() == '-') {
			n++;
		}
		number.whole = digits();
		return number;
	}
	number.whole = true;
	return number;
}

bool equal(std::string_view content, std::string_view word) {
	const auto rest = cut_prefix(content, word);
	return rest && rest->empty();
}

std::optional<std::string_view> cut_prefix(std::string_view content, std::string_view prefix) {
	for (const char c : prefix) {
		if (content.empty()) {
			return std::nullopt;
		}
		const Character found = character(content);
		if (found.code != c) {
			return std::nullopt;
		}
		content.remove_prefix(found.size);
	}
	return content;
}

std::optional<std::string_view> after(std::string_view content, char c) {
	while (!content.empty()) {
		const Character found = character(content);
		content.remove_prefix(found.size);
		if (found.code == c) {
			return content;
		}
	}
	return std::nullopt;
}
