import assert from "node:assert/strict";
import { test } from "node:test";

import { Plugin } from "@marketprism/prism/testing";

const file = new URL("quote.wasm", import.meta.url);

test("an order becomes a quote", async () => {
  const plugin = await Plugin.load(file, { config: { currency: "CHF" } });
  const order = { prices: [1.5, 2], unknown: { a: [1] }, quantity: 4, symbol: 'A "b" é' };
  assert.deepEqual(JSON.parse(plugin.call(JSON.stringify(order)).text), { symbol: 'A "b" é', cost: 14, currency: "CHF" });
});

test("an order of nothing is refused", async () => {
  const plugin = await Plugin.load(file);
  assert.equal(plugin.call('{"symbol":"A"}').error, "quantity must be above 0");
});

test("what is no order is no quote", async () => {
  const plugin = await Plugin.load(file);
  for (const input of ["", "hello", "[]", '{"symbol":5}', '{"symbol":"A","quantity":1']) {
    const { output, trapped } = plugin.call(input);
    assert.ok(output === null && trapped, `${input} became ${output}`);
  }
});
