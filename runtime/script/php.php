<?php
// What PHP is started with (as auto_prepend_file): it reads a script, makes it ready, and has it serve one call, for
// which the host brings it back to where it first looks at the call's input.
//
// Each read of descriptor 0 that nothing precedes is a checkpoint: all scripts share what is before the first, and all
// calls of a script what is before the second.
namespace Prismrt;

// The script as a file, which it is for the include that runs it alone.
final class File
{
    public static string $source;
    public $context;
    private int $at = 0;

    public function stream_open(): bool
    {
        stream_wrapper_restore('file');
        return true;
    }

    public function stream_read(int $count): string
    {
        $piece = substr(self::$source, $this->at, $count);
        $this->at += strlen($piece);
        return $piece;
    }

    public function stream_eof(): bool
    {
        return $this->at >= strlen(self::$source);
    }

    public function stream_stat(): array
    {
        return ['size' => strlen(self::$source)];
    }

    public function stream_set_option(): bool
    {
        return false;
    }
}

// The streams php://... of a program, of which php://stdin and php://input are the one input of the call, whoever opens
// and closes them. The first look at it is the beginning of the call.
final class Streams
{
    public $context;
    private $stream;
    private bool $isInput;
    private static bool $begun = false;

    public function stream_open(string $path, string $mode): bool
    {
        if ($this->isInput = in_array(strtolower($path), ['php://stdin', 'php://input'])) {
            return true;
        }
        stream_wrapper_restore('php');
        $this->stream = fopen($path, $mode);
        self::register();
        return $this->stream !== false;
    }

    public static function register(): void
    {
        stream_wrapper_unregister('php');
        stream_wrapper_register('php', self::class);
    }

    public function stream_read(int $count): string|false
    {
        if (!$this->isInput) {
            return fread($this->stream, $count);
        }
        $piece = fread(INPUT, $count);
        if (!self::$begun) {
            self::$begun = true;
            reseed();
        }
        return $piece;
    }

    public function stream_eof(): bool
    {
        return feof($this->isInput ? INPUT : $this->stream);
    }

    public function stream_write(string $data): int
    {
        return $this->isInput ? 0 : fwrite($this->stream, $data);
    }

    public function stream_seek(int $offset, int $whence): bool
    {
        return !$this->isInput && fseek($this->stream, $offset, $whence) == 0;
    }

    public function stream_tell(): int
    {
        return ftell($this->stream);
    }

    public function stream_truncate(int $size): bool
    {
        return !$this->isInput && ftruncate($this->stream, $size);
    }

    public function stream_flush(): bool
    {
        return $this->isInput || fflush($this->stream);
    }

    public function stream_stat(): array|false
    {
        return $this->isInput ? [] : fstat($this->stream);
    }

    public function stream_set_option(): bool
    {
        return false;
    }

    public function url_stat(): bool
    {
        return false;
    }
}

// Up to the first end, as another look would be another checkpoint. Who has seen an end looks no more.
function read($stream): string
{
    return stream_get_contents($stream);
}

function fail(string $message, array $lines = []): never
{
    fwrite(FAILURE, implode("\n", [$message, ...$lines]));
    exit(1);
}

function raised(\Throwable $error): never
{
    if ($own = set_exception_handler(null)) {
        $own($error);
        exit(255); // as PHP itself does
    }
    $message = $error::class . ': ' . strtok($error->getMessage() . "\n", "\n");
    if ($error instanceof \CompileError) {
        $message .= " ({$error->getFile()}, line {$error->getLine()})";
    }
    // What calls the script is this file, whose name is all of it.
    fail($message, explode("\n", preg_replace('~data:\S*(\(\d+\)|:\d+)~', '[internal function]', (string) $error)));
}

// The name of the function handle that a script defines at its top level, null without one.
function defined_handler(string $source): ?string
{
    [$depth, $namespace] = [0, ''];
    $tokens = array_values(array_filter(\PhpToken::tokenize($source), fn($token) => !$token->isIgnorable()));
    $texts = array_column($tokens, 'text');
    foreach ($tokens as $i => $token) {
        if ($token->is(['{', T_CURLY_OPEN, T_DOLLAR_OPEN_CURLY_BRACES])) {
            $depth++;
        } elseif ($token->is('}')) {
            $depth--;
        } elseif ($depth == 0 && $token->is(T_NAMESPACE)) {
            $namespace = ($texts[$i + 1] ?? '') . '\\';
        } elseif ($depth == 0 && $token->is(T_FUNCTION)) {
            [$name, $next] = array_slice($texts, ($texts[$i + 1] ?? '') == '&' ? $i + 2 : $i + 1, 2) + ['', ''];
            if (strtolower($name) == 'handle' && $next == '(') { // and no import of one
                return $namespace . $name;
            }
        }
    }
    return null;
}

// A handler that cannot be called with one argument fails its upload.
function check(\ReflectionFunction $handler, string $file): void
{
    $at = "$file, line {$handler->getStartLine()}: ";
    if ($handler->isGenerator()) {
        fail($at . 'handle is a generator; have it return its answer');
    }
    if (($least = $handler->getNumberOfRequiredParameters()) > 1 || $handler->getNumberOfParameters() < 1) {
        fail($at . "handle takes $least arguments and is called with one, the input; define handle(\$input)");
    }
}

function encoded(mixed $answer): string
{
    return match (true) {
        is_string($answer) => $answer,
        $answer === null => '',
        default => json_encode($answer, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION),
    };
}

// The generator's state is a part of the image, so every call would draw the same numbers.
function reseed(): void
{
    mt_srand(random_int(PHP_INT_MIN, PHP_INT_MAX));
}

// Makes the script what the next include runs, and says whether it has a handler, and which.
function prepare(): ?string
{
    [$header, File::$source] = explode("\n", read(SCRIPT), 2);
    ['file' => $file, 'config' => $config] = json_decode($header, true);
    foreach ($config as $key => $value) {
        putenv("$key=$value");
        $_ENV[$key] = $_SERVER[$key] = $value;
    }
    $_SERVER['argv'] = $GLOBALS['argv'] = [$file];
    $_SERVER['argc'] = $GLOBALS['argc'] = 1;
    if ($handler = defined_handler(File::$source)) {
        // What is printed is the log's, since the answer is what is returned.
        ob_start(function (string $printed): string {
            fwrite(STDERR, $printed);
            return '';
        }, 1);
    } else {
        Streams::register();
    }
    define('STDIN', fopen('php://stdin', 'r'));
    stream_wrapper_unregister('file');
    stream_wrapper_register('file', File::class);
    return $handler;
}

function serve(string $name): never
{
    if (!function_exists($name)) {
        fail("{$GLOBALS['argv'][0]}: handle was not defined when the script had run");
    }
    $handler = new \ReflectionFunction($name);
    check($handler, $GLOBALS['argv'][0]);
    $handler = $handler->getClosure();
    $input = read(INPUT);
    try {
        reseed();
        $answer = encoded($handler($input));
    } catch (\Throwable $error) {
        raised($error);
    }
    fwrite(STDOUT, $answer);
    exit(0);
}

define('STDOUT', fopen('php://stdout', 'w'));
define('STDERR', fopen('php://stderr', 'w'));
// All three are descriptor 0, which the first to be closed would close.
define('Prismrt\SCRIPT', fopen('php://stdin', 'r'));
define('Prismrt\INPUT', fopen('php://stdin', 'r'));
define('Prismrt\FAILURE', fopen('php://stdin', 'w'));
ini_set('log_errors', '1');
define('Prismrt\HANDLER', prepare());
try {
    include $argv[0]; // here, so that its variables are global
} catch (\Throwable $error) {
    raised($error);
}
HANDLER && serve(HANDLER);
exit(0);
