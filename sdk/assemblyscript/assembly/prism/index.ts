/**
 * What a prismrt plugin written in AssemblyScript imports.
 *
 * A plugin exports handlers; the server calls them with each input and sends back what they write:
 *
 * ```ts
 * import { inputText, write, OK } from "prism";
 *
 * export function handle(): i32 {
 *   write(inputText().toUpperCase());
 *   return OK;
 * }
 * ```
 *
 * `handle` is the one that runs when a call names no function. Every call starts from the memory that the module's
 * top-level statements left, and nothing of a call survives it.
 */
import * as host from "./host";

export { onResume } from "./resume";

/** What a handler returns that succeeded; anything else says that the call failed. */
export const OK: i32 = 0;

/** How much a line of the log matters. */
export enum Level {
  Debug = 0,
  Info = 1,
  Warn = 2,
  Error = 3,
}

/** Returns the input of the call; at the top level there is none. */
export function input(): Uint8Array {
  const size = host.inputLen();
  if (size < 0) throw new Error("the server refused to hand over the input");
  const bytes = new Uint8Array(size);
  for (let read = 0; read < size; ) {
    const n = host.inputRead(bytes.dataStart + read, read, size - read);
    if (n <= 0) throw new Error("the server refused to hand over the input");
    read += n;
  }
  return bytes;
}

/** Returns the input of the call as text. What is not UTF-8 in it becomes U+FFFD. */
export function inputText(): string {
  const bytes = input();
  return String.UTF8.decodeUnsafe(bytes.dataStart, bytes.byteLength);
}

/** Adds text to the output, in UTF-8. It may be called many times. */
export function write(text: string): void {
  const bytes = encode(text);
  if (bytes.byteLength > 0) host.outputWrite(changetype<usize>(bytes), bytes.byteLength);
}

/** Adds bytes to the output. It may be called many times. */
export function writeBytes(bytes: Uint8Array): void {
  if (bytes.byteLength > 0) host.outputWrite(bytes.dataStart, bytes.byteLength);
}

/** Sets the message that the caller receives as a fault of kind guest and returns 1, for a handler to return. What was
 * written is then dropped. */
export function fail(message: string): i32 {
  const bytes = encode(message);
  host.fail(changetype<usize>(bytes), bytes.byteLength);
  return 1;
}

/** Writes one line to the plugin's log, as the functions of `console` do. */
export function log(level: Level, message: string): void {
  const bytes = encode(message);
  host.log(level, changetype<usize>(bytes), bytes.byteLength);
}

/** Tells who watches the task how far the call is: done of total, in any unit, where a total of 0 is not known, and a
 * word on what it does. Only the latest counts. */
export function progress(done: i64, total: i64, message: string = ""): void {
  const bytes = encode(message);
  host.progress(done, total, changetype<usize>(bytes), bytes.byteLength);
}

/** Returns the value that the operator granted under a key in the plugin's manifest ([grants] config), null when the key
 * is not set. */
export function config(key: string): string | null {
  return lookUp((key, length, to, capacity) => host.configGet(key, length, to, capacity), key);
}

/** Returns the id of the call, a ULID: its caller has it as Prism-Request-Id. It is "" outside a call. */
export function requestId(): string {
  return about("request_id");
}

/** Returns the name of the handler that was called, that of the default one if the call named none. */
export function functionName(): string {
  return about("function");
}

/** Returns the name that the plugin was pushed under. */
export function pluginName(): string {
  return about("plugin");
}

/** Returns the number of the plugin's version that runs, from 1 on, 0 where there is none: in a test. */
export function pluginVersion(): i32 {
  const version = about("version");
  return version.length > 0 ? I32.parseInt(version) : 0;
}

/** Returns when the server will stop the call, to the millisecond, which it does without warning; null when there is no
 * deadline. */
export function deadline(): Date | null {
  const deadline = about("deadline");
  return deadline.length > 0 ? new Date(Date.fromString(deadline).getTime()) : null;
}

/** Fills an array at random: from the server in a call, and the same for all calls at the top level. */
export function random(bytes: Uint8Array): void {
  host.random(bytes.dataStart, bytes.byteLength);
}

function encode(text: string): ArrayBuffer {
  return String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
}

function about(key: string): string {
  const value = lookUp((key, length, to, capacity) => host.callGet(key, length, to, capacity), key);
  return value !== null ? value : "";
}

/** Returns what `get` copies, however long it is. */
function lookUp(get: (key: usize, length: u32, to: usize, capacity: u32) => i32, key: string): string | null {
  const name = encode(key);
  let value = new ArrayBuffer(128);
  let length = get(changetype<usize>(name), name.byteLength, changetype<usize>(value), value.byteLength);
  if (length < 0) return null;
  if (length > value.byteLength) {
    value = new ArrayBuffer(length);
    length = get(changetype<usize>(name), name.byteLength, changetype<usize>(value), length);
  }
  return String.UTF8.decodeUnsafe(changetype<usize>(value), length);
}
