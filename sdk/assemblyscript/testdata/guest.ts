// Guest tells what it draws at random, and what it knows of the call. The server's tests build it.
import * as prism from "prism";

// What the top level leaves in the image.
const born = Math.random();
let dice = drawn();
let hooks = "";
prism.onResume(() => {
  hooks += "first ";
});
prism.onResume(() => {
  hooks += "second";
  dice = drawn();
});

function drawn(): string {
  const bytes = new Uint8Array(8);
  prism.random(bytes);
  return bytes.toString();
}

/** Answers a line for each source: its name and what it gave. */
export function handle(): i32 {
  const bytes = new Uint8Array(8);
  crypto.getRandomValues(bytes);
  prism.write(`Math.random ${Math.random()}\nrandom ${drawn()}\ncrypto ${bytes.toString()}\nresumed ${dice}\n`);
  prism.write(`started:Math.random ${born}\nstarted:hooks ${hooks}\n`);
  return prism.OK;
}

export function about(): i32 {
  const until = prism.deadline();
  prism.write(`${prism.requestId()} ${prism.functionName()} ${prism.pluginName()} ${prism.pluginVersion()} ${until !== null ? until.getTime().toString() : "none"}`);
  return prism.OK;
}

/** Tells twice how far it is. */
export function advance(): i32 {
  prism.progress(1, 2, prism.inputText());
  prism.log(prism.Level.Warn, prism.inputText());
  prism.progress(5_000_000_000, 0);
  return prism.OK;
}

export function configured(): i32 {
  const value = prism.config(prism.inputText());
  if (value === null) return prism.fail("it is not set");
  prism.write(value);
  return prism.OK;
}

/** Copies its input to its output, in parts. */
export function stream(): i32 {
  const bytes = prism.input();
  for (let at = 0; at < bytes.length; at += 1000) prism.writeBytes(bytes.subarray(at, at + 1000));
  return prism.OK;
}

export function refuse(): i32 {
  return prism.fail("as it was told");
}

export function panic(): i32 {
  throw new Error("it panicked as it was told");
}
