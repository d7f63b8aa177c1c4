// Runs the plugin on the messages that the same plugin in Go is tested with, on every beginning of each of them, and on
// what no exchange would send.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Plugin } from "@marketprism/prism/testing";

const here = (path) => new URL(path, import.meta.url);
const samples = (name) => readFileSync(here(`../../../testdata/market/${name}`), "utf8");
const lines = (text) => text.trimEnd().split("\n");

const plugin = await Plugin.load(here("normalise.wasm"));

for (const exchange of ["binance", "okx", "deribit"]) {
  const messages = lines(samples(`${exchange}.ndjson`));

  test(`messages of ${exchange} become the golden events`, () => {
    const events = messages.map((message) => {
      const { text, error } = plugin.call(message);
      assert.equal(error, null, message);
      return text;
    });
    assert.equal(events.join(""), samples(`${exchange}.golden.ndjson`));
  });

  test(`no beginning of a message of ${exchange} is understood`, () => {
    for (const message of messages) {
      const bytes = Buffer.from(message);
      for (let length = 0; length < bytes.length; length++) {
        const { error, trapped } = plugin.call(bytes.subarray(0, length));
        assert.ok(error !== null && !trapped, `${bytes.subarray(0, length)}: ${error}`);
      }
    }
  });
}

test("refusals say what was expected and where", () => {
  for (const row of lines(samples("refusals.tsv")).slice(1)) {
    const [message, failure] = row.split("\t");
    assert.equal(plugin.call(message).error, failure, message);
  }
});

test("refusals of what a table cannot hold", () => {
  const latin1 = (text) => Buffer.from(text, "latin1");
  for (const [message, failure] of [
    ['{"e":"a\nb"}', "not JSON: unexpected byte at offset 7"],
    ['{"e":"a\0b"}', "not JSON: unexpected byte at offset 7"],
    ['{"e":1}\0', "not JSON: unexpected byte at offset 7"],
    ['{"e":"\xc3\x28"}', "not JSON: not UTF-8 at offset 6"],
    ['{"e":"\xc0\xaf"}', "not JSON: not UTF-8 at offset 6"],
    ['{"e":"\xed\xa0\x80"}', "not JSON: not UTF-8 at offset 6"],
    ['{"e":"\xf4\x90\x80\x80"}', "not JSON: not UTF-8 at offset 6"],
    ['{"e":"\xe2\x82', "not JSON: not UTF-8 at offset 6"],
    ["\xef\xbb\xbf{}", "not a JSON object"],
    ['{"a":'.padEnd(1000, "["), "not JSON: nested deeper than 64 levels at offset 68"],
    ['{"a":'.padEnd(5 + 63, "["), "not JSON: cut off at offset 68"],
  ]) {
    assert.equal(plugin.call(latin1(message)).error, failure, message);
  }
});

test("a failure shows whole characters of what was sent", () => {
  assert.equal(plugin.call('{"e":"ééé"}').error, 'binance: unknown event "ééé"');
  const long = "é".repeat(30);
  assert.equal(plugin.call(`{"e":"${long}"}`).error, `binance: unknown event "${"é".repeat(19)}...`);
});
