/* A message and the nodes of its JSON, from which its fields are read. */
#pragma once

#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>

#include "json.hpp"

/* A Message is one input on its way to events. The first failure stays; from then on readers return nothing and
 * what is written is thrown away, so no caller has to look before the end. */
struct Message {
	std::string_view text; /* the caller's */
	Document document;
	std::string_view where; /* the exchange and the kind of message, for failures */
	std::string failure;    /* empty while all is well */
	std::string out;

	/* fail keeps the first failure. */
	void fail(std::string problem);

	/* unknown fails on a value that is none of those this plugin knows. */
	void unknown(std::string_view noun, std::string_view content);
};

/* NEXT is the key by which the next element of an array is read. */
constexpr std::string_view NEXT;

/* A Node is an object or an array of the message together with the way to it, which failures name.
 *
 * A reader of an object is given a key; a reader of an array is given NEXT, and takes one element after the
 * other. Readers return plain text: of a string what stands between the quotes, of a number its digits. They
 * return nothing for a value that is null or not there, where the node allows that, and after a failure. */
class Node {
public:
	/* The whole message, an object. */
	explicit Node(Message &m) : Node(m, nullptr, NEXT, 0, 0) {}

	/* none is no node: it has no contents. */
	static Node none(Message &m) { return {m, nullptr, NEXT, 0, absent}; }

	/* The same node, whose values may be null, or missing. */
	[[nodiscard]] Node or_null() const { return lax(Lack::nulls); }
	[[nodiscard]] Node if_sent() const { return lax(Lack::gaps); }

	/* The same node, from which the way begins anew. */
	[[nodiscard]] Node root() const;

	/* has reports whether an object has the key. */
	[[nodiscard]] bool has(std::string_view key) const { return member(key) != absent; }

	/* more reports whether there is another element to take. */
	[[nodiscard]] bool more() const;

	/* raw returns a value as it stands in the message. */
	std::string_view raw(std::string_view key) { return text_of(need(key)); }

	/* object and array return a value that is one; the node must outlive it. entries is the array "data", with an
	 * element at least: a message without data would say nothing. */
	Node object(std::string_view key) { return container(key, '{', "an object"); }
	Node array(std::string_view key) { return container(key, '[', "an array"); }
	Node entries();

	/* string returns the content of a string, its escapes kept. An empty string is refused: here strings are
	 * names, ids and reasons. */
	std::string_view string(std::string_view key);

	/* one_of returns the word among words that a string holds. */
	std::string_view one_of(std::string_view key, std::initializer_list<std::string_view> words);

	/* boolean reports whether a value is true. */
	bool boolean(std::string_view key);

	/* integer returns a number without fraction, digits the integer in a string. */
	std::string_view integer(std::string_view key);
	std::string_view digits(std::string_view key);

	/* number returns a number as a plain decimal, decimal the number in a string. */
	std::string number(std::string_view key);
	std::string decimal(std::string_view key);

	/* wrong fails with what a value, the member with that key or the element taken last, should have been and
	 * what it is. */
	void wrong(std::string_view key, std::string_view noun, std::string_view text);

private:
	/* What the values of a node may do without. */
	enum class Lack {
		nothing,
		nulls, /* they may be null, or "", which is how OKX writes null */
		gaps   /* they may be null, or missing */
	};

	static constexpr std::size_t absent = std::numeric_limits<std::size_t>::max();

	Node(Message &m, const Node *p, std::string_view k, std::size_t i, std::size_t t)
		: message(&m), parent(p), step(k), index(i), token(t), cursor(t + 1) {}

	[[nodiscard]] Node lax(Lack allowed) const;
	[[nodiscard]] std::size_t member(std::string_view key) const;
	std::size_t find(std::string_view key);
	std::size_t need(std::string_view key);
	[[nodiscard]] std::string_view text_of(std::size_t value) const;
	Node container(std::string_view key, char bracket, std::string_view noun);
	[[nodiscard]] Node child(std::string_view key, std::size_t value) const;
	void fail(std::string_view key, std::string problem);
	[[nodiscard]] std::string path() const;

	Message *message;
	const Node *parent;    /* outlives the node */
	std::string_view step; /* the key of this node in an object, or NEXT */
	std::size_t index;     /* of this node in an array */
	std::size_t token;     /* absent when there is no such node */
	std::size_t cursor;    /* the token of the next element */
	std::size_t taken = 0; /* how many elements were */
	Lack lack = Lack::nothing;
};
