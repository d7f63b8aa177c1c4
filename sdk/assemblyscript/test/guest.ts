// Handlers that use all of the SDK.
import {
  Level,
  OK,
  config,
  deadline,
  fail,
  functionName,
  input,
  inputText,
  log,
  onResume,
  pluginName,
  pluginVersion,
  progress,
  random,
  requestId,
  write,
  writeBytes,
} from "prism";

// What the top level draws is the same in every call, unless it is made anew.
const born = Math.random();
let dice = drawn();
onResume(() => {
  dice = drawn();
});

function drawn(): string {
  const bytes = new Uint8Array(4);
  random(bytes);
  return bytes.toString();
}

export function handle(): i32 {
  writeBytes(input());
  return OK;
}

export function upper(): i32 {
  write(inputText().toUpperCase());
  return OK;
}

export function about(): i32 {
  const until = deadline();
  write(`${requestId()} ${functionName()} ${pluginName()} ${pluginVersion()} ${until !== null ? until.toISOString() : "never"}`);
  return OK;
}

export function configured(): i32 {
  const value = config(inputText());
  write(value !== null ? `set to "${value}"` : "not set");
  return OK;
}

export function tells(): i32 {
  log(Level.Debug, "a");
  log(Level.Info, "b");
  log(Level.Warn, "c");
  log(Level.Error, "d");
  console.debug("e");
  console.log("é");
  console.info("\ud800!"); // half a character
  console.warn("g");
  console.error("h");
  trace("i", 2, 1.5, 2);
  progress(5_000_000_000, 0);
  progress(1, 2, "half");
  return OK;
}

export function fails(): i32 {
  write("this is dropped");
  return fail("no: " + inputText());
}

export function throws(): i32 {
  throw new Error("ouch");
}

export function outside(): i32 {
  const bytes = new Uint8Array(3);
  return bytes[inputText().length];
}

export function draws(): i32 {
  const bytes = new Uint8Array(8);
  crypto.getRandomValues(bytes);
  write(`${born} ${Math.random()} ${dice} ${bytes.toString()}`);
  return OK;
}

export function clocks(): i32 {
  write(`${Date.now()} ${performance.now() > 0}`);
  return OK;
}

/** Makes more garbage than it may have memory. */
export function litters(): i32 {
  let length = 0;
  for (let i = 0; i < 5_000; i++) length += new Uint8Array(100_000).length;
  write(length.toString());
  return OK;
}
