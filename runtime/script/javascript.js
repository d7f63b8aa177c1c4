// What QuickJS is started with: it reads a script, makes it ready, and has it serve one call, for which the host
// brings it back to where it first looks at the call's input. host is the function of driver/quickjs.c.
//
// Each read that nothing precedes is a checkpoint: all scripts share what is before the first, and all calls of a
// script what is before the second.
(host => {
'use strict';

const READ = 1, WRITE = 2, EXIT = 3, DECODE = 4, ENCODE = 5, RANDOM = 6, COMPILE = 7, EVALUATE = 8, JOBS = 9, HOOK = 10, COLLECT = 11, SLEEP = 12;
const SCRIPT = 0, MODULE = 1; // flags of JS_Eval
const REJECTED = 1; // what the hook is told; the other is LOAD

// A script may change what it finds; what is used here after it stays as it was.
const {parse, stringify} = JSON, {defineProperty, setPrototypeOf} = Object, {isView} = ArrayBuffer;

// What is written.

const write = (fd, data) => {
	const failed = host(WRITE, fd, data);
	if (failed)
		throw new Error(`descriptor ${fd} cannot be written to: error ${failed}`);
};

// Standard output, until it is known whose it is: the log's where there is a handler, since the answer is what that
// returns, and the answer where there is none. What is kept is part of the image.
let output = '';
let print = text => { output += text; };

const bytesOf = data => isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
const isBytes = data => isView(data) || data instanceof ArrayBuffer;

const leave = code => host(EXIT, code);

const exit = code => {
	if (output)
		write(1, output);
	leave(code);
};

const fail = (message, lines = []) => {
	write(0, [message, ...lines].join('\n'));
	leave(1);
};

// How values are printed: as Node does, but for its line breaks.

const quoted = text => {
	const mark = ["'", '"', '`'].find(mark => !text.includes(mark)) ?? "'";
	return mark + stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll(mark, '\\' + mark) + mark;
};

const isClass = value => /^class\b/.test(Function.prototype.toString.call(value));

const show = (value, seen = []) => {
	switch (typeof value) {
	case 'string':
		return seen.length ? quoted(value) : value;
	case 'bigint':
		return `${value}n`;
	case 'symbol':
		return value.toString();
	case 'function':
		if (isClass(value))
			return `[class ${value.name || '(anonymous)'}]`;
		return `[${value.constructor?.name ?? 'Function'}${value.name ? `: ${value.name}` : ' (anonymous)'}]`;
	case 'object':
		break;
	default:
		return String(value);
	}
	if (value === null)
		return 'null';
	if (value instanceof Error)
		return described(value).join('\n');
	if (value instanceof Date || value instanceof RegExp)
		return String(value);
	if (seen.includes(value))
		return '[Circular]';
	seen = [...seen, value];
	const list = (open, entries, close) => entries.length ? `${open} ${entries.join(', ')} ${close}` : open + close;
	if (Array.isArray(value))
		return list('[', value.map(v => show(v, seen)), ']');
	const name = value.constructor?.name ?? '', prefix = name === 'Object' || name === '' ? '' : name + ' ';
	if (isView(value) && !(value instanceof DataView))
		return list(`${name}(${value.length}) [`, Array.from(value.subarray(0, 100), String), ']');
	if (value instanceof Map)
		return list(`${name}(${value.size}) {`, [...value].map(([k, v]) => `${show(k, seen)} => ${show(v, seen)}`), '}');
	if (value instanceof Set)
		return list(`${name}(${value.size}) {`, [...value].map(v => show(v, seen)), '}');
	return list(`${prefix}{`, Object.entries(value).map(([k, v]) => `${/^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(k) ? k : quoted(k)}: ${show(v, seen)}`), '}');
};

const line = values => values.map(v => show(v)).join(' ') + '\n';

// What went wrong.

let file, source = '';

// Where an error came from in the script, as [line, column].
const origin = stack => {
	for (const frame of stack.split('\n')) {
		const at = frame.indexOf(file + ':');
		const [, row, column] = (at < 0 ? null : /^(\d+):?(\d+)?/.exec(frame.slice(at + file.length + 1))) ?? [];
		if (row)
			return [Number(row), Number(column)];
	}
};

const nameOf = error => error.message ? `${error.name}: ${error.message}` : String(error.name);

// The lines of an error: where it was, its message, and its trace. The frames around the script's are this file's.
const described = error => {
	const stack = String(error.stack ?? '').trimEnd();
	const frames = stack.split('\n').filter(frame => frame && !/[( ]prismrt(:\d|\))/.test(frame) && !/\(native\)$/.test(frame));
	const lines = [nameOf(error), ...frames];
	const [row, column] = origin(stack) ?? [];
	const text = row && source.split('\n')[row - 1];
	if (text?.trim() && text.length < 300)
		lines.unshift(`${file}:${row}`, text, column ? text.slice(0, column - 1).replace(/[^\t]/g, ' ') + '^' : '');
	if (error.cause instanceof Error && error.cause !== error)
		lines.push('caused by', ...described(error.cause));
	return lines;
};

const raised = error => {
	if (!(error instanceof Error))
		return fail(`thrown: ${show(error)}`);
	let message = nameOf(error);
	if (error instanceof SyntaxError) {
		const [row] = origin(String(error.stack ?? '')) ?? [];
		if (row)
			message += ` (${file}, line ${row})`;
	}
	const lines = described(error);
	fail(message.split('\n')[0], lines.length > 1 ? lines : []);
};

// Promises and timers.

const rejections = new Map(), timers = new Map();
let timer = 0;

// Does what can be done now, and tells whether there may be more to do later.
const turn = () => {
	host(JOBS);
	if (rejections.size)
		throw [...rejections.values()][0];
	let next;
	for (const [id, t] of timers)
		if (!next || t.due < next.due)
			next = {id, ...t};
	if (!next)
		return false;
	const wait = next.due - performance.now();
	if (wait > 0)
		host(SLEEP, wait);
	if (next.every === undefined)
		timers.delete(next.id);
	else
		timers.get(next.id).due = performance.now() + next.every;
	next.run();
	return true;
};

// Waits for what a promise comes to; other values are as they are.
const settled = (value, what) => {
	if (typeof value?.then !== 'function')
		return value;
	let end;
	Promise.resolve(value).then(value => { end = {value}; }, error => { end = {error}; });
	do
		host(JOBS);
	while (!end && turn());
	if (!end)
		throw new Error(`${what} waits for something that never comes: nothing is left to do, and its promise is not settled`);
	if ('error' in end)
		throw end.error;
	return end.value;
};

const finish = () => {
	while (turn());
};

const start = (run, after, every, args) => {
	if (typeof run !== 'function')
		throw new TypeError('the callback is not a function');
	after = Math.max(0, Number(after) || 0);
	timers.set(++timer, {due: performance.now() + after, run: () => run(...args), every: every ? after : undefined});
	return timer;
};

// What is read.

// Bytes which, where a string is wanted, are what they are in UTF-8, as Node's Buffer has it.
class Bytes extends Uint8Array {
	toString() { return host(DECODE, this); }
}
const {prototype} = Bytes;

// The state of generators is a part of the image, so every call would draw the same numbers: what is left of one is
// dropped where a call begins.
let drawn, left = 0;

const began = () => { left = 0; };

let reads = false;

const read = limit => {
	if (!reads)
		host(COLLECT);
	const bytes = host(READ, limit);
	if (!reads)
		began();
	reads = true;
	return bytes;
};

// What scripts find besides the language: a part of what the web and Node have.

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

const process = {
	argv: [], env: {}, platform: 'wasi', version: '', versions: {}, exitCode: undefined,
	exit: (code = process.exitCode ?? 0) => exit(Number(code)),
	cwd: () => '/', hrtime: {bigint: () => BigInt(Math.round(performance.now() * 1e6))},
	nextTick: (run, ...args) => queueMicrotask(() => run(...args)),
	stdout: {write: data => (put(1, data), true)},
	stderr: {write: data => (put(2, data), true)},
};

// Writes what a script gives for a descriptor.
const put = (fd, data) => {
	if (!isBytes(data))
		data = String(data);
	if (fd !== 1)
		return write(fd, isBytes(data) ? bytesOf(data) : data);
	if (typeof data === 'string')
		return print(data);
	if (output)
		write(1, output);
	output = '';
	write(1, bytesOf(data));
};

const descriptor = (path, standard, fd) => {
	if (path !== fd && path !== standard)
		throw new Error(`${path} cannot be opened: there are no files here, only descriptors 0 to 2`);
	return fd;
};

const fs = {
	readFileSync(path, options) {
		descriptor(path, '/dev/stdin', 0);
		const bytes = setPrototypeOf(read(0), prototype);
		return typeof (options?.encoding ?? options) === 'string' ? bytes.toString() : bytes;
	},
	readSync(fd, buffer, offset = 0, length = buffer.byteLength - offset) {
		const bytes = read(Math.max(1, Math.min(length, buffer.byteLength - offset)));
		bytesOf(buffer).set(bytes, offset);
		return bytes.length;
	},
	writeFileSync(path, data) {
		put(path === 2 || path === '/dev/stderr' ? 2 : descriptor(path, '/dev/stdout', 1), data);
	},
	writeSync(fd, data) {
		put(fd, data);
		return isBytes(data) ? data.byteLength : host(ENCODE, String(data)).length;
	},
};

const modules = {fs, process};

const builtin = name => {
	const found = modules[name.replace(/^node:/, '')];
	if (!found)
		throw new Error(`there is no module ${stringify(name)} here, only ${Object.keys(modules).join(' and ')}: a script is one file; make one of it and what it imports, such as with esbuild --bundle --format=esm`);
	return found;
};

// A module of QuickJS that exports a built-in one.
const exporting = name => {
	const names = Object.keys(builtin(name));
	return `const it = globalThis[Symbol.for('prismrt.modules')](${stringify(name)}); export default it; export const {${names.join(', ')}} = it;`;
};

define(globalThis, {
	TextEncoder, TextDecoder, crypto, console, process,
	global: globalThis,
	setTimeout: (run, after, ...args) => start(run, after, false, args),
	setInterval: (run, after, ...args) => start(run, after, true, args),
	setImmediate: (run, ...args) => start(run, 0, false, args),
	clearTimeout: id => { timers.delete(id); },
	clearInterval: id => { timers.delete(id); },
	clearImmediate: id => { timers.delete(id); },
	[Symbol.for('prismrt.modules')]: builtin,
});
defineProperty(globalThis, Symbol.for('prismrt.modules'), {value: builtin});

host(HOOK, (told, ...args) => {
	if (told !== REJECTED)
		return exporting(args[0]);
	const [promise, reason, handled] = args;
	if (handled)
		rejections.delete(promise);
	else
		rejections.set(promise, reason);
});

// The script.

// Whether a source is a module, which it is where it cannot be read as a script: it imports, exports or waits. What is
// wrong with its syntax is what is wrong with the kind that was read further.
const kindOf = () => {
	let wrong;
	for (const kind of [SCRIPT, MODULE])
		try {
			host(COMPILE, source, file, kind);
			return kind;
		} catch (error) {
			if (!(error instanceof SyntaxError))
				return kind; // it can be read, and what it imports is not there
			const [row, column] = origin(String(error.stack)) ?? [0, 0];
			if (!wrong || row > wrong.row || row === wrong.row && column > wrong.column)
				wrong = {error, row, column};
		}
	throw wrong.error;
};

// Runs a script's top level, and finds its handler.
const load = () => {
	const kind = kindOf();
	if (kind === MODULE) {
		const module = settled(host(EVALUATE, source, file, kind), 'the top level');
		return 'handle' in module ? module.handle : module.default;
	}
	const module = {exports: {}};
	define(globalThis, {module, exports: module.exports, require: builtin});
	host(EVALUATE, source, file, kind);
	const handle = host(EVALUATE, "typeof handle === 'undefined' ? undefined : handle", 'prismrt', SCRIPT);
	if (handle !== undefined)
		return handle;
	return typeof module.exports === 'function' ? module.exports : module.exports?.handle ?? module.exports?.default;
};

// A handler that cannot be called with one argument fails its upload.
const check = handle => {
	if (typeof handle !== 'function')
		fail(`${file}: handle is of type ${handle === null ? 'null' : typeof handle} and cannot be called; define function handle(input)`);
	const at = handle.lineNumber ? `${file}, line ${handle.lineNumber}: ` : `${file}: `;
	if (isClass(handle))
		fail(at + 'handle is a class; define function handle(input)');
	if (/Generator/.test(Object.getPrototypeOf(handle)?.[Symbol.toStringTag]))
		fail(at + 'handle is a generator; have it return its answer');
	if (handle.length > 1)
		fail(at + `handle takes ${handle.length} arguments and is called with one, the input; define function handle(input)`);
};

const answer = value => {
	if (value === undefined || value === null)
		return;
	if (typeof value === 'string')
		return write(1, value);
	if (isBytes(value))
		return write(1, bytesOf(value));
	const text = stringify(value);
	if (text === undefined)
		throw new TypeError(`the answer is of type ${typeof value}, which is not of JSON`);
	write(1, text);
};

const serve = handle => {
	let input = host(READ, 0);
	began();
	try {
		input = setPrototypeOf(input, prototype);
		answer(settled(handle(input), 'the handler'));
		if (rejections.size)
			finish();
	} catch (error) {
		raised(error);
	}
	leave(0);
};

const main = () => {
	const text = host(DECODE, host(READ, 0)), end = text.indexOf('\n');
	const header = parse(text.slice(0, end));
	file = header.file;
	source = text.slice(end + 1).replace(/^\ufeff/, '').replace(/^#!/, '//');
	Object.assign(process.env, header.config);
	process.argv.push('prismrt', file);
	let handle;
	try {
		handle = load();
		if (handle === undefined) {
			finish();
			exit(process.exitCode ?? 0);
		}
	} catch (error) {
		raised(error);
	}
	check(handle);
	// What is printed is the log's.
	if (output)
		write(2, output);
	output = '';
	print = text => write(2, text);
	host(COLLECT);
	serve(handle);
};

return main();
})
