//! Runs a plugin's handlers natively, in ordinary tests: no server, no WebAssembly.
//!
//! ```
//! use prism::testing::Host;
//!
//! fn greet(name: &[u8]) -> Result<Vec<u8>, String> {
//!     let greeting = prism::config("greeting").unwrap_or_else(|| "Hello".into());
//!     Ok([greeting.as_bytes(), b", ", name].concat())
//! }
//!
//! let got = Host::new().config("greeting", "Bonjour").call(greet, b"Ada");
//! assert_eq!(got.text(), "Bonjour, Ada");
//! ```
//!
//! Each thread has a host of its own, so tests may run side by side; what a handler does in a thread it starts
//! is not seen, nor are there threads in a plugin.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Level;

/// The server's side of a call. A new one has no config and tells nothing of the call.
#[derive(Clone, Debug, Default)]
pub struct Host {
    config: BTreeMap<String, String>,
    about: BTreeMap<&'static str, String>,
}

/// What one call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the caller receives, or the message of the fault it sees.
    pub output: Result<Vec<u8>, String>,

    /// The lines the handler logged, in order.
    pub log: Vec<(Level, String)>,

    /// What the handler told of how far it is, in order.
    pub progress: Vec<Step>,
}

/// What one [`progress`](crate::progress) told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub done: u64,
    pub total: u64,
    pub message: String,
}

impl Outcome {
    /// The output as text. It panics when the call failed or the output is not UTF-8.
    pub fn text(&self) -> &str {
        match &self.output {
            Ok(output) => std::str::from_utf8(output).expect("the output is not UTF-8"),
            Err(failure) => panic!("the call failed: {}", failure),
        }
    }

    /// The message of the failure. It panics when the call succeeded.
    pub fn failure(&self) -> &str {
        match &self.output {
            Ok(output) => panic!("the call succeeded: {}", String::from_utf8_lossy(output)),
            Err(failure) => failure,
        }
    }
}

impl Host {
    /// A host without config that tells nothing of the call.
    pub fn new() -> Host {
        Host::default()
    }

    /// Sets what [`config`](crate::config) finds under a key.
    pub fn config(mut self, key: &str, value: &str) -> Host {
        self.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Sets [`request_id`](crate::request_id).
    pub fn request_id(self, id: &str) -> Host {
        self.about("request_id", id)
    }

    /// Sets [`function`](crate::function).
    pub fn function(self, name: &str) -> Host {
        self.about("function", name)
    }

    /// Sets [`plugin`](crate::plugin()).
    pub fn plugin(self, name: &str) -> Host {
        self.about("plugin", name)
    }

    /// Sets [`version`](crate::version).
    pub fn version(self, number: u64) -> Host {
        self.about("version", &number.to_string())
    }

    /// Sets [`deadline`](crate::deadline), which is known to the millisecond. It panics for a time before
    /// 1970 or after 9999.
    pub fn deadline(self, at: SystemTime) -> Host {
        let since = at.duration_since(UNIX_EPOCH).expect("a deadline before 1970");
        self.about("deadline", &format_time(since.as_millis()))
    }

    fn about(mut self, key: &'static str, value: &str) -> Host {
        self.about.insert(key, value.to_owned());
        self
    }

    /// Runs a handler on an input. What `init` and `resume` of the plugin would do is the test's to do. A panic is
    /// not caught. A handler that itself makes a call through this host panics.
    pub fn call<H, O, E>(&self, handler: H, input: &[u8]) -> Outcome
    where
        H: FnOnce(&[u8]) -> Result<O, E>,
        O: AsRef<[u8]>,
        E: Display,
    {
        let call = stand_in::Call::new(input, self.config.clone(), self.about.clone());
        let (status, call) = stand_in::serve(call, || crate::run(handler));
        let output = match call.failure {
            Some(failure) => Err(failure),
            None if status != 0 => Err(String::new()),
            None => Ok(call.output),
        };
        Outcome { output, log: call.log, progress: call.progress }
    }
}

/// Runs a handler on an input, at a new [`Host`].
pub fn call<H, O, E>(handler: H, input: &[u8]) -> Outcome
where
    H: FnOnce(&[u8]) -> Result<O, E>,
    O: AsRef<[u8]>,
    E: Display,
{
    Host::new().call(handler, input)
}

/// Writes a time, in milliseconds since 1970, as the server does: 2026-03-01T12:00:00.000Z.
fn format_time(milliseconds: u128) -> String {
    let (days, rest) = (milliseconds / 86_400_000, milliseconds % 86_400_000);
    let leap = |year: u128| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut day) = (1970, days);
    while day >= if leap(year) { 366 } else { 365 } {
        day -= if leap(year) { 366 } else { 365 };
        year += 1;
        assert!(year <= 9999, "a deadline after 9999");
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", year, month, day + 1, hour, minute, second, rest % 1_000)
}

/// The functions the server offers, natively.
pub(crate) mod stand_in {
    use std::cell::RefCell;
    use std::collections::hash_map::RandomState;
    use std::collections::BTreeMap;
    use std::hash::{BuildHasher, Hasher};

    use super::Step;
    use crate::Level;

    /// What the host knows before a call, and what the guest did during it.
    pub struct Call {
        input: Vec<u8>,
        config: BTreeMap<String, String>,
        about: BTreeMap<&'static str, String>,
        pub output: Vec<u8>,
        pub failure: Option<String>,
        pub log: Vec<(Level, String)>,
        pub progress: Vec<Step>,
    }

    impl Call {
        pub fn new(input: &[u8], config: BTreeMap<String, String>, about: BTreeMap<&'static str, String>) -> Call {
            Call {
                input: input.to_owned(),
                config,
                about,
                output: Vec::new(),
                failure: None,
                log: Vec::new(),
                progress: Vec::new(),
            }
        }
    }

    thread_local!(static CALL: RefCell<Option<Call>> = const { RefCell::new(None) });

    /// Makes a call the one in progress while run runs.
    pub fn serve(call: Call, run: impl FnOnce() -> i32) -> (i32, Call) {
        // Ends the call when run panics, too.
        struct Serving;
        impl Drop for Serving {
            fn drop(&mut self) {
                CALL.with(|current| current.borrow_mut().take());
            }
        }
        CALL.with(|current| {
            let mut current = current.borrow_mut();
            assert!(current.is_none(), "prism: a handler made a call through the host it is called by");
            *current = Some(call);
        });
        let _serving = Serving;
        let status = run();
        let call = CALL.with(|current| current.borrow_mut().take());
        (status, call.expect("the call in progress"))
    }

    /// Runs do_it on the call in progress, if there is one.
    fn with<T>(do_it: impl FnOnce(&mut Call) -> T) -> Option<T> {
        CALL.with(|current| current.borrow_mut().as_mut().map(do_it))
    }

    pub fn input_len() -> i32 {
        with(|call| call.input.len() as i32).unwrap_or(-1)
    }

    pub fn input_read(to: &mut [u8], offset: usize) -> i32 {
        with(|call| copy(call.input.get(offset..).unwrap_or(&[]), to) as i32).unwrap_or(-1)
    }

    pub fn output_write(from: &[u8]) {
        with(|call| call.output.extend_from_slice(from));
    }

    pub fn fail(message: &str) {
        with(|call| call.failure = Some(cut(message)));
    }

    pub fn log(level: i32, message: &str) {
        let level = [Level::Debug, Level::Info, Level::Warn, Level::Error][level as usize];
        with(|call| call.log.push((level, cut(message))));
    }

    pub fn progress(done: i64, total: i64, message: &str) {
        let step = Step { done: done.max(0) as u64, total: total.max(0) as u64, message: cut(message) };
        with(|call| call.progress.push(step));
    }

    /// The server takes so many bytes of a message.
    fn cut(message: &str) -> String {
        let end = message.len().min(4096);
        String::from_utf8_lossy(&message.as_bytes()[..end]).into_owned()
    }

    pub fn config_get(key: &str, to: &mut [u8]) -> i32 {
        with(|call| get(call.config.get(key), to)).unwrap_or(-1)
    }

    pub fn call_get(key: &str, to: &mut [u8]) -> i32 {
        with(|call| get(call.about.get(key), to)).unwrap_or(-1)
    }

    fn get(value: Option<&String>, to: &mut [u8]) -> i32 {
        match value {
            Some(value) => {
                copy(value.as_bytes(), to);
                value.len() as i32
            }
            None => -1,
        }
    }

    fn copy(from: &[u8], to: &mut [u8]) -> usize {
        let length = from.len().min(to.len());
        to[..length].copy_from_slice(&from[..length]);
        length
    }

    /// The standard library has random bits for its maps alone.
    pub fn random(to: &mut [u8]) {
        for part in to.chunks_mut(8) {
            let drawn = RandomState::new().build_hasher().finish();
            part.copy_from_slice(&drawn.to_le_bytes()[..part.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_server_writes_them() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_772_366_400_250, "2026-03-01T12:00:00.250Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(format_time(milliseconds), text);
        }
    }
}
