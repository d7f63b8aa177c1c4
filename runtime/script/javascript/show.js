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
