// What scripts find of the web.

const define = (target, properties) => {
	for (const name of Object.keys(properties))
		defineProperty(target, name, {value: properties[name], writable: true, configurable: true, enumerable: false});
};

Math.random = function random() {
	if (left < 2) {
		drawn = new Uint32Array(host(RANDOM, 512).buffer);
		left = drawn.length;
	}
	left -= 2;
	return ((drawn[left] >>> 5) * 67108864 + (drawn[left + 1] >>> 6)) / 9007199254740992;
};
defineProperty(Math, 'random', {enumerable: false});

class TextEncoder {
	get encoding() { return 'utf-8'; }
	encode(text = '') { return host(ENCODE, String(text).toWellFormed()); }
}

class TextDecoder {
	#held = new Uint8Array(0); // of a stream, a character that has only begun

	constructor(label = 'utf-8', {fatal = false, ignoreBOM = false} = {}) {
		if (!/^utf-?8$/i.test(label))
			throw new RangeError(`the encoding ${label} is not known here; utf-8 is`);
		define(this, {encoding: 'utf-8', fatal, ignoreBOM});
	}

	decode(data = new Uint8Array(0), {stream = false} = {}) {
		let bytes = bytesOf(data);
		if (this.#held.length) {
			const held = this.#held;
			bytes = new Uint8Array(held.length + data.byteLength);
			bytes.set(held);
			bytes.set(bytesOf(data), held.length);
		}
		const end = stream ? bytes.length - begun(bytes) : bytes.length;
		this.#held = bytes.slice(end);
		bytes = bytes.subarray(0, end);
		const text = host(DECODE, bytes);
		if (this.fatal && text.includes('\ufffd') && !same(bytes, host(ENCODE, text)))
			throw new TypeError('the bytes are not UTF-8');
		return !this.ignoreBOM && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
	}
}

const same = (a, b) => a.length === b.length && a.every((v, i) => v === b[i]);

// How many bytes at the end begin a character that goes on.
const begun = bytes => {
	for (let n = 1; n <= Math.min(3, bytes.length); n++) {
		const b = bytes[bytes.length - n];
		if (b >= 0xc0)
			return n < (b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : 2) ? n : 0;
		if (b < 0x80)
			return 0;
	}
	return 0;
};

const crypto = {
	getRandomValues(array) {
		bytesOf(array).set(host(RANDOM, array.byteLength));
		return array;
	},
	randomUUID() {
		const b = host(RANDOM, 16);
		b[6] = b[6] & 0x0f | 0x40;
		b[8] = b[8] & 0x3f | 0x80;
		const hex = Array.from(b, v => v.toString(16).padStart(2, '0')).join('');
		return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
	},
};

const log = (...values) => print(line(values));
const warn = (...values) => write(2, line(values));
const console = {
	log, info: log, debug: log, warn, error: warn,
	trace: (...values) => warn(...values, '\n' + new Error().stack),
	assert: (holds, ...values) => { if (!holds) warn('Assertion failed:', ...values); },
};
