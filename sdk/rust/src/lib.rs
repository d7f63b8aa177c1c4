//! What a prismrt plugin written in Rust depends on.
//!
//! A plugin is a function from bytes to bytes; the server calls it with each input and sends back
//! what it returns:
//!
//! ```
//! fn upper(input: &[u8]) -> Result<Vec<u8>, &'static str> {
//!     if input.is_empty() {
//!         return Err("there is nothing to write in capitals");
//!     }
//!     Ok(input.to_ascii_uppercase())
//! }
//!
//! prism::plugin!(upper);
//! # fn main() {}
//! ```
//!
//! It is built as a reactor, a module that is initialised once and then called many times: a crate of type
//! `cdylib`, for `wasm32-wasip1` (called `wasm32-wasi` before Rust 1.78) or `wasm32-unknown-unknown`.
//!
//! # What lives how long
//!
//! Every call starts from the memory that [`plugin!`]'s `init` left behind, the *image*, and nothing of a call
//! survives it: what a handler stores in a static is gone with the next call.
//!
//! What `init` drew at random is the same in every call, the keys of the standard library's maps included
//! (see [`RandomState`]); `resume` makes it anew.
//!
//! # Panics
//!
//! A panic ends the call as a fault of kind trap, with the panic's message in the plugin's log. The calls
//! after it are not affected.

mod call;
mod handler;
mod host;
#[cfg(feature = "json")]
mod json;
mod log;
mod random;
mod stream;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use call::{config, deadline, function, plugin, progress, request_id, version};
pub use handler::run;
#[cfg(feature = "json")]
pub use json::json;
pub use log::{log, Level};
pub use random::{fill, Hasher, RandomState, Rng};
pub use stream::{Input, Output};

#[doc(hidden)]
pub mod export {
    pub use crate::handler::initialise;
}
