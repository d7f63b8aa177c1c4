import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { handle, asDecimal } from './normalise.js';

const market = (name) => readFileSync(new URL(`../../testdata/market/${name}`, import.meta.url), 'utf8');
const lines = (name) => market(name).trimEnd().split('\n');
const call = (message) => handle(Buffer.from(message));

// Before version 21 Node tells a reviver nothing of the source. There each value becomes a string of its source first.
const { parse } = JSON;
if (parse('1', (key, value, context) => context?.source) !== '1') {
  JSON.parse = (text, reviver) => {
    if (!reviver) return parse(text);
    parse(text);
    const quoted = text.replace(/"(?:[^"\\]|\\.)*"(\s*:)?|[^\s{}[\]:,"]+/g, (token, key) => (key ? token : JSON.stringify(token)));
    return parse(quoted, (key, value) => reviver(key, value, typeof value === 'string' ? { source: value } : {}));
  };
}

for (const exchange of ['binance', 'okx', 'deribit']) {
  test(`messages of ${exchange} become the golden events`, () => {
    assert.equal(lines(`${exchange}.ndjson`).map(call).join(''), market(`${exchange}.golden.ndjson`));
  });
}

test('refusals say what was expected and where', () => {
  for (const row of lines('refusals.tsv').slice(1)) {
    const [message, failure] = row.split('\t');
    // What is no JSON is refused in JavaScript's words.
    assert.throws(() => call(message), failure.startsWith('not ') ? /JSON/ : { message: failure }, message);
  }
});

test('what is no JSON in UTF-8 is refused', () => {
  for (const message of ['{"e":"\xff"}', '\xef\xbb\xbf{}', '{"e":"\xed\xa0\x80"}', '{"e":"a\nb"}']) {
    assert.throws(() => handle(Buffer.from(message, 'latin1')), /^(TypeError|SyntaxError)/, message);
  }
});

test('decimals are exact', () => {
  for (const [text, plain] of Object.entries({
    '4714.0': '4714.0', '-0': '-0', '1e-06': '0.000001', '1E6': '1000000', '1.50e1': '15.0', '1.50e3': '1500',
    '-12.5e-3': '-0.0125', '0e5': '0', '0.0e-1': '0.00', '0.05e4': '500', '1e000000002': '100', '1e400': '1' + '0'.repeat(400),
  })) {
    assert.equal(asDecimal(text), `"${plain}"`, text);
  }
  for (const text of ['1e401', '', '05', '+5', '.5', '5.', '1_0', 'Infinity', ' 1', '1\n']) assert.equal(asDecimal(text), undefined, text);
});

test('escapes of names are kept', () => {
  assert.match(call('{"s":"\\"A\\\\\\u00e9é","b":"1","B":"2","a":"3","A":"4"}'), /"symbol":"\\"A\\\\\\u00e9é"/);
});

test('an excerpt ends between characters', () => {
  assert.throws(() => call(`{"e":"${'€'.repeat(20)}"}`), { message: `binance: unknown event "${'€'.repeat(13)}...` });
});
