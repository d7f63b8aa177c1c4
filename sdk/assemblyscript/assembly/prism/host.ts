// The functions that a prismrt server gives its guests: sdk/abi/prism.toml. Pointers and lengths are in bytes; text is
// UTF-8. The functions of index.ts are easier to call.

/** The length of the input. */
// @ts-ignore: decorator
@external("prism", "input_len")
export declare function inputLen(): i32;

/** Copies up to `length` bytes of the input from `offset` on. Returns how many, 0 at the end, -1 when refused. */
// @ts-ignore: decorator
@external("prism", "input_read")
export declare function inputRead(to: usize, offset: u32, length: u32): i32;

/** Adds to the output. Past the output limit the server ends the call. */
// @ts-ignore: decorator
@external("prism", "output_write")
export declare function outputWrite(from: usize, length: u32): void;

/** Sets the message that the call fails with, whatever the handler then returns. */
// @ts-ignore: decorator
@external("prism", "fail")
export declare function fail(message: usize, length: u32): void;

/** Writes a line to the plugin's log. */
// @ts-ignore: decorator
@external("prism", "log")
export declare function log(level: i32, message: usize, length: u32): void;

/** Tells how far the call is. A total of 0 is not known. */
// @ts-ignore: decorator
@external("prism", "progress")
export declare function progress(done: i64, total: i64, message: usize, length: u32): void;

/** Copies as much of a config value as fits. Returns the length of the whole, -1 when the key is not set. */
// @ts-ignore: decorator
@external("prism", "config_get")
export declare function configGet(key: usize, keyLength: u32, to: usize, capacity: u32): i32;

/** As `configGet`, of what is known of the call. */
// @ts-ignore: decorator
@external("prism", "call_get")
export declare function callGet(key: usize, keyLength: u32, to: usize, capacity: u32): i32;

// These two are of WASI, preview 1.

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "random_get")
declare function randomGet(to: usize, length: u32): i32;

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "clock_time_get")
declare function clockTimeGet(clock: i32, precision: u64, to: usize): i32;

/** Fills memory at random. */
export function random(to: usize, length: u32): void {
  if (randomGet(to, length) != 0) throw new Error("the server has no random numbers");
}

export const REALTIME: i32 = 0;
export const MONOTONIC: i32 = 1;

/** Nanoseconds that a clock shows. */
export function clock(which: i32): u64 {
  const to = memory.data(8);
  if (clockTimeGet(which, 1, to) != 0) throw new Error("the server has no such clock");
  return load<u64>(to);
}
