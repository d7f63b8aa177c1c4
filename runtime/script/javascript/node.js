// What scripts find of Node.

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

// Standard input as a stream: all of it is one piece.
const listeners = {data: [], end: []};
let encoding;
process.stdin = {
	fd: 0,
	setEncoding(name = 'utf8') {
		encoding = name;
		return this;
	},
	on(event, run) {
		listeners[event]?.push(run);
		if (event === 'data' && listeners.data.length === 1)
			start(() => {
				const piece = fs.readFileSync(0, encoding);
				for (const heard of piece.length ? listeners.data : [])
					heard(piece);
				for (const heard of listeners.end)
					heard();
			}, 0, false, []);
		return this;
	},
	resume() { return this; },
	async *[Symbol.asyncIterator]() {
		const piece = fs.readFileSync(0, encoding);
		if (piece.length)
			yield piece;
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
