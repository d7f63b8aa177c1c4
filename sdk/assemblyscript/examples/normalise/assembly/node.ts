// A message and the nodes of its JSON, from which its fields are read.
import { isInteger, plainDecimal } from "./decimal";
import { Token } from "./json";
import { Buffer, equal } from "./text";

/** One input on its way to events. The first failure stays; from then on readers return nothing and what is written is
 * thrown away, so no caller has to look before the end. */
export class Message {
  /** The exchange and the kind of message, for failures. */
  where: string = "";
  /** "" while all is well. */
  failure: string = "";
  out: Buffer;

  constructor(public text: string, public tokens: Token[], public escapes: bool) {
    this.out = new Buffer(text.length + 256);
  }

  /** Returns the whole message, an object. */
  top(): Node {
    return new Node(this, 0);
  }

  /** Keeps the first failure. */
  fail(failure: string): void {
    if (this.failure == "") this.failure = failure;
  }

  /** Fails on a value that is none of those this plugin knows. */
  unknown(noun: string, content: string): void {
    this.fail(this.where + ": unknown " + noun + " " + excerpt('"' + content + '"'));
  }
}

/** The key by which the next element of an array is read. */
export const NEXT = "";

/** The token of a node or a value that the message does not have. */
const ABSENT: i32 = -1;

/** What the values of a node may do without. */
enum Lack {
  Nothing,
  /** They may be null, or "", which is how OKX writes null. */
  Nulls,
  /** They may be null, or missing. */
  Gaps,
}

/** An object or an array of the message together with the way to it, which failures name.
 *
 * A reader of an object is given a key; a reader of an array is given NEXT, and takes one element after the other. Readers
 * return plain text: of a string what stands between the quotes, of a number its digits. They return "" for a value that
 * is null or not there, where the node allows that, and after a failure. */
export class Node {
  parent: Node | null = null;
  /** Of this node in an object, or NEXT. */
  key: string = NEXT;
  /** Of this node in an array. */
  index: i32 = 0;
  /** The token of the next element. */
  private cursor: i32;
  /** How many elements were taken. */
  private taken: i32 = 0;
  private lack: Lack = Lack.Nothing;

  constructor(public message: Message, private token: i32) {
    this.cursor = token + 1;
  }

  /** Returns no node: it has no contents. */
  static none(message: Message): Node {
    return new Node(message, ABSENT);
  }

  /** The same node, whose values may be null. */
  orNull(): Node {
    return this.lax(Lack.Nulls);
  }

  /** The same node, whose values may be missing. */
  ifSent(): Node {
    return this.lax(Lack.Gaps);
  }

  private lax(lack: Lack): Node {
    const lax = new Node(this.message, this.token);
    lax.parent = this.parent;
    lax.key = this.key;
    lax.index = this.index;
    lax.cursor = this.cursor;
    lax.taken = this.taken;
    lax.lack = lack;
    return lax;
  }

  /** Reports whether an object has the key. */
  has(key: string): bool {
    return this.find(key) != ABSENT;
  }

  /** Reports whether there is another element to take. */
  more(): bool {
    return this.token != ABSENT && this.cursor < this.message.tokens[this.token].next && this.message.failure == "";
  }

  /** Returns the token of a value. Of several members with one key the last counts. */
  private find(key: string): i32 {
    if (this.token == ABSENT) return ABSENT;
    const tokens = this.message.tokens;
    const end = tokens[this.token].next;
    let found = ABSENT;
    if (key == NEXT) {
      this.taken++;
      if (this.cursor < end) {
        found = this.cursor;
        this.cursor = tokens[found].next;
      }
      return found;
    }
    for (let i = this.token + 1; i < end; i = tokens[i + 1].next) {
      if (this.isKey(tokens[i], key)) found = i + 1;
    }
    return found;
  }

  private isKey(token: Token, key: string): bool {
    const text = this.message.text;
    const start = token.start + 1;
    const length = token.end - 1 - start;
    if (!this.message.escapes) return length == key.length && text.startsWith(key, start);
    return equal(text.substring(start, start + length), key);
  }

  /** Returns the token of a value that has to be there, or fails. */
  private need(key: string): i32 {
    const token = this.find(key);
    if (token == ABSENT && this.lack != Lack.Gaps) this.fail(key, "is missing");
    return token;
  }

  /** Returns a token as it stands in the message. */
  private textAt(token: i32): string {
    if (token == ABSENT) return "";
    const t = this.message.tokens[token];
    const text = this.message.text.substring(t.start, t.end);
    return this.lack != Lack.Nothing && (text == "null" || text == '""') ? "" : text;
  }

  /** Returns a value as it stands in the message. */
  raw(key: string): string {
    return this.textAt(this.need(key));
  }

  /** Returns a value that is an object. */
  object(key: string): Node {
    return this.container(key, 0x7b, "an object");
  }

  /** Returns a value that is an array. */
  array(key: string): Node {
    return this.container(key, 0x5b, "an array");
  }

  /** Returns the array "data" of a message that carries several entries. One at least is there: a message without any
   * would say nothing. */
  entries(): Node {
    const entries = this.array("data");
    if (!entries.more()) this.fail("data", "is empty");
    return entries;
  }

  private container(key: string, bracket: i32, noun: string): Node {
    let token = this.need(key);
    const text = this.textAt(token);
    if (text != "" && text.charCodeAt(0) != bracket) {
      this.wrong(key, noun, text);
      token = ABSENT;
    }
    return this.child(key, token);
  }

  /** Returns the member with that key, or the element taken last. */
  private child(key: string, token: i32): Node {
    const child = new Node(this.message, token);
    child.parent = this;
    child.key = key;
    child.index = this.taken - 1;
    return child;
  }

  /** Returns the content of a string, its escapes kept. An empty string is refused: here strings are names, ids and
   * reasons. */
  string(key: string): string {
    const text = this.raw(key);
    if (text == "") return "";
    if (text.charCodeAt(0) != 0x22) {
      this.wrong(key, "a string", text);
      return "";
    }
    if (text == '""') {
      this.fail(key, "is empty");
      return "";
    }
    return unquoted(text);
  }

  /** Returns the word among words that a string holds. */
  oneOf(key: string, words: string[]): string {
    const text = this.raw(key);
    if (text == "") return "";
    if (text.charCodeAt(0) == 0x22) {
      const content = unquoted(text);
      for (let i = 0; i < words.length; i++) {
        if (equal(content, words[i])) return words[i];
      }
    }
    this.wrong(key, '"' + words.join('" or "') + '"', text);
    return "";
  }

  /** Reports whether a value is true. */
  bool(key: string): bool {
    const text = this.raw(key);
    if (text != "" && text != "true" && text != "false") this.wrong(key, "true or false", text);
    return text == "true";
  }

  /** Returns a number without fraction. */
  integer(key: string): string {
    const text = this.raw(key);
    return this.checked(key, text, isInteger(text) ? text : "", "a 64-bit integer");
  }

  /** Returns the integer in a string. */
  digits(key: string): string {
    const text = this.raw(key);
    const content = contentOf(text);
    return this.checked(key, text, isInteger(content) ? content : "", "a 64-bit integer in a string");
  }

  /** Returns a number as a plain decimal. */
  number(key: string): string {
    const text = this.raw(key);
    return this.checked(key, text, plainDecimal(text), "a decimal number");
  }

  /** Returns the number in a string as a plain decimal. */
  decimal(key: string): string {
    const text = this.raw(key);
    return this.checked(key, text, plainDecimal(contentOf(text)), "a decimal number in a string");
  }

  /** Returns what was read of a value, and fails when that is nothing though there is a value. */
  private checked(key: string, text: string, read: string, noun: string): string {
    if (text != "" && read == "") this.wrong(key, noun, text);
    return read;
  }

  /** Fails with what a value should have been and what it is. */
  wrong(key: string, noun: string, text: string): void {
    this.fail(key, "is not " + noun + ": " + excerpt(text));
  }

  /** Fails on a value: the member with that key, or the element taken last. */
  private fail(key: string, problem: string): void {
    const message = this.message;
    if (message.failure == "") message.fail(message.where + ': field "' + this.child(key, ABSENT).path() + '" ' + problem);
  }

  /** Returns the way to the node: data[0].px */
  private path(): string {
    const parent = this.parent;
    if (parent === null) return "";
    if (this.key == NEXT) return parent.path() + "[" + this.index.toString() + "]";
    return parent.parent === null ? this.key : parent.path() + "." + this.key;
  }
}

function unquoted(text: string): string {
  return text.substring(1, text.length - 1);
}

/** Returns what is in a string, "" for any other value. */
function contentOf(text: string): string {
  return text.startsWith('"') ? unquoted(text) : "";
}

/** Returns the beginning of text, whole characters of it. */
function excerpt(text: string): string {
  const most = 40; // bytes
  if (text.length <= most) return text;
  let end = most;
  while ((text.charCodeAt(end) & 0xc0) == 0x80) end--; // not the first byte of a character
  return text.substring(0, end) + "...";
}
