// Texts. The message is read byte by byte, and what is taken of it comes out to the byte: a text is a string of which
// each character is one byte of UTF-8, so that offsets and comparisons are those of bytes.

/** Returns bytes as a text. */
export function textOf(bytes: Uint8Array): string {
  const wide = new Uint16Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) unchecked((wide[i] = bytes[i]));
  return String.UTF16.decodeUnsafe(wide.dataStart, wide.byteLength);
}

/** Returns the string that a text stands for. */
export function stringOf(text: string): string {
  const buffer = new Buffer(text.length);
  buffer.add(text);
  return String.UTF8.decode(buffer.bytes().buffer.slice(0, text.length));
}

/** Bytes on their way out. */
export class Buffer {
  private all: Uint8Array;
  private length: i32 = 0;

  constructor(capacity: i32) {
    this.all = new Uint8Array(capacity);
  }

  add(text: string): void {
    const end = this.length + text.length;
    if (end > this.all.length) {
      const larger = new Uint8Array(2 * end);
      larger.set(this.all);
      this.all = larger;
    }
    const all = this.all;
    for (let i = this.length, from = 0; i < end; i++, from++) unchecked((all[i] = <u8>text.charCodeAt(from)));
    this.length = end;
  }

  bytes(): Uint8Array {
    return this.all.subarray(0, this.length);
  }
}

export function isDigit(c: i32): bool {
  return 0x30 <= c && c <= 0x39;
}

/** Returns the value of a hexadecimal digit, -1 for any other byte. */
export function hexDigit(c: i32): i32 {
  if (isDigit(c)) return c - 0x30;
  if (0x61 <= c && c <= 0x66) return c - 0x61 + 10;
  if (0x41 <= c && c <= 0x46) return c - 0x41 + 10;
  return -1;
}

// What follows reads the content of a checked JSON string, the text between its quotes, in which a character may be
// written as an escape: "\u0045" is the key "E". Words, prefixes and c are ASCII.

/** Reports whether content stands for word. */
export function equal(content: string, word: string): bool {
  const rest = cutPrefix(content, word);
  return rest !== null && rest.length == 0;
}

/** Returns what follows prefix in content, null when content does not begin with it. */
export function cutPrefix(content: string, prefix: string): string | null {
  let at = 0;
  for (let i = 0; i < prefix.length; i++) {
    if (at == content.length || character(content, at) != prefix.charCodeAt(i)) return null;
    at += size(content, at);
  }
  return content.substring(at);
}

/** Returns what follows the first c in content, null when there is none. */
export function after(content: string, c: i32): string | null {
  for (let at = 0; at < content.length; ) {
    const found = character(content, at);
    at += size(content, at);
    if (found == c) return content.substring(at);
  }
  return null;
}

/** Returns the character of content at an offset. Of one that is neither ASCII nor an escape that is its first byte,
 * which is no ASCII character's either. */
function character(content: string, at: i32): i32 {
  const first = content.charCodeAt(at);
  if (first != 0x5c /* \ */) return first;
  const escape = content.charCodeAt(at + 1);
  switch (escape) {
    case 0x62 /* b */:
      return 0x08;
    case 0x66 /* f */:
      return 0x0c;
    case 0x6e /* n */:
      return 0x0a;
    case 0x72 /* r */:
      return 0x0d;
    case 0x74 /* t */:
      return 0x09;
    case 0x75 /* u */: {
      let c = 0;
      for (let i = 2; i < 6; i++) c = (c << 4) | hexDigit(content.charCodeAt(at + i));
      return c;
    }
    default:
      return escape;
  }
}

/** Returns the bytes that the character of content at an offset takes. */
function size(content: string, at: i32): i32 {
  if (content.charCodeAt(at) != 0x5c) return 1;
  return content.charCodeAt(at + 1) == 0x75 ? 6 : 2;
}
