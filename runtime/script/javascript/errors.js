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
