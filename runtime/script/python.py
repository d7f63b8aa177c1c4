# What CPython is started with (python -c): it reads a script, makes it ready, and has it serve one call, for which
# the host brings it back to where it first looks at the call's input.
#
# Each os.read(0) that nothing precedes is a checkpoint: all scripts share what is before the first, and all calls
# of a script what is before the second. So what is imported here takes no script any time.
import functools, gc, io, json, linecache, os, sys, traceback

def read():
    pieces = []
    while piece := os.read(0, 65536):
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b''.join(pieces)

def write(fd, data):
    data = memoryview(data)
    while data:
        data = data[os.write(fd, data):]

def leave(code):
    # Nothing is torn down: that takes 50 times as long as most calls.
    try:
        sys.stdout.flush()
    finally:
        os._exit(code)

def fail(message, lines=()):
    write(0, '\n'.join([message, *lines]).encode('utf-8', 'replace'))
    leave(1)

def outside(tb):
    # A traceback without this file's frames.
    while tb and tb.tb_frame.f_code.co_filename == '<string>':
        tb = tb.tb_next
    if tb:
        tb.tb_next = outside(tb.tb_next)
    return tb

def raised(error):
    if isinstance(error, SystemExit):
        code = error.code
        if code is None or isinstance(code, int):
            leave(code or 0)
        print(code, file=sys.stderr)
        leave(1)
    lines = ''.join(traceback.format_exception(type(error), error, outside(error.__traceback__))).splitlines()
    if isinstance(error, SyntaxError):
        message = f'{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})'
    else:
        message = traceback.format_exception_only(type(error), error)[-1].strip()
    fail(message.partition('\n')[0], lines)

def defines(tree, name):
    # Whether a module binds a name at its top level.
    for node in tree.body:
        match type(node).__name__:
            case 'FunctionDef' | 'AsyncFunctionDef' | 'ClassDef':
                names = [node.name]
            case 'Assign':
                names = [getattr(target, 'id', None) for target in node.targets]
            case 'AnnAssign':
                names = [getattr(node.target, 'id', None)]
            case 'Import' | 'ImportFrom':
                names = [alias.asname or alias.name for alias in node.names]
            case _:
                continue
        if name in names:
            return True
    return False

def check(handle, file):
    # A handler that cannot be called with one argument fails its upload.
    if not callable(handle):
        fail(f'{file}: handle is of type {type(handle).__name__} and cannot be called; define handle(input)')
    code = getattr(handle, '__code__', None)
    if code is None:
        return
    at = f'{file}, line {code.co_firstlineno}: '
    if code.co_flags & 0x80:
        fail(at + 'handle is a coroutine; define it without async')
    if code.co_flags & 0x20:
        fail(at + 'handle is a generator; have it return its answer')
    most, least = code.co_argcount, code.co_argcount - len(handle.__defaults__ or ())
    keywords = code.co_kwonlyargcount - len(handle.__kwdefaults__ or ())
    if least > 1 or most < 1 and not code.co_flags & 0x04 or keywords > 0:
        fail(at + f'handle takes {least + keywords} arguments and is called with one, the input; define handle(input)')

# What json does in Python takes this interpreter as long as what it does in C, and most calls begin and end with it.
# So without options, json.loads and json.dumps are what they do in C, made once.
def quicken():
    loads, dumps = json.loads, json.dumps
    scan, plain, markers = json.JSONDecoder().scan_once, json.JSONEncoder(), {}
    make = json.encoder.c_make_encoder

    def loads_soon(s, **options):
        if not options:
            try:
                text = s.decode() if type(s) is bytes else s
                value, end = scan(text, 0)
                if end == len(text):
                    return value
            except (StopIteration, ValueError, TypeError, AttributeError):
                pass # it may be in another encoding, and json.loads says what is wrong
        return loads(s, **options)

    def encoder(strings):
        return make(markers, plain.default, strings, None, ': ', ', ', False, False, True)

    ascii = encoder(json.encoder.encode_basestring_ascii)

    def dumps_soon(obj, **options):
        if options:
            return dumps(obj, **options)
        markers.clear() # what failed before was not taken out
        return ''.join(ascii(obj, 0))

    json.loads = functools.update_wrapper(loads_soon, loads)
    json.dumps = functools.update_wrapper(dumps_soon, dumps)
    return encoder(json.encoder.encode_basestring)

encode = quicken()

def encoded(answer):
    kind = type(answer)
    if kind is dict or kind is list:
        return ''.join(encode(answer, 0)).encode()
    if kind is str:
        return answer.encode()
    if answer is None:
        return b''
    if isinstance(answer, (bytes, bytearray)):
        return answer
    if isinstance(answer, memoryview):
        return answer.tobytes()
    if isinstance(answer, str):
        return answer.encode()
    return ''.join(encode(answer, 0)).encode()

def parsed(source, file):
    return compile(source, file, 'exec', 0x400) # ast.PyCF_ONLY_AST

def keep(source, file):
    # For tracebacks, which show lines.
    text = source.decode('utf-8-sig', 'replace')
    linecache.cache[file] = len(text), None, text.splitlines(True), file

def rehearse():
    # Does once what every script and call does, so that what is set up at the first use is everybody's.
    source = b'def handle(input, *more, key=None):\n    return handle.no + handle.such\n'
    tree = parsed(source, 'rehearsal')
    defines(tree, 'handle')
    names = {'__name__': 'rehearsal'}
    exec(compile(tree, 'rehearsal', 'exec'), names)
    check(names['handle'], 'rehearsal')
    encoded(json.loads(b'{"file": "rehearsal", "config": {"key": [1.5, null]}}'))
    keep(source, 'rehearsal')
    try:
        names['handle'](b'')
    except AttributeError as error:
        traceback.format_exception(error)
    del linecache.cache['rehearsal']
    os.environ.update({})
    # CPython makes a function faster once it was called some times (PEP 659), which calls alone never would be.
    for _ in range(20):
        encoded({'key': [1.5, 'text'], 'other': json.loads(b'{"key": [1.5, true, "text"]}')})
    gc.collect()
    gc.freeze() # a collection writes to all that it looks at

def main():
    rehearse()
    header, _, source = read().partition(b'\n')
    header = json.loads(header)
    file = header['file']
    os.environ.update(header['config'])
    sys.argv[:] = [file]
    try:
        tree = parsed(source, file)
        keep(source, file)
        handles = defines(tree, 'handle')
        # A module of its own, which pickle and dataclasses look up by its name. A script with a handler is
        # imported rather than run: what it does as a program is not for here.
        name = file.removesuffix('.py') if handles else '__main__'
        if name in sys.stdlib_module_names:
            name += '_' # json.py imports json, and not itself
        module = type(sys)(name)
        module.__file__ = file
        sys.modules[module.__name__] = module
        code = compile(tree, file, 'exec')
        if handles:
            sys.stdout = sys.stderr # what is printed is the log's, since the answer is what is returned
        else:
            sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BufferedReader(Input()), encoding='utf-8')
            sys.stdout = sys.__stdout__ = open(1, 'w', encoding='utf-8', closefd=False)
        exec(code, module.__dict__)
        if not handles:
            leave(0)
    except BaseException as error:
        raised(error)
    handle = getattr(module, 'handle', None)
    check(handle, file)
    del tree, source, header, code
    serve(handle)

# What a call takes besides its handler is kept short: this CPython was built without optimisation (-O0), and calls a
# function in a microsecond and a half.
def serve(handle, read_some=os.read, write_some=os.write, leave=os._exit):
    random = sys.modules.get('random')
    # Its state is a part of the image, so every call would draw the same numbers.
    seed = random.seed if random else None
    gc.freeze()
    input = read_some(0, 65536)
    if len(input) == 65536:
        input += read()
    try:
        if seed:
            seed()
        answer = handle(input)
        if type(answer) is not bytes:
            answer = encoded(answer)
    except BaseException as error:
        raised(error)
    written = write_some(1, answer)
    if written < len(answer):
        write(1, memoryview(answer)[written:])
    leave(0)

class Input(io.RawIOBase):
    # Standard input of a script that reads it itself: the first look at it is the beginning of a call.
    begun = False

    def readable(self):
        return True

    def fileno(self):
        return 0

    def readinto(self, room):
        if not self.begun:
            gc.freeze()
        piece = os.read(0, len(room))
        if not self.begun:
            self.begun = True
            if random := sys.modules.get('random'):
                random.seed()
        room[:len(piece)] = piece
        return len(piece)

main()
