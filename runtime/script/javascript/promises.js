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
