// What takes the place of AssemblyScript's own globals, which want a browser: asconfig.json, "use".
import { Date } from "date";

import { Level, fail, log as write } from "prism";
import * as host from "prism/host";
import { seed } from "prism/resume";

/** Ends the call as a fault of kind trap, whose detail and log say what was thrown and where. */
export function prism_abort(message: string | null = null, file: string | null = null, line: u32 = 0, column: u32 = 0): void {
  const what = (message !== null ? message : "abort") + " at " + (file !== null ? file : "?") + ":" + line.toString() + ":" + column.toString();
  write(Level.Error, what);
  fail(what);
  unreachable();
}

export function prism_seed(): f64 {
  return seed();
}

export function prism_trace(message: string, n: i32 = 0, a0: f64 = 0, a1: f64 = 0, a2: f64 = 0, a3: f64 = 0, a4: f64 = 0): void {
  const all: StaticArray<f64> = [a0, a1, a2, a3, a4];
  for (let i = 0; i < n; i++) message += " " + all[i].toString();
  write(Level.Debug, message);
}

export namespace prism_console {
  export function assert<T>(condition: T, message: string = ""): void {
    if (!condition) write(Level.Error, "Assertion failed: " + message);
  }

  export function log(message: string = ""): void {
    write(Level.Info, message);
  }

  export function debug(message: string = ""): void {
    write(Level.Debug, message);
  }

  export function info(message: string = ""): void {
    write(Level.Info, message);
  }

  export function warn(message: string = ""): void {
    write(Level.Warn, message);
  }

  export function error(message: string = ""): void {
    write(Level.Error, message);
  }
}

export class prism_Date extends Date {
  /** Returns milliseconds since 1970, UTC. */
  static now(): i64 {
    return host.clock(host.REALTIME) / 1_000_000;
  }
}

export namespace prism_performance {
  /** Returns milliseconds since some time in the past. */
  export function now(): f64 {
    return <f64>host.clock(host.MONOTONIC) / 1e6;
  }
}

export namespace prism_crypto {
  export function getRandomValues(array: Uint8Array): void {
    host.random(array.dataStart, array.byteLength);
  }
}
