use std::fmt::Display;

use crate::{host, Input};

/// Runs a handler on the input of the call in progress and returns what an export must return: 0 when it
/// succeeded, 1 when the call failed. [`plugin!`](crate::plugin) calls it.
///
/// The text of an error reaches the caller as the message of a fault of kind guest, up to 4,096 bytes of it;
/// what was written to [`Output`](crate::Output) is then dropped.
pub fn run<H, O, E>(handler: H) -> i32
where
    H: FnOnce(&[u8]) -> Result<O, E>,
    O: AsRef<[u8]>,
    E: Display,
{
    let input = match Input::new().whole() {
        Ok(input) => input,
        Err(refusal) => return fail(&refusal.to_string()),
    };
    match handler(&input) {
        Ok(output) => {
            let output = output.as_ref();
            if !output.is_empty() {
                host::output_write(output);
            }
            0
        }
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(message: &str) -> i32 {
    host::fail(message);
    1
}

/// The plugin: what it exports to the server.
///
/// One handler is the default one, which runs when a call names no function:
///
/// ```
/// # fn greet(_: &[u8]) -> Result<&'static str, String> { Ok("hello") }
/// prism::plugin!(greet);
/// # fn main() {}
/// ```
///
/// Several have the names by which they are called; the default one is called `handle`. `init` runs
/// once for a version, before its image is taken; `resume` runs at the beginning of each call, before the
/// handler and at its expense. Both are functions without arguments, both may be left out, and they stand
/// in this order:
///
/// ```
/// # fn prepare() {}
/// # fn reseed() {}
/// # fn greet(_: &[u8]) -> Result<&'static str, String> { Ok("hello") }
/// # fn shout(_: &[u8]) -> Result<&'static str, String> { Ok("HELLO") }
/// prism::plugin! {
///     init: prepare,
///     resume: reseed,
///     "handle" => greet,
///     "shout" => shout,
/// }
/// # fn main() {}
/// ```
///
/// A handler is any `Fn(&[u8]) -> Result<O, E>` whose output can be seen as bytes and whose error can be
/// displayed: see [`run`]. The macro stands once in a crate, at its top level.
///
/// `resume` does not run when the manifest has `image = "off"`: `init` then runs for each call. Natively,
/// in tests, neither runs by itself.
#[macro_export]
macro_rules! plugin {
    ($(init: $init:expr,)? $(resume: $resume:expr,)? $($name:literal => $handler:expr),+ $(,)?) => {
        // A function's name here hides those of the plugin, whose functions are named as it likes.
        const _: () = {
            #[cfg_attr(target_arch = "wasm32", export_name = "_initialize")]
            pub extern "C" fn __prism_initialise() {
                $crate::export::initialise();
                $($init();)?
            }
            $(
                #[cfg_attr(target_arch = "wasm32", export_name = "prism_resume")]
                pub extern "C" fn __prism_resume() {
                    $resume();
                }
            )?
            $(
                const _: () = {
                    #[cfg_attr(target_arch = "wasm32", export_name = $name)]
                    pub extern "C" fn __prism_handler() -> i32 {
                        $crate::run($handler)
                    }
                };
            )+
        };
    };
    ($handler:expr) => {
        $crate::plugin! { "handle" => $handler }
    };
}

/// Does what a C program does before its main. Rust's own start-up code leaves it to the linker, which would
/// otherwise do it in each call.
pub fn initialise() {
    #[cfg(target_arch = "wasm32")]
    {
        extern "C" {
            fn __wasm_call_ctors();
        }
        unsafe { __wasm_call_ctors() }
    }
    // Without WASI there is no standard error, and the message of a panic would be lost.
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    std::panic::set_hook(Box::new(|panic| crate::log(crate::Level::Error, &panic.to_string())));
}
