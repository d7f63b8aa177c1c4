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
	constructor(label = 'utf-8') {
		if (!/^utf-?8$/i.test(label))
			throw new RangeError(`the encoding ${label} is not known here; utf-8 is`);
	}
	get encoding() { return 'utf-8'; }
	decode(data) {
		const text = data === undefined ? '' : host(DECODE, bytesOf(data));
		return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
	}
}

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
