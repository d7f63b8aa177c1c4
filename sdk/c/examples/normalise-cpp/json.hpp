/* A JSON document as a list of tokens, and the characters of its strings. */
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/* A token is a value or a key of a document. The tokens of a document stand in the order of its text, a
 * container before its contents: for an object a key and a value for each member, for an array a value for
 * each element. */
struct Token {
	std::size_t start, end; /* the token's text, with its quotes or brackets */
	std::size_t next;       /* the token after this one and its contents */
};

struct Document {
	std::vector<Token> tokens;
	bool escapes = false; /* some string has one */
	std::string problem;  /* what is wrong with the text and at which byte; empty when nothing is */
};

/* scan reads a text that must be a JSON object (RFC 8259, in UTF-8, nested 64 levels at most). */
Document scan(std::string_view text);

/* A NumberText is what of a text is the beginning of a number. */
struct NumberText {
	std::size_t mantissa; /* the length of what is before its exponent */
	std::size_t length;   /* of the number, or of what could be one */
	bool whole;
};

NumberText read_number(std::string_view text);

inline bool is_digit(char c) { return '0' <= c && c <= '9'; }

/* What follows reads the content of a checked string, the text between its quotes, in which a character may
 * be written as an escape: "\u0045" is the key "E". Words, prefixes and c are ASCII. */

/* equal reports whether content stands for word. */
bool equal(std::string_view content, std::string_view word);

/* cut_prefix returns what follows prefix in content. */
std::optional<std::string_view> cut_prefix(std::string_view content, std::string_view prefix);

/* after returns what follows the first c in content. */
std::optional<std::string_view> after(std::string_view content, char c);
