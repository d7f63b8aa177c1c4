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
