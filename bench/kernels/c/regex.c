/* Regular expressions, matched by backtracking: characters, the dot, classes such as [a-z] and [^ ], the
 * repetitions *, + and ?, and the anchors ^ and $. */
#include <stdbool.h>
#include <string.h>

#include "kernel.h"
#include "text.h"

/* Each is tried on each line. The last but one takes quadratic time where it fails, the last one cubic. */
static const char *const patterns[] = {
	"error",
	"^ *return .*;$",
	"[0-9]+\\.[0-9]+ms",
	"[0-9][0-9]:[0-9][0-9]:[0-9][0-9]\\.[0-9]+Z",
	"[a-z+.]+@[a-z]+\\.[a-z]+",
	"\\[[a-z]+ ?-? ?[0-9]*\\]",
	"\"[^\"]*\"",
	"^$",
	"a+b",
	"a*a*b",
};

/* An atom is what matches one character: at is its beginning in the pattern, and end its end. */
struct atom {
	const char *at, *end;
};

static struct atom atom_at(const char *pattern) {
	struct atom atom = {pattern, pattern + 1};
	if (*pattern == '\\') {
		atom.end++;
	} else if (*pattern == '[') {
		while (*atom.end != ']') {
			atom.end++;
		}
		atom.end++;
	}
	return atom;
}

static bool in_class(struct atom atom, char c) {
	const char *at = atom.at + 1, *end = atom.end - 1;
	bool negated = *at == '^';
	if (negated) {
		at++;
	}
	while (at < end) {
		char low = *at, high = low;
		if (at + 2 < end && at[1] == '-') {
			high = at[2];
			at += 2;
		}
		if (low <= c && c <= high) {
			return !negated;
		}
		at++;
	}
	return negated;
}

static bool atom_matches(struct atom atom, char c) {
	switch (*atom.at) {
	case '.':
		return true;
	case '[':
		return in_class(atom, c);
	case '\\':
		return atom.at[1] == c;
	default:
		return *atom.at == c;
	}
}

/* match_here tells whether the pattern matches at the beginning of what is between text and end. */
static bool match_here(const char *pattern, const char *at, const char *end) {
	while (*pattern != '\0') {
		if (pattern[0] == '$' && pattern[1] == '\0') {
			return at == end;
		}
		struct atom atom = atom_at(pattern);
		char repetition = *atom.end;
		if (repetition != '*' && repetition != '+' && repetition != '?') {
			if (at == end || !atom_matches(atom, *at)) {
				return false;
			}
			at++;
			pattern = atom.end;
			continue;
		}
		/* As many as there are, and then ever fewer. */
		const char *least = repetition == '+' ? at + 1 : at, *most = at;
		while (most < end && atom_matches(atom, *most)) {
			most++;
			if (repetition == '?') {
				break;
			}
		}
		for (; most >= least; most--) {
			if (match_here(atom.end + 1, most, end)) {
				return true;
			}
		}
		return false;
	}
	return true;
}

static bool match(const char *pattern, const char *at, const char *end) {
	if (*pattern == '^') {
		return match_here(pattern + 1, at, end);
	}
	for (; at <= end; at++) {
		if (match_here(pattern, at, end)) {
			return true;
		}
	}
	return false;
}

KERNEL(regex) {
	static char lines[sizeof text];
	memcpy(lines, text, sizeof text);
	uint32_t checksum = 0;
	for (int32_t round = 0; round < n; round++) {
		changed(lines);
		for (const char *line = lines; *line != '\0';) {
			const char *end = strchr(line, '\n');
			for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
				checksum = mix(checksum, match(patterns[i], line, end));
			}
			line = end + 1;
		}
	}
	return (int32_t)checksum;
}
