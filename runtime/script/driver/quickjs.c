// What makes a command of QuickJS (npm quickjs-wasi): a library of functions alone that is
// bound to its module when the runtime is added (wasm.Extend). It starts QuickJS and has it
// run the script that the command is given as its second argument, ../javascript.go's, which
// finds one function of the host's: host(operation, ...).
//
// An interpreter that was added keeps the library it was added with, and is run with whatever
// JavaScript comes later: what an operation does stays as it is, and new ones get new
// numbers.
//
// quickjs.wasm is what make builds of this file; it is kept beside it, since who builds
// prismrt has no compiler of C.

#include <stddef.h>
#include <stdint.h>

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

// What QuickJS exports. A Value is a pointer to a value of JavaScript, and belongs to who got
// it; a call's arguments belong to the caller.
typedef uint64_t *Value;

IMPORT("env", "_initialize") void initialize(void);
IMPORT("env", "qjs_init") int set_up(void);
IMPORT("env", "qjs_get_context_ptr") void *context(void);
IMPORT("env", "JS_SetContextOpaque") void keep(void *context, Value);
IMPORT("env", "JS_GetContextOpaque") Value kept(void *context);
IMPORT("env", "wasm_malloc") void *allocate(size_t);
IMPORT("env", "wasm_free") void release(void *);
IMPORT("env", "realloc") void *reallocate(void *, size_t);
IMPORT("env", "memcpy") void *copy(void *to, const void *from, size_t);
IMPORT("env", "strlen") size_t length(const char *);
IMPORT("env", "qjs_eval") Value evaluate(const char *code, size_t, const char *file, int flags);
IMPORT("env", "qjs_compile") void *compile(const char *code, size_t, const char *file, int flags, int strip, size_t *compiled);
IMPORT("env", "qjs_call") Value call(Value function, Value this, int count, Value *arguments);
IMPORT("env", "qjs_is_exception") int is_exception(Value);
IMPORT("env", "qjs_get_exception") Value exception(void);
IMPORT("env", "qjs_is_string") int is_string(Value);
IMPORT("env", "qjs_get_float64") double number(Value);
IMPORT("env", "qjs_get_string_len") const char *string(Value, size_t *);
IMPORT("env", "qjs_free_cstring") void release_string(const char *);
IMPORT("env", "JS_GetUint8Array") void *bytes(void *context, size_t *, uint64_t value);
IMPORT("env", "qjs_new_string") Value new_string(const char *, size_t);
IMPORT("env", "qjs_new_number") Value new_number(double);
IMPORT("env", "qjs_new_uint8_array") Value new_bytes(const void *, size_t);
IMPORT("env", "qjs_new_host_function") Value new_function(const char *name, size_t, int flags);
IMPORT("env", "qjs_get_undefined") Value undefined(void);
IMPORT("env", "qjs_dup_value") Value duplicate(Value);
IMPORT("env", "qjs_free_value") void release_value(Value);
IMPORT("env", "qjs_is_job_pending") int has_job(void);
IMPORT("env", "qjs_execute_pending_job") int run_job(void);
IMPORT("env", "qjs_set_promise_rejection_handler") void watch_rejections(int);
IMPORT("env", "qjs_set_module_loader") void load_modules(int);
IMPORT("env", "qjs_run_gc") void collect(void);
IMPORT("env", "qjs_set_max_stack_size") void limit_stack(size_t);

// What the host of WASI preview 1 provides.
struct piece {
	void *data;
	size_t size;
};

IMPORT("wasi_snapshot_preview1", "args_sizes_get") int args_sizes_get(size_t *count, size_t *size);
IMPORT("wasi_snapshot_preview1", "args_get") int args_get(char **, char *);
IMPORT("wasi_snapshot_preview1", "fd_read") int fd_read(int fd, const struct piece *, size_t, size_t *);
IMPORT("wasi_snapshot_preview1", "fd_write") int fd_write(int fd, const struct piece *, size_t, size_t *);
IMPORT("wasi_snapshot_preview1", "random_get") int random_get(void *, size_t);
IMPORT("wasi_snapshot_preview1", "poll_oneoff") int poll_oneoff(const void *, void *, size_t, size_t *);
IMPORT("wasi_snapshot_preview1", "proc_exit") _Noreturn void proc_exit(int);

// What host does, by its first argument.
enum operation {
	READ = 1,     // (limit): at most so many bytes of standard input, none at its end; 0: all that is left
	WRITE = 2,    // (fd, string or Uint8Array): the error number, 0 where all was written
	EXIT = 3,     // (code)
	DECODE = 4,   // (Uint8Array): the string of its UTF-8
	ENCODE = 5,   // (string): a Uint8Array with its UTF-8
	RANDOM = 6,   // (size): a Uint8Array with random bytes
	COMPILE = 7,  // (code, file, flags of JS_Eval): throws what is wrong with its syntax
	EVALUATE = 8, // (code, file, flags): what it evaluates to
	JOBS = 9,     // (): runs the jobs of promises until none is left
	HOOK = 10,    // (function): who is told, from here on, of what comes from QuickJS
	COLLECT = 11, // (): collects garbage
	SLEEP = 12,   // (milliseconds)
};

// What the hook is told, by its first argument.
enum hook {
	REJECTED = 1, // (promise, reason, whether somebody takes notice after all)
	LOAD = 2,     // (name): returns the source of a module
};

// What scripts may take of the module's stack of 1 MiB, in bytes, before they get a RangeError: QuickJS looks at it
// where functions of JavaScript begin only, and the package's own bound is the same.
#define MAX_STACK (512 * 1024)

static void *got(void *memory) {
	if (!memory)
		__builtin_trap();
	return memory;
}

static Value read(size_t limit) {
	size_t room = limit ? limit : 65536, size = 0, n;
	char *data = got(allocate(room));
	do {
		struct piece p = {data + size, room - size};
		if (fd_read(0, &p, 1, &n))
			n = 0;
		if ((size += n) == room && !limit)
			data = got(reallocate(data, room *= 2));
	} while (n && !limit);
	Value v = new_bytes(data, size);
	release(data);
	return v;
}

static int write(int fd, Value v) {
	struct piece p;
	const char *text = is_string(v) ? string(v, &p.size) : 0;
	p.data = text ? (void *)text : bytes(context(), &p.size, *v);
	int failed = 0;
	for (size_t n; p.size && !failed; p.size -= n, p.data = (char *)p.data + n) {
		n = 0;
		failed = fd_write(fd, &p, 1, &n);
	}
	if (text)
		release_string(text);
	return failed;
}

static void sleep(double milliseconds) {
	struct {
		uint64_t user;
		uint8_t tag;
		_Alignas(8) uint32_t clock; // 1: the monotonic one
		uint64_t timeout, precision;
		uint16_t flags;
	} wanted = {.clock = 1, .timeout = (uint64_t)(milliseconds * 1e6)};
	uint64_t event[4];
	size_t n;
	poll_oneoff(&wanted, event, 1, &n);
}

static Value of_string(Value v) {
	size_t size;
	const char *text = got((void *)string(v, &size));
	Value encoded = new_bytes(text, size);
	release_string(text);
	return encoded;
}

static Value of_bytes(Value v) {
	size_t size;
	const char *data = bytes(context(), &size, *v);
	return new_string(data, size);
}

static Value random(size_t size) {
	void *data = got(allocate(size));
	random_get(data, size);
	Value v = new_bytes(data, size);
	release(data);
	return v;
}

// Compiles code and, if it is to, runs it. Null is an exception.
static Value run(Value code, Value file, int flags, int evaluates) {
	size_t size, n;
	const char *text = got((void *)string(code, &size)), *name = got((void *)string(file, &n));
	Value v = 0;
	if (evaluates) {
		v = evaluate(text, size, name, flags);
		if (is_exception(v)) {
			release_value(v);
			v = 0;
		}
	} else {
		void *compiled = compile(text, size, name, flags, 0, &n);
		if (compiled) {
			release(compiled);
			v = undefined();
		}
	}
	release_string(text);
	release_string(name);
	return v;
}

// The host's function, whatever its name. Null is an exception that was thrown.
EXPORT("host_call") Value host_call(const char *name, size_t size, Value this, int count, Value *arguments) {
	(void)name, (void)size, (void)this;
	switch (count ? (enum operation)number(arguments[0]) : 0) {
	case READ:
		return read((size_t)number(arguments[1]));
	case WRITE:
		return new_number(write((int)number(arguments[1]), arguments[2]));
	case EXIT:
		proc_exit((int)number(arguments[1]));
	case DECODE:
		return of_bytes(arguments[1]);
	case ENCODE:
		return of_string(arguments[1]);
	case RANDOM:
		return random((size_t)number(arguments[1]));
	case COMPILE:
		return run(arguments[1], arguments[2], (int)number(arguments[3]), 0);
	case EVALUATE:
		return run(arguments[1], arguments[2], (int)number(arguments[3]), 1);
	case JOBS:
		while (has_job())
			if (run_job() < 0)
				return 0;
		break;
	case HOOK:
		keep(context(), duplicate(arguments[1]));
		watch_rejections(1);
		load_modules(1);
		break;
	case COLLECT:
		collect();
		break;
	case SLEEP:
		sleep(number(arguments[1]));
		break;
	}
	return undefined();
}

EXPORT("host_promise_rejection") void host_promise_rejection(Value promise, Value reason, int handled) {
	Value arguments[] = {new_number(REJECTED), promise, reason, new_number(handled)};
	release_value(call(kept(context()), undefined(), 4, arguments));
	for (int i = 0; i < 4; i++)
		release_value(arguments[i]);
}

static char *copied(const char *text, size_t size) {
	char *c = got(allocate(size + 1));
	copy(c, text, size);
	c[size] = 0;
	return c;
}

EXPORT("host_module_normalize") char *host_module_normalize(const char *base, const char *name) {
	(void)base; // a script is one file: nothing is relative to anything
	return copied(name, length(name));
}

EXPORT("host_module_load") char *host_module_load(const char *name, size_t *size) {
	Value arguments[] = {new_number(LOAD), new_string(name, length(name))};
	Value source = call(kept(context()), undefined(), 2, arguments);
	release_value(arguments[0]);
	release_value(arguments[1]);
	if (is_exception(source))
		return 0;
	const char *text = got((void *)string(source, size));
	char *code = copied(text, *size);
	release_string(text);
	release_value(source);
	return code;
}

EXPORT("host_interrupt") int host_interrupt(void) { return 0; }

EXPORT("host_get_timezone_offset") int host_get_timezone_offset(int high, int low) {
	(void)high, (void)low;
	return 0; // it is UTC here
}

// The arguments are the name that stack traces have for the second, and what is run first.
EXPORT("_start") void start(void) {
	initialize();
	set_up();
	limit_stack(MAX_STACK);
	size_t count, size;
	args_sizes_get(&count, &size);
	char **arguments = got(allocate(count * sizeof *arguments)), *text = got(allocate(size));
	args_get(arguments, text);
	if (count != 3)
		__builtin_trap();
	Value serve = evaluate(arguments[2], length(arguments[2]), arguments[1], 0);
	Value host = new_function(arguments[1], length(arguments[1]), 0);
	if (!is_exception(serve))
		serve = call(serve, undefined(), 1, &host);
	if (is_exception(serve))
		write(2, exception());
	proc_exit(is_exception(serve) ? 70 : 0);
}
