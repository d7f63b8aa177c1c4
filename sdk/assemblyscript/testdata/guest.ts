// Guest tells what it draws at random, and what it knows of the call. The server's tests build it.
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

// What the top level leaves in the image.
const born = Math.random();
let dice = drawn();
let hooks = "";
onResume(() => {
  hooks += "first ";
});
onResume(() => {
  hooks += "second";
  dice = drawn();
});

function drawn(): string {
  const bytes = new Uint8Array(8);
  random(bytes);
  return bytes.toString();
}

/** Answers a line for each source: its name and what it gave. */
export function handle(): i32 {
  const bytes = new Uint8Array(8);
  crypto.getRandomValues(bytes);
  write(`Math.random ${Math.random()}\nrandom ${drawn()}\ncrypto ${bytes.toString()}\nresumed ${dice}\n`);
  write(`started:Math.random ${born}\nstarted:hooks ${hooks}\n`);
  return OK;
}

export function about(): i32 {
  const until = deadline();
  write(`${requestId()} ${functionName()} ${pluginName()} ${pluginVersion()} ${until !== null ? until.getTime().toString() : "none"}`);
  return OK;
}

/** Tells twice how far it is. */
export function advance(): i32 {
  progress(1, 2, inputText());
  log(Level.Warn, inputText());
  progress(5_000_000_000, 0);
  return OK;
}

export function configured(): i32 {
  const value = config(inputText());
  if (value === null) return fail("it is not set");
  write(value);
  return OK;
}

/** Copies its input to its output, in parts. */
export function stream(): i32 {
  const bytes = input();
  for (let at = 0; at < bytes.length; at += 1000) writeBytes(bytes.subarray(at, at + 1000));
  return OK;
}

export function refuse(): i32 {
  return fail("as it was told");
}

export function panic(): i32 {
  throw new Error("it panicked as it was told");
}
