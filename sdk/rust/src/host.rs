//! The boundary to the server: in a plugin the functions it imports from the module prism, natively those of
//! the stand-in that testing drives. Both have the same signatures.

#[cfg(target_arch = "wasm32")]
pub use imports::*;

#[cfg(not(target_arch = "wasm32"))]
pub use crate::testing::stand_in::*;

#[cfg(target_arch = "wasm32")]
mod imports {
    #[link(wasm_import_module = "prism")]
    extern "C" {
        #[link_name = "input_len"]
        fn prism_input_len() -> i32;
        #[link_name = "input_read"]
        fn prism_input_read(to: *mut u8, offset: usize, length: usize) -> i32;
        #[link_name = "output_write"]
        fn prism_output_write(from: *const u8, length: usize);
        #[link_name = "fail"]
        fn prism_fail(message: *const u8, length: usize);
        #[link_name = "log"]
        fn prism_log(level: i32, message: *const u8, length: usize);
        #[link_name = "progress"]
        fn prism_progress(done: i64, total: i64, message: *const u8, length: usize);
        #[link_name = "config_get"]
        fn prism_config_get(key: *const u8, key_length: usize, to: *mut u8, capacity: usize) -> i32;
        #[link_name = "call_get"]
        fn prism_call_get(key: *const u8, key_length: usize, to: *mut u8, capacity: usize) -> i32;
    }

    // This one is of WASI, and there on wasm32-unknown-unknown, too.
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    extern "C" {
        #[link_name = "random_get"]
        fn wasi_random_get(to: *mut u8, length: usize) -> i32;
    }

    // Each function below hands the host a slice it may read, or one it may write, and which the host does not
    // keep: host/prism, package prism.

    /// The length of the input, 0 while the plugin is initialised.
    pub fn input_len() -> i32 {
        unsafe { prism_input_len() }
    }

    /// Copies the input from offset on. Returns how many bytes, 0 at its end, negative when refused.
    pub fn input_read(to: &mut [u8], offset: usize) -> i32 {
        unsafe { prism_input_read(to.as_mut_ptr(), offset, to.len()) }
    }

    /// Adds to the output.
    pub fn output_write(from: &[u8]) {
        unsafe { prism_output_write(from.as_ptr(), from.len()) }
    }

    /// Makes the call fail with a message.
    pub fn fail(message: &str) {
        unsafe { prism_fail(message.as_ptr(), message.len()) }
    }

    /// Writes a line to the log.
    pub fn log(level: i32, message: &str) {
        unsafe { prism_log(level, message.as_ptr(), message.len()) }
    }

    /// Tells how far the guest is.
    pub fn progress(done: i64, total: i64, message: &str) {
        unsafe { prism_progress(done, total, message.as_ptr(), message.len()) }
    }

    /// Copies as much of a config value as fits. Returns its whole length, negative when it is not set.
    pub fn config_get(key: &str, to: &mut [u8]) -> i32 {
        unsafe { prism_config_get(key.as_ptr(), key.len(), to.as_mut_ptr(), to.len()) }
    }

    /// As config_get, of what the host knows of the call.
    pub fn call_get(key: &str, to: &mut [u8]) -> i32 {
        unsafe { prism_call_get(key.as_ptr(), key.len(), to.as_mut_ptr(), to.len()) }
    }

    /// Fills memory at random.
    pub fn random(to: &mut [u8]) {
        let refused = unsafe { wasi_random_get(to.as_mut_ptr(), to.len()) };
        assert!(refused == 0, "the host refused random bytes: {}", refused);
    }
}
