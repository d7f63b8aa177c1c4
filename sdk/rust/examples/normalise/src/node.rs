use std::borrow::Cow;
use std::cell::Cell;

use crate::decimal::{is_integer, plain_decimal};
use crate::json::{equal, Document};

/// A failure is the sentence the caller receives.
pub type Result<T> = std::result::Result<T, String>;

/// What a reader returns: of a string what stands between the quotes, of a number its digits, and `None` for a
/// value that is null or not there, where the node allows that.
pub type Text<'t> = Option<Cow<'t, str>>;

/// One input on its way to events.
pub struct Message<'t> {
    document: Document<'t>,
    /// The exchange and the kind of message, for failures.
    kind: Cell<&'static str>,
}

impl<'t> Message<'t> {
    pub fn new(document: Document<'t>) -> Message<'t> {
        Message { document, kind: Cell::new("") }
    }

    /// The whole message, an object.
    pub fn top(&self) -> Node<'t, '_> {
        Node { message: self, parent: None, place: Place::Member(""), lack: Lack::Nothing, token: Some(0), cursor: Cell::new(1), taken: Cell::new(0) }
    }
}

/// An object or an array of the message together with the way to it, which failures name.
///
/// A reader of an object is given a key; a reader of an array is given [`NEXT`], and takes one element after the
/// other.
#[derive(Clone)]
pub struct Node<'t, 'm> {
    message: &'m Message<'t>,
    parent: Option<&'m Node<'t, 'm>>,
    place: Place<'m>,
    lack: Lack,
    /// `None` when there is no such node: it has no contents.
    token: Option<usize>,
    /// Of an array: the token of the next element, and how many were taken.
    cursor: Cell<usize>,
    taken: Cell<usize>,
}

/// The key of an array's next element.
pub const NEXT: &str = "";

/// Where a node stands in its parent.
#[derive(Clone, Copy)]
enum Place<'m> {
    Member(&'m str),
    Element(usize),
}

/// What the values of a node may do without.
#[derive(Clone, Copy, PartialEq)]
enum Lack {
    Nothing,
    /// They may be null, or "", which is how OKX writes null.
    Nulls,
    /// They may be null, or missing.
    Members,
}

impl<'t, 'm> Node<'t, 'm> {
    /// The same node, whose values may be null.
    pub fn or_null(&self) -> Node<'t, 'm> {
        Node { lack: Lack::Nulls, ..self.clone() }
    }

    /// The same node, whose values may be missing.
    pub fn if_sent(&self) -> Node<'t, 'm> {
        Node { lack: Lack::Members, ..self.clone() }
    }

    /// The same node, as if it were the whole message.
    pub fn alone(&self) -> Node<'t, 'm> {
        Node { parent: None, ..self.clone() }
    }

    /// Says what message this is, for failures from now on.
    pub fn is(&self, kind: &'static str) {
        self.message.kind.set(kind);
    }

    /// Whether an object has the key.
    pub fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// Whether there is another element to take.
    pub fn more(&self) -> bool {
        self.token.map_or(false, |token| self.cursor.get() < self.message.document.after(token))
    }

    /// The token of a value. Of several members with one key the last counts.
    fn find(&self, key: &str) -> Option<usize> {
        let document = &self.message.document;
        let token = self.token?;
        let end = document.after(token);
        if key == NEXT {
            self.taken.set(self.taken.get() + 1);
            let element = self.cursor.get();
            if element >= end {
                return None;
            }
            self.cursor.set(document.after(element));
            return Some(element);
        }
        let mut found = None;
        let mut member = token + 1;
        while member < end {
            let content = unquoted(document.text(member));
            if content == key || document.escapes && equal(content, key) {
                found = Some(member + 1);
            }
            member = document.after(member + 1);
        }
        found
    }

    /// A value as it stands in the message, and its token.
    fn token(&self, key: &str) -> Result<Option<(&'t str, usize)>> {
        let token = match self.find(key) {
            Some(token) => token,
            None if self.lack == Lack::Members => return Ok(None),
            None => return self.fail(key, "is missing"),
        };
        let text = self.message.document.text(token);
        if self.lack != Lack::Nothing && (text == "null" || text == r#""""#) {
            return Ok(None);
        }
        Ok(Some((text, token)))
    }

    /// A value as it stands in the message.
    pub fn raw(&self, key: &str) -> Result<Option<&'t str>> {
        Ok(self.token(key)?.map(|(text, _)| text))
    }

    /// A value that is an object.
    pub fn object<'n>(&'n self, key: &'n str) -> Result<Node<'t, 'n>> {
        self.container(key, '{', "an object")
    }

    /// A value that is an array.
    pub fn array<'n>(&'n self, key: &'n str) -> Result<Node<'t, 'n>> {
        self.container(key, '[', "an array")
    }

    /// The array "data" of a message that carries several entries. One at least is there: a message without any
    /// would say nothing.
    pub fn entries(&self) -> Result<Node<'t, '_>> {
        let entries = self.array("data")?;
        if !entries.more() {
            return self.fail("data", "is empty");
        }
        Ok(entries)
    }

    fn container<'n>(&'n self, key: &'n str, bracket: char, noun: &str) -> Result<Node<'t, 'n>> {
        let token = match self.token(key)? {
            Some((text, _)) if !text.starts_with(bracket) => return self.wrong(key, noun, text),
            found => found.map(|(_, token)| token),
        };
        Ok(Node {
            message: self.message,
            parent: Some(self),
            place: self.place_of(key),
            lack: Lack::Nothing,
            token,
            cursor: Cell::new(token.unwrap_or(0) + 1),
            taken: Cell::new(0),
        })
    }

    /// The content of a string, its escapes kept. An empty string is refused: here strings are names, ids and
    /// reasons.
    pub fn string(&self, key: &str) -> Result<Text<'t>> {
        self.read(key, "a string", |text| match text {
            r#""""# => Err("is empty"),
            _ => Ok(quoted(text).map(Cow::Borrowed)),
        })
    }

    /// The word among words that a string holds.
    pub fn one_of(&self, key: &str, words: &[&'static str]) -> Result<Text<'t>> {
        let text = match self.raw(key)? {
            Some(text) => text,
            None => return Ok(None),
        };
        match quoted(text).and_then(|content| words.iter().find(|word| equal(content, word))) {
            Some(word) => Ok(Some(Cow::Borrowed(word))),
            None => self.wrong(key, &format!("\"{}\"", words.join("\" or \"")), text),
        }
    }

    /// Whether a value is true.
    pub fn bool(&self, key: &str) -> Result<bool> {
        match self.raw(key)? {
            Some("true") => Ok(true),
            Some("false") | None => Ok(false),
            Some(text) => self.wrong(key, "true or false", text),
        }
    }

    /// A number without fraction.
    pub fn integer(&self, key: &str) -> Result<Text<'t>> {
        self.read(key, "a 64-bit integer", |text| Ok(is_integer(text).then(|| Cow::Borrowed(text))))
    }

    /// The integer in a string.
    pub fn digits(&self, key: &str) -> Result<Text<'t>> {
        self.read(key, "a 64-bit integer in a string", |text| {
            Ok(quoted(text).filter(|content| is_integer(content)).map(Cow::Borrowed))
        })
    }

    /// A number as a plain decimal.
    pub fn number(&self, key: &str) -> Result<Text<'t>> {
        self.read(key, "a decimal number", |text| Ok(plain_decimal(text)))
    }

    /// The number in a string as a plain decimal.
    pub fn decimal(&self, key: &str) -> Result<Text<'t>> {
        self.read(key, "a decimal number in a string", |text| Ok(quoted(text).and_then(plain_decimal)))
    }

    /// Reads a value by parse, which returns `None` for one that is not the noun, and what else may be wrong
    /// with it.
    fn read(&self, key: &str, noun: &str, parse: impl Fn(&'t str) -> std::result::Result<Text<'t>, &'static str>) -> Result<Text<'t>> {
        match self.raw(key)? {
            None => Ok(None),
            Some(text) => match parse(text) {
                Ok(None) => self.wrong(key, noun, text),
                Ok(value) => Ok(value),
                Err(problem) => self.fail(key, problem),
            },
        }
    }

    /// Fails on a value that is none of those this plugin knows.
    pub fn unknown<T>(&self, noun: &str, content: &str) -> Result<T> {
        Err(format!("{}: unknown {} {}", self.message.kind.get(), noun, excerpt(&format!("\"{}\"", content))))
    }

    /// Fails with what a value should have been and what it is.
    pub fn wrong<T>(&self, key: &str, noun: &str, text: &str) -> Result<T> {
        self.fail(key, &format!("is not {}: {}", noun, excerpt(text)))
    }

    /// Fails on a value: the member with that key, or the element taken last.
    #[cold]
    fn fail<T>(&self, key: &str, problem: &str) -> Result<T> {
        Err(format!("{}: field \"{}\" {}", self.message.kind.get(), self.path_to(self.place_of(key)), problem))
    }

    fn place_of<'k>(&self, key: &'k str) -> Place<'k> {
        if key == NEXT {
            Place::Element(self.taken.get().saturating_sub(1))
        } else {
            Place::Member(key)
        }
    }

    /// The way to something in this node: data[0].px
    fn path_to(&self, place: Place) -> String {
        let path = self.parent.map_or_else(String::new, |parent| parent.path_to(self.place));
        match place {
            Place::Element(index) => format!("{}[{}]", path, index),
            Place::Member(key) if self.parent.is_none() => key.to_owned(),
            Place::Member(key) => format!("{}.{}", path, key),
        }
    }
}

/// What stands between the quotes of a string, `None` of anything else.
fn quoted(text: &str) -> Option<&str> {
    text.starts_with('"').then(|| unquoted(text))
}

fn unquoted(text: &str) -> &str {
    &text[1..text.len() - 1]
}

/// The beginning of text, whole characters of it.
fn excerpt(text: &str) -> Cow<'_, str> {
    const MOST: usize = 40; // bytes
    if text.len() <= MOST {
        return Cow::Borrowed(text);
    }
    let end = (0..=MOST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    Cow::Owned(format!("{}...", &text[..end]))
}
