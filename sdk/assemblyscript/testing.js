/**
 * Runs a plugin's handlers under Node, in ordinary tests: no server.
 *
 *     import { Plugin } from "@marketprism/prism/testing";
 *
 *     test("greets in the configured words", async () => {
 *       const plugin = await Plugin.load("greet.wasm", { config: { greeting: "Bonjour" } });
 *       assert.equal(plugin.call("Ada").text, "Bonjour, Ada!\n");
 *     });
 *
 * As on the server, each call begins with the memory that the top level left, which drew the same random numbers and saw
 * the same time for all of them.
 */
import { webcrypto } from "node:crypto";
import { readFile } from "node:fs/promises";

/** The levels of the log, by their numbers. */
const levels = ["debug", "info", "warn", "error"];

/** The most bytes of one message that the server takes. */
const maxText = 4096;

const utf8 = new TextEncoder();
const decode = (bytes) => new TextDecoder().decode(bytes);

export class Plugin {
  #module;
  #host;

  /** Compiles the plugin in a file. testing.d.ts has what a host is, and a result. */
  static async load(file, host = {}) {
    return new Plugin(await WebAssembly.compile(await readFile(file)), host);
  }

  constructor(module, host = {}) {
    this.#module = module;
    this.#host = host;
  }

  /** Calls a handler. */
  call(input, name = "handle") {
    const call = new Call(this.#host, name, typeof input === "string" ? utf8.encode(input) : input);
    const instance = new WebAssembly.Instance(this.#module, call.imports());
    const { exports } = instance;
    if (typeof exports[name] !== "function") throw new Error(`the plugin exports no function ${name}`);
    call.memory = exports.memory;
    exports._initialize?.();
    call.live = true;
    try {
      exports.prism_resume?.();
      if (exports[name]() !== 0) call.failure ??= "the handler failed without a message";
    } catch (err) {
      if (!(err instanceof WebAssembly.RuntimeError)) throw err;
      call.trapped = true;
      call.failure ??= err.message;
    }
    return call.result();
  }
}

/** One call as the server sees it. Before it is live the top level runs. */
class Call {
  memory = null;
  live = false;
  failure = null;
  trapped = false;

  #config;
  #about; // the call
  #known; // before there is one
  #input;
  #output = [];
  #log = [];
  #progress = [];

  constructor(host, name, input) {
    this.#input = input;
    this.#config = new Map(Object.entries(host.config ?? {}));
    this.#known = new Map();
    if (host.plugin !== undefined) this.#known.set("plugin", host.plugin);
    if (host.version !== undefined) this.#known.set("version", String(host.version));
    this.#about = new Map([["function", name], ...this.#known]);
    if (host.requestId !== undefined) this.#about.set("request_id", host.requestId);
    if (host.deadline !== undefined) this.#about.set("deadline", host.deadline.toISOString());
  }

  result() {
    const output = this.failure === null ? new Uint8Array(Buffer.concat(this.#output)) : null;
    return {
      output,
      text: output && decode(output),
      error: this.failure,
      trapped: this.trapped,
      log: this.#log,
      progress: this.#progress,
    };
  }

  imports() {
    return {
      prism: {
        input_len: () => this.#sent().length,
        input_read: (to, offset, length) => {
          const part = this.#sent().subarray(offset >>> 0, (offset >>> 0) + (length >>> 0));
          this.#bytes(to, part.length).set(part);
          return part.length;
        },
        output_write: (from, length) => void this.#output.push(this.#bytes(from, length).slice()),
        fail: (from, length) => void (this.failure = this.#text(from, length)),
        log: (level, from, length) =>
          void this.#log.push({ level: levels[Math.min(level >>> 0, levels.length - 1)], message: this.#text(from, length) }),
        progress: (done, total, from, length) => {
          const count = (n) => Number(n < 0n ? 0n : n);
          this.#progress.push({ done: count(done), total: count(total), message: this.#text(from, length) });
        },
        config_get: (...key) => this.#lookUp(this.#config, ...key),
        call_get: (...key) => this.#lookUp(this.live ? this.#about : this.#known, ...key),
      },
      wasi_snapshot_preview1: {
        random_get: (to, length) => {
          const bytes = this.#bytes(to, length);
          if (this.live) webcrypto.getRandomValues(bytes);
          else bytes.fill(7);
          return 0;
        },
        clock_time_get: (clock, _precision, to) => {
          const now = clock === 0 ? BigInt(Date.now()) * 1_000_000n : process.hrtime.bigint();
          new DataView(this.memory.buffer).setBigUint64(to >>> 0, this.live ? now : 0n, true);
          return 0;
        },
      },
    };
  }

  #sent() {
    return this.live ? this.#input : new Uint8Array();
  }

  #lookUp(values, key, keyLength, to, capacity) {
    const value = values.get(decode(this.#bytes(key, keyLength)));
    if (value === undefined) return -1;
    const bytes = utf8.encode(value);
    const part = bytes.subarray(0, capacity >>> 0);
    this.#bytes(to, part.length).set(part);
    return bytes.length;
  }

  #text(from, length) {
    return decode(this.#bytes(from, length).subarray(0, maxText));
  }

  /** A view of the plugin's memory, good until it runs again. */
  #bytes(at, length) {
    return new Uint8Array(this.memory.buffer, at >>> 0, length >>> 0);
  }
}
