// What the host does: driver/quickjs.c.

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
