// A JSON document as a list of tokens.
import { hexDigit, isDigit } from "./text";

/** How deeply objects and arrays may nest. */
const maxDepth = 64;

/** A value or a key of a document. The tokens of a document stand in the order of its text, a container before its
 * contents: for an object a key and a value for each member, for an array a value for each element. */
export class Token {
  /** The token's text ends here, with its quotes or brackets. */
  end: i32 = 0;
  /** The token after this one and its contents. */
  next: i32 = 0;

  constructor(public start: i32) {}
}

/** Reads a document from front to back. Its methods report false where the text stops being JSON, and `at` is then the
 * offending byte. */
export class Scanner {
  tokens: Token[] = [];
  /** Some string has an escape. */
  escapes: bool = false;
  /** What is wrong with the text and at which byte; "" when nothing is. */
  problem: string = "";

  private at: i32 = 0;
  /** The containers around this place, the outermost first. */
  private inside: i32[] = [];

  constructor(private text: string) {}

  /** Reads all of the text, which must be a JSON object (RFC 8259, in UTF-8), and reports whether it is. */
  scan(): bool {
    this.space();
    if (this.peek() != 0x7b /* { */) {
      this.problem = "not a JSON object";
      return false;
    }
    if (this.document()) {
      this.space();
      if (this.at == this.text.length) return true;
    }
    if (this.problem == "") this.problem = this.at == this.text.length ? "cut off" : "unexpected byte";
    this.problem = "not JSON: " + this.problem + " at offset " + this.at.toString();
    return false;
  }

  /** Reads one value and all it contains. */
  private document(): bool {
    while (true) {
      const value = this.open();
      const bracket = this.peek();
      switch (bracket) {
        case 0x7b /* { */:
        case 0x5b /* [ */: {
          if (this.inside.length == maxDepth) {
            this.problem = "nested deeper than " + maxDepth.toString() + " levels";
            return false;
          }
          this.at++;
          this.space();
          if (this.peek() != closing(bracket)) {
            this.inside.push(value);
            if (bracket == 0x7b && !this.key()) return false;
            continue;
          }
          this.at++;
          break;
        }
        case 0x22 /* " */:
          if (!this.quoted()) return false;
          break;
        case 0x74 /* t */:
          if (!this.literal("true")) return false;
          break;
        case 0x66 /* f */:
          if (!this.literal("false")) return false;
          break;
        case 0x6e /* n */:
          if (!this.literal("null")) return false;
          break;
        default:
          if (!this.number()) return false;
      }
      this.close(value);
      if (!this.after()) return false;
      if (this.inside.length == 0) return true;
    }
  }

  /** Steps from the end of a value to the beginning of the next, out of the containers that end in between. */
  private after(): bool {
    while (this.inside.length > 0) {
      this.space();
      const container = this.inside[this.inside.length - 1];
      const bracket = this.text.charCodeAt(this.tokens[container].start);
      if (this.take(0x2c /* , */)) {
        this.space();
        return bracket == 0x5b || this.key();
      }
      if (!this.take(closing(bracket))) return false;
      this.close(container);
      this.inside.pop();
    }
    return true;
  }

  /** Reads the key of a member, up to its value. */
  private key(): bool {
    if (this.peek() != 0x22) return false;
    const key = this.open();
    if (!this.quoted()) return false;
    this.close(key);
    this.space();
    if (!this.take(0x3a /* : */)) return false;
    this.space();
    return true;
  }

  /** Begins a token here. */
  private open(): i32 {
    return this.tokens.push(new Token(this.at)) - 1;
  }

  /** Ends a token here, with all that was read since as its contents. */
  private close(token: i32): void {
    const t = this.tokens[token];
    t.end = this.at;
    t.next = this.tokens.length;
  }

  private quoted(): bool {
    this.at++;
    while (true) {
      const c = this.peek();
      if (c == 0x22) {
        this.at++;
        return true;
      }
      if (c < 0x20) return false; // the end, too
      if (c == 0x5c /* \ */) {
        this.at++;
        this.escapes = true;
        if (!this.escape()) return false;
      } else if (c < 0x80) {
        this.at++;
      } else {
        const size = sizeOfCharacter(this.text, this.at);
        if (size == 0) {
          this.problem = "not UTF-8";
          return false;
        }
        this.at += size;
      }
    }
  }

  private escape(): bool {
    switch (this.peek()) {
      case 0x22 /* " */:
      case 0x5c /* \ */:
      case 0x2f /* / */:
      case 0x62 /* b */:
      case 0x66 /* f */:
      case 0x6e /* n */:
      case 0x72 /* r */:
      case 0x74 /* t */:
        this.at++;
        return true;
      case 0x75 /* u */:
        this.at++;
        for (let i = 0; i < 4; i++) {
          if (hexDigit(this.peek()) < 0) return false;
          this.at++;
        }
        return true;
    }
    return false;
  }

  private number(): bool {
    const number = new NumberText(this.text, this.at);
    this.at = number.end;
    return number.whole;
  }

  private literal(word: string): bool {
    for (let i = 0; i < word.length; i++) {
      if (!this.take(word.charCodeAt(i))) return false;
    }
    return true;
  }

  private space(): void {
    while (true) {
      const c = this.peek();
      if (c != 0x20 && c != 0x09 && c != 0x0a && c != 0x0d) return;
      this.at++;
    }
  }

  /** Returns the byte here, 0 at the end. No JSON outside a string has a zero byte, and inside one it is no valid
   * character either, so the two need not be told apart. */
  private peek(): i32 {
    return this.at < this.text.length ? this.text.charCodeAt(this.at) : 0;
  }

  private take(c: i32): bool {
    if (this.peek() != c) return false;
    this.at++;
    return true;
  }
}

/** Returns the bracket that ends what bracket began. */
function closing(bracket: i32): i32 {
  return bracket + 2;
}

/** Returns the bytes that the character at an offset takes, which is not ASCII; 0 when it is not UTF-8 (RFC 3629). */
function sizeOfCharacter(text: string, at: i32): i32 {
  const first = text.charCodeAt(at);
  let size = 0;
  let least = 0x80; // the second byte is at least this
  let most = 0xbf;
  if (0xc2 <= first && first <= 0xdf) {
    size = 2;
  } else if (0xe0 <= first && first <= 0xef) {
    size = 3;
    if (first == 0xe0) least = 0xa0;
    if (first == 0xed) most = 0x9f;
  } else if (0xf0 <= first && first <= 0xf4) {
    size = 4;
    if (first == 0xf0) least = 0x90;
    if (first == 0xf4) most = 0x8f;
  }
  if (size == 0 || at + size > text.length) return 0;
  const second = text.charCodeAt(at + 1);
  if (second < least || second > most) return 0;
  for (let i = at + 2; i < at + size; i++) {
    if ((text.charCodeAt(i) & 0xc0) != 0x80) return 0;
  }
  return size;
}

/** What of a text is the beginning of a number. */
export class NumberText {
  /** The offset behind what is before its exponent. */
  mantissa: i32 = 0;
  /** The offset behind it, or where it stops being one. */
  end: i32;
  whole: bool = false;

  constructor(private text: string, start: i32) {
    this.end = start;
    this.whole = this.read();
  }

  private read(): bool {
    if (this.peek() == 0x2d /* - */) this.end++;
    if (this.peek() == 0x30 /* 0 */) this.end++;
    else if (!this.digits()) return false;
    if (this.peek() == 0x2e /* . */) {
      this.end++;
      if (!this.digits()) return false;
    }
    this.mantissa = this.end;
    if ((this.peek() | 0x20) != 0x65 /* e */) return true;
    this.end++;
    if (this.peek() == 0x2b /* + */ || this.peek() == 0x2d) this.end++;
    return this.digits();
  }

  /** Steps over digits and reports whether there was one at least. */
  private digits(): bool {
    const start = this.end;
    while (isDigit(this.peek())) this.end++;
    return this.end > start;
  }

  private peek(): i32 {
    return this.end < this.text.length ? this.text.charCodeAt(this.end) : 0;
  }
}
