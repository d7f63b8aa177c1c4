//! Reads JSON (RFC 8259, in UTF-8) into tokens, without copying.

/// How deeply objects and arrays may nest.
const MAX_DEPTH: usize = 64;

/// A value or a key of a document. The tokens of a document stand in the order of its text, a container before
/// its contents: for an object a key and a value for each member, for an array a value for each element.
#[derive(Clone, Copy)]
pub struct Token {
    /// The token's text, with its quotes or brackets.
    start: u32,
    end: u32,
    /// The token after this one and its contents.
    next: u32,
}

/// A JSON object, checked.
pub struct Document<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    /// Some string has an escape.
    pub escapes: bool,
}

impl<'t> Document<'t> {
    /// The text of a token.
    pub fn text(&self, token: usize) -> &'t str {
        let Token { start, end, .. } = self.tokens[token];
        &self.text[start as usize..end as usize]
    }

    /// The token after a token and its contents.
    pub fn after(&self, token: usize) -> usize {
        self.tokens[token].next as usize
    }
}

/// Checks that text is a JSON object. Otherwise it says what is wrong and at which byte, counted from 0.
pub fn scan(text: &[u8]) -> Result<Document<'_>, String> {
    let mut scanner = Scanner {
        text,
        at: 0,
        tokens: Vec::with_capacity(text.len() / 8 + 16),
        inside: [0; MAX_DEPTH],
        depth: 0,
        escapes: false,
        problem: None,
    };
    scanner.space();
    if scanner.peek() != b'{' {
        return Err("not a JSON object".into());
    }
    if scanner.document().is_some() {
        scanner.space();
        if scanner.at == text.len() {
            // What is outside of strings is ASCII by now, and strings were looked at.
            let text = std::str::from_utf8(text).map_err(|wrong| wrong.to_string())?;
            return Ok(Document { text, tokens: scanner.tokens, escapes: scanner.escapes });
        }
    }
    let problem = scanner.problem.unwrap_or(if scanner.at == text.len() { "cut off" } else { "unexpected byte" });
    Err(format!("not JSON: {} at offset {}", problem, scanner.at))
}

/// Reads a document from front to back. Its methods return `None` where the text stops being JSON, and at is
/// then the offending byte.
struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    tokens: Vec<Token>,
    /// The containers around this place, the outermost first, and how many.
    inside: [usize; MAX_DEPTH],
    depth: usize,
    escapes: bool,
    /// What it is, when it is neither an unexpected byte nor the end.
    problem: Option<&'static str>,
}

impl Scanner<'_> {
    /// Reads one value and all it contains.
    fn document(&mut self) -> Option<()> {
        loop {
            let value = self.open();
            match self.peek() {
                bracket @ (b'{' | b'[') => {
                    if self.depth == MAX_DEPTH {
                        self.problem = Some("nested deeper than 64 levels");
                        return None;
                    }
                    self.at += 1;
                    self.space();
                    if self.peek() != closing(bracket) {
                        self.inside[self.depth] = value;
                        self.depth += 1;
                        if bracket == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                b'"' => self.quoted()?,
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                _ => self.number()?,
            }
            self.close(value);
            self.after()?;
            if self.depth == 0 {
                return Some(());
            }
        }
    }

    /// Steps from the end of a value to the beginning of the next, out of the containers that end in between.
    fn after(&mut self) -> Option<()> {
        while self.depth > 0 {
            self.space();
            let container = self.inside[self.depth - 1];
            let bracket = self.text[self.tokens[container].start as usize];
            if self.take(b',').is_some() {
                self.space();
                return if bracket == b'[' { Some(()) } else { self.key() };
            }
            self.take(closing(bracket))?;
            self.close(container);
            self.depth -= 1;
        }
        Some(())
    }

    /// Reads the key of a member, up to its value.
    fn key(&mut self) -> Option<()> {
        if self.peek() != b'"' {
            return None;
        }
        let key = self.open();
        self.quoted()?;
        self.close(key);
        self.space();
        self.take(b':')?;
        self.space();
        Some(())
    }

    /// Begins a token here; close ends it, with all that was read since as its contents.
    fn open(&mut self) -> usize {
        self.tokens.push(Token { start: self.at as u32, end: 0, next: 0 });
        self.tokens.len() - 1
    }

    fn close(&mut self, token: usize) {
        let next = self.tokens.len() as u32;
        let token = &mut self.tokens[token];
        token.end = self.at as u32;
        token.next = next;
    }

    fn quoted(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            self.at += plain(&self.text[self.at..]);
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => {
                    self.at += 1;
                    self.escapes = true;
                    self.escape()?;
                }
                0..=0x1f => return None, // the end, too
                _ => match character_length(&self.text[self.at..]) {
                    Some(length) => self.at += length,
                    None => {
                        self.problem = Some("not UTF-8");
                        return None;
                    }
                },
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_ascii_hexdigit() {
                        return None;
                    }
                    self.at += 1;
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let number = Number::prefix(&self.text[self.at..]);
        self.at += number.length;
        number.whole.then(|| ())
    }

    fn literal(&mut self, word: &[u8]) -> Option<()> {
        word.iter().try_for_each(|c| self.take(*c))
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// The byte here, 0 at the end. No JSON outside a string has a zero byte, and inside one it is no valid
    /// character either, so the two need not be told apart.
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn take(&mut self, c: u8) -> Option<()> {
        if self.peek() != c {
            return None;
        }
        self.at += 1;
        Some(())
    }
}

/// The bracket that ends what a bracket began.
fn closing(bracket: u8) -> u8 {
    bracket + 2
}

/// How many bytes of text are characters that stand for themselves: ASCII, and neither a control character nor
/// a quote nor a backslash. It looks at eight of them at once.
fn plain(text: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let mut n = 0;
    for eight in text.chunks_exact(8) {
        let eight = u64::from_le_bytes([eight[0], eight[1], eight[2], eight[3], eight[4], eight[5], eight[6], eight[7]]);
        let quote = eight ^ (EACH * u64::from(b'"'));
        let backslash = eight ^ (EACH * u64::from(b'\\'));
        // In the first byte that is not plain, and in none before it, the highest bit is set.
        let control = eight.wrapping_sub(EACH * u64::from(b' ')) & !eight;
        let found = (eight | control | (quote.wrapping_sub(EACH) & !quote) | (backslash.wrapping_sub(EACH) & !backslash)) & (EACH * 0x80);
        if found != 0 {
            return n + found.trailing_zeros() as usize / 8;
        }
        n += 8;
    }
    let stands_for_itself = |c: &&u8| matches!(**c, b' '..=0x7f) && **c != b'"' && **c != b'\\';
    n + text[n..].iter().take_while(stands_for_itself).count()
}

/// The bytes of the UTF-8 character that text begins with, `None` when it is none.
fn character_length(text: &[u8]) -> Option<usize> {
    (2..=text.len().min(4)).find(|length| std::str::from_utf8(&text[..*length]).is_ok())
}

/// The beginning of a text, read as a number.
pub struct Number {
    /// How many bytes are before the exponent.
    pub mantissa: usize,
    /// How many bytes could be read.
    pub length: usize,
    /// They are a number, not only the beginning of one.
    pub whole: bool,
}

impl Number {
    pub fn prefix(text: &[u8]) -> Number {
        let at = |n: usize| text.get(n).copied().unwrap_or(0);
        let digits = |from: usize| from + text[from..].iter().take_while(|c| c.is_ascii_digit()).count();
        let cut = |length: usize| Number { mantissa: length, length, whole: false };

        let mut n = usize::from(at(0) == b'-');
        let end = if at(n) == b'0' { n + 1 } else { digits(n) };
        if end == n {
            return cut(n);
        }
        n = end;
        if at(n) == b'.' {
            n = digits(n + 1);
            if n == end + 1 {
                return cut(n);
            }
        }
        let mantissa = n;
        if at(n) | 0x20 == b'e' {
            n += 1;
            n += usize::from(at(n) == b'+' || at(n) == b'-');
            let end = digits(n);
            return Number { mantissa, length: end, whole: end > n };
        }
        Number { mantissa, length: n, whole: true }
    }
}

// What follows reads the content of a checked string, the text between its quotes, in which a character may
// be written as an escape: "\u0045" is the key "E".

/// Whether content stands for word, which is ASCII.
pub fn equal(content: &str, word: &str) -> bool {
    cut_prefix(content, word) == Some("")
}

/// What follows prefix, which is ASCII, in content.
pub fn cut_prefix<'t>(content: &'t str, prefix: &str) -> Option<&'t str> {
    prefix.bytes().try_fold(content, |content, wanted| match split_character(content) {
        Some((c, rest)) if c == char::from(wanted) => Some(rest),
        _ => None,
    })
}

/// What follows the first wanted in content.
pub fn after(mut content: &str, wanted: char) -> Option<&str> {
    while let Some((c, rest)) = split_character(content) {
        if c == wanted {
            return Some(rest);
        }
        content = rest;
    }
    None
}

/// The first character of content, and what follows it. Half of a surrogate pair stands for the replacement
/// character.
fn split_character(content: &str) -> Option<(char, &str)> {
    let mut rest = content.chars();
    let c = match rest.next()? {
        '\\' => match rest.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (digits, rest) = rest.as_str().split_at(4);
                let code = u32::from_str_radix(digits, 16).ok()?;
                return Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), rest));
            }
            other => other,
        },
        c => c,
    };
    Some((c, rest.as_str()))
}
