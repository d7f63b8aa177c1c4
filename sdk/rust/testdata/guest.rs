//! Guest tells what it draws at random, and what it knows of the call. The server's tests build it.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};
use std::time::SystemTime;

use prism::{Input, Output, Rng};

/// What init leaves in the image.
struct State {
    started: Rng,
    resumed: Rng,
    /// As a map that is made there has them.
    keys: RandomState,
    hooks: String,
}

thread_local!(static STATE: RefCell<Option<State>> = RefCell::new(None));

fn state<T>(f: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(|state| f(state.borrow_mut().as_mut().expect("init did not run")))
}

prism::plugin! {
    init: init,
    resume: resume,
    "handle" => draw,
    "about" => about,
    "advance" => advance,
    "configured" => configured,
    "stream" => stream,
    "refuse" => |_: &[u8]| -> Result<Vec<u8>, &str> { Err("as it was told") },
    "panic" => |_: &[u8]| -> Result<Vec<u8>, &str> { panic!("it panicked as it was told") },
}

fn init() {
    let state = State { started: Rng::new(), resumed: Rng::new(), keys: RandomState::new(), hooks: String::new() };
    STATE.with(|it| *it.borrow_mut() = Some(state));
}

fn resume() {
    state(|state| {
        state.hooks += "resumed";
        state.resumed = Rng::new();
    });
}

fn hash(keys: &impl BuildHasher) -> u64 {
    let mut hasher = keys.build_hasher();
    hasher.write(b"key");
    hasher.finish()
}

/// Answers a line for each source: its name and what it gave.
fn draw(_: &[u8]) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let mut bytes = [0; 8];
    prism::fill(&mut bytes);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    writeln!(out, "prism::fill {}", u64::from_le_bytes(bytes))?;
    writeln!(out, "prism::Rng {}", Rng::new().next_u64())?;
    writeln!(out, "prism::RandomState {}", hash(&prism::RandomState::new()))?;
    writeln!(out, "time {}", now)?;
    state(|state| {
        writeln!(out, "resumed {}", state.resumed.next_u64())?;
        writeln!(out, "started:prism::Rng {}", state.started.next_u64())?;
        writeln!(out, "started:keys {}", hash(&state.keys))?;
        // Since init made keys, these count from there.
        writeln!(out, "started:RandomState {}", hash(&RandomState::new()))?;
        writeln!(out, "started:hooks {}", state.hooks)
    })?;
    Ok(out)
}

fn about(_: &[u8]) -> Result<String, String> {
    let known = |value: Option<String>| value.unwrap_or_else(|| "none".into());
    let until = prism::deadline().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    Ok(format!(
        "{} {} {} {} {}",
        known(prism::request_id()),
        known(prism::function()),
        known(prism::plugin()),
        prism::version().unwrap_or(0),
        known(until.map(|at| at.as_millis().to_string()))
    ))
}

/// Tells twice how far it is.
fn advance(input: &[u8]) -> Result<&'static str, std::str::Utf8Error> {
    let input = std::str::from_utf8(input)?;
    prism::progress(1, 2, input);
    prism::warn!("{}", input);
    prism::progress(5_000_000_000, 0, "");
    Ok("")
}

fn configured(key: &[u8]) -> Result<String, String> {
    prism::config(&String::from_utf8_lossy(key)).ok_or_else(|| "it is not set".into())
}

/// Copies its input to its output, in parts.
fn stream(_: &[u8]) -> Result<&'static str, std::io::Error> {
    std::io::copy(&mut Input::new(), &mut Output::new())?;
    Ok("")
}
