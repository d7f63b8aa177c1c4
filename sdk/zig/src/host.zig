//! The boundary to the server: in a plugin the functions it imports from the module prism, natively those of
//! the stand-in that testing drives.

const builtin = @import("builtin");

const functions = if (builtin.cpu.arch.isWasm()) imports else @import("testing.zig").stand_in;

// Lengths and offsets are in bytes. The host does not keep what it is handed: host/prism, package prism.
const imports = struct {
    extern "prism" fn input_len() i32;
    extern "prism" fn input_read(to: [*]u8, offset: usize, length: usize) i32;
    extern "prism" fn output_write(from: [*]const u8, length: usize) void;
    extern "prism" fn fail(message: [*]const u8, length: usize) void;
    extern "prism" fn log(level: i32, message: [*]const u8, length: usize) void;
    extern "prism" fn progress(done: i64, total: i64, message: [*]const u8, length: usize) void;
    extern "prism" fn config_get(key: [*]const u8, key_length: usize, to: [*]u8, capacity: usize) i32;
    extern "prism" fn call_get(key: [*]const u8, key_length: usize, to: [*]u8, capacity: usize) i32;
    // This one is of WASI, and there without it, too.
    extern "wasi_snapshot_preview1" fn random_get(to: [*]u8, length: usize) i32;
};

/// Where a slice begins. Zig has empty ones begin at the end of all memory, where the host finds nothing.
fn begin(slice: []const u8) [*]const u8 {
    return if (slice.len == 0) "" else slice.ptr;
}

fn beginMutable(slice: []u8) [*]u8 {
    return @constCast(begin(slice));
}

pub const Get = enum { config, call };

/// The length of the input, negative outside a call.
pub fn inputLen() i32 {
    return functions.input_len();
}

/// Copies the input from offset on. Returns how many bytes, 0 at its end, negative when refused.
pub fn inputRead(to: []u8, offset: usize) i32 {
    return functions.input_read(beginMutable(to), offset, to.len);
}

/// Adds to the output.
pub fn outputWrite(from: []const u8) void {
    functions.output_write(begin(from), from.len);
}

/// Makes the call fail with a message.
pub fn fail(message: []const u8) void {
    functions.fail(begin(message), message.len);
}

/// Writes a line to the log.
pub fn log(level: i32, message: []const u8) void {
    functions.log(level, begin(message), message.len);
}

/// Tells how far the guest is.
pub fn progress(done: i64, total: i64, message: []const u8) void {
    functions.progress(done, total, begin(message), message.len);
}

/// Copies as much of a config value, or of what is known of the call, as fits. Returns its whole length, negative
/// when it is not set.
pub fn get(what: Get, key: []const u8, to: []u8) i32 {
    return switch (what) {
        .config => functions.config_get(begin(key), key.len, beginMutable(to), to.len),
        .call => functions.call_get(begin(key), key.len, beginMutable(to), to.len),
    };
}

/// Fills memory at random. Returns 0.
pub fn random(to: []u8) i32 {
    return functions.random_get(beginMutable(to), to.len);
}
