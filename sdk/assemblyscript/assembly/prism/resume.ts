// What is made anew at the beginning of each call, since all begin with the same memory.
import * as host from "./host";

const hooks: (() => void)[] = [];

/** Registers what is to run at the beginning of each call, before the handler: for what the top level drew at random and
 * must not be the same in every call. Hooks run in the order in which they were registered. They do not run when the
 * manifest has image = "off": the top level then runs for each call. */
export function onResume(hook: () => void): void {
  hooks.push(hook);
}

/** There is a generator behind Math.random that would repeat its numbers. */
let seeded = false;

/** Returns a seed for the generator behind Math.random, which asks for one when it is first drawn from. */
export function seed(): f64 {
  seeded = true;
  return reinterpret<f64>(draw());
}

/** Seeds that generator if it was drawn from before, and runs the hooks. */
export function resume(): void {
  if (seeded) NativeMath.seedRandom(draw());
  for (let i = 0; i < hooks.length; i++) hooks[i]();
}

function draw(): i64 {
  const to = memory.data(8);
  host.random(to, 8);
  return load<i64>(to);
}
