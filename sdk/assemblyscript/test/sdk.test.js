import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { Plugin } from "@marketprism/prism/testing";

const file = new URL("guest.wasm", import.meta.url);
const plugin = await Plugin.load(file);

test("a plugin imports nothing but what the server has", async () => {
  const imports = WebAssembly.Module.imports(await WebAssembly.compile(await readFile(file)));
  for (const { module, name } of imports) {
    assert.ok(module === "prism" || ["random_get", "clock_time_get"].includes(name), `${module}.${name}`);
  }
  assert.equal(imports.length, 10);
});

test("input comes out as it went in", () => {
  for (const input of ["", "a", "é", "x".repeat(1 << 20)]) {
    assert.equal(plugin.call(input).text, input);
  }
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  assert.deepEqual(plugin.call(bytes).output, bytes);
  assert.equal(plugin.call("één", "upper").text, "ÉÉN");
});

test("a guest knows its call", async () => {
  const deadline = new Date("2026-03-01T12:00:00.250Z");
  const host = { requestId: "01JX", plugin: "tells", version: 7, deadline };
  assert.equal((await Plugin.load(file, host)).call("", "about").text, "01JX about tells 7 2026-03-01T12:00:00.250Z");
  assert.equal(plugin.call("", "about").text, " about  0 never");
});

test("config is found however long it is", async () => {
  const long = "é".repeat(10_000);
  const told = await Plugin.load(file, { config: { short: "1", empty: "", long } });
  assert.equal(told.call("short", "configured").text, 'set to "1"');
  assert.equal(told.call("empty", "configured").text, 'set to ""');
  assert.equal(told.call("long", "configured").text, `set to "${long}"`);
  assert.equal(told.call("none", "configured").text, "not set");
});

test("the log and progress are told in order", () => {
  const { log, progress } = plugin.call("", "tells");
  assert.deepEqual(
    log.map(({ level, message }) => `${level} ${message}`),
    ["debug a", "info b", "warn c", "error d", "debug e", "info é", "info \ufffd!", "warn g", "error h", "debug i 1.5 2.0"],
  );
  assert.deepEqual(progress, [
    { done: 5_000_000_000, total: 0, message: "" },
    { done: 1, total: 2, message: "half" },
  ]);
});

test("a failure has a message and no output", () => {
  const { error, output, trapped } = plugin.call("no price", "fails");
  assert.deepEqual({ error, output, trapped }, { error: "no: no price", output: null, trapped: false });
});

test("what is thrown says where", () => {
  const { error, trapped, log } = plugin.call("", "throws");
  assert.match(error, /^ouch at guest\.ts:\d+:\d+$/);
  assert.ok(trapped);
  assert.deepEqual(log, [{ level: "error", message: error }]);
  assert.match(plugin.call("12345", "outside").error, /^Index out of range at ~lib\/typedarray\.ts/);
});

test("random numbers differ from call to call, but for those of the top level", () => {
  const [one, two] = [plugin.call("", "draws"), plugin.call("", "draws")].map(({ text }) => text.split(" "));
  assert.equal(one[0], two[0]); // the top level's
  for (const n of [1, 2, 3]) assert.notEqual(one[n], two[n]);
});

test("clocks are right in a call", () => {
  const before = Date.now();
  const [now, runs] = plugin.call("", "clocks").text.split(" ");
  assert.ok(before <= Number(now) && Number(now) <= Date.now(), now);
  assert.equal(runs, "true");
});

test("garbage is collected", () => {
  assert.equal(plugin.call("", "litters").text, "500000000");
});
