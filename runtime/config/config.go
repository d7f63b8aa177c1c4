// Package config reads runtime.toml: bounded defaults, strict decoding, and a
// check that reports everything wrong at once.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/marketprism/prismrt/runtime/task"
)

// Config is the whole of runtime.toml. The values in brackets are the defaults.
type Config struct {
	Server    Server    `toml:"server"`
	Upload    Upload    `toml:"upload"`
	Default   Plugin    `toml:"default"`
	Max       Plugin    `toml:"max"`
	Scheduler Scheduler `toml:"scheduler"`
	Pool      Pool      `toml:"pool"`
	Health    Health    `toml:"health"`
	Tasks     Tasks     `toml:"tasks"`
	Callbacks Callbacks `toml:"callbacks"`
	Extism    Extism    `toml:"extism"`
	Go        Go        `toml:"go"`
	Trace     Trace     `toml:"trace"`
	Log       Logging   `toml:"log"`
}

// Server is about listening and stopping.
type Server struct {
	Listen string `toml:"listen"` // host:port ["127.0.0.1:8080"]; port 0 takes a free one
	Data   string `toml:"data"`   // folder for the database, modules and compiled code ["prismrt-data"]

	// HeaderTimeout and IdleTimeout bound what a slow client can hold [10s, 2m].
	HeaderTimeout task.Duration `toml:"header_timeout"`
	IdleTimeout   task.Duration `toml:"idle_timeout"`

	// BodyTimeout bounds sending a request's body, and taking an answer's [5m].
	BodyTimeout task.Duration `toml:"body_timeout"`

	// Grace is how long calls in flight may go on once the server is told to stop [10s].
	Grace task.Duration `toml:"grace"`
}

// Upload bounds what a module may cost before it ever runs.
type Upload struct {
	Module         task.Bytes    `toml:"module"`          // largest module [64MiB]
	Manifest       task.Bytes    `toml:"manifest"`        // largest manifest [64KiB]
	CompileTimeout task.Duration `toml:"compile_timeout"` // wall clock of one compilation [1m]
	CompileMemory  task.Bytes    `toml:"compile_memory"`  // address space of the compiling process [4GiB]
	StartTimeout   task.Duration `toml:"start_timeout"`   // initialising one instance [10s]
}

// Plugin holds the limits of a manifest: [default] where it names none, [max]
// past which an upload is refused.
type Plugin struct {
	Memory    task.Bytes    `toml:"memory"`    // linear memory of an instance [64MiB, 1GiB]
	Timeout   task.Duration `toml:"timeout"`   // wall clock of an invocation [1s, 5m]
	Fuel      int64         `toml:"fuel"`      // instructions of an invocation [100,000,000,000, 10,000,000,000,000]
	Stack     task.Bytes    `toml:"stack"`     // frames of calls within calls [4MiB, 32MiB]
	Input     task.Bytes    `toml:"input"`     // [1MiB, 64MiB]
	Output    task.Bytes    `toml:"output"`    // [4MiB, 64MiB]
	Instances int           `toml:"instances"` // pool.max of a manifest [0: max.instances, 256]
}

// Limits returns the part that bounds an invocation.
func (p Plugin) Limits() task.Limits {
	return task.Limits{Memory: p.Memory, Timeout: p.Timeout, Fuel: p.Fuel, Stack: p.Stack, Input: p.Input, Output: p.Output}
}

// Scheduler says who runs next and how many may wait for it.
type Scheduler struct {
	// Policy is fair (namespaces, and plugins within them, get equal fuel), fifo
	// or priority ["fair"].
	Policy string `toml:"policy"`

	// Waiting, NamespaceWaiting and TotalWaiting bound the calls in line of a plugin,
	// a namespace and all together; more are refused [1024, 4096, 16384].
	Waiting          int `toml:"waiting"`
	NamespaceWaiting int `toml:"namespace_waiting"`
	TotalWaiting     int `toml:"total_waiting"`

	// Weights are what fair shares by: a positive number for a namespace ("prices") or for a
	// plugin within its namespace ("prices/normalise") [1].
	Weights map[string]float64 `toml:"weights"`
}

// Pool is how the instances of a version are kept.
type Pool struct {
	Idle task.Duration `toml:"idle"` // how long one is kept that is not needed [1m]
	Age  task.Duration `toml:"age"`  // how long one lives; 0: for ever ["0s"]
	Trim task.Duration `toml:"trim"` // how long one waits until it gives back the memory it wrote [10s]
}

// Go is about Go's own runtime. GOMAXPROCS, GOGC and GOMEMLIMIT in the environment go
// before it.
type Go struct {
	MaxProcs    int        `toml:"max_procs"`    // Ps [0: two a core]
	GCPercent   int        `toml:"gc_percent"`   // how far the heap grows beyond what lives, in percent of it [0: 400]
	MemoryLimit task.Bytes `toml:"memory_limit"` // of Go's heap; guests' memory is not on it [0: half of the machine's or the container's]
}

// policies are those of Scheduler.
var policies = []string{"fair", "fifo", "priority"}

// Health says when a version that fails gets no calls for a while.
type Health struct {
	Threshold float64       `toml:"threshold"` // part of the calls within a second that must have failed [0.5]
	MinCalls  int           `toml:"min_calls"` // and how many calls that must be, or faults in a row [20]
	Open      task.Duration `toml:"open"`      // until a few calls try it again [5s]; doubled up to a minute while they fail
}

// Logging is about the server's own log on standard error.
type Logging struct {
	Level  string `toml:"level"`  // debug, info, warn or error ["info"]
	Format string `toml:"format"` // text or json ["text"]
}

// Default returns the configuration of a server that was told nothing.
func Default() Config {
	return Config{
		Server: Server{
			Listen:        "127.0.0.1:8080",
			Data:          "prismrt-data",
			HeaderTimeout: task.Duration(10 * time.Second),
			IdleTimeout:   task.Duration(2 * time.Minute),
			BodyTimeout:   task.Duration(5 * time.Minute),
			Grace:         task.Duration(10 * time.Second),
		},
		Upload: Upload{
			Module:         64 << 20,
			Manifest:       64 << 10,
			CompileTimeout: task.Duration(time.Minute),
			CompileMemory:  4 << 30,
			StartTimeout:   task.Duration(10 * time.Second),
		},
		Default:   Plugin{Memory: 64 << 20, Timeout: task.Duration(time.Second), Fuel: 100e9, Stack: 4 << 20, Input: 1 << 20, Output: 4 << 20},
		Max:       Plugin{Memory: 1 << 30, Timeout: task.Duration(5 * time.Minute), Fuel: 10e12, Stack: 32 << 20, Input: 64 << 20, Output: 64 << 20, Instances: 256},
		Scheduler: Scheduler{Policy: "fair", Waiting: 1024, NamespaceWaiting: 4096, TotalWaiting: 16384},
		Pool:      Pool{Idle: task.Duration(time.Minute), Trim: task.Duration(10 * time.Second)},
		Health:    Health{Threshold: 0.5, MinCalls: 20, Open: task.Duration(5 * time.Second)},
		Tasks:     defaultTasks(),
		Trace:     Trace{Sample: 0.01, Service: "prismrt"},
		Callbacks: Callbacks{Hosts: []string{}, Timeout: task.Duration(10 * time.Second), Within: task.Duration(24 * time.Hour)},
		Extism:    defaultExtism(),
		Log:       Logging{Level: "info", Format: "text"},
	}
}

// Load reads the file at path over the defaults. It does not check the values:
// flags may still override some; call Check when they have.
func Load(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	c, err := Decode(string(text))
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Decode reads TOML over the defaults. An unknown key is refused by its full
// path, all of them at once.
func Decode(text string) (Config, error) {
	c := Default()
	meta, err := toml.Decode(text, &c)
	if err != nil {
		return Config{}, err
	}
	var unknown []error
	for _, key := range meta.Undecoded() {
		unknown = append(unknown, fmt.Errorf("unknown key %s", key))
	}
	return c, errors.Join(unknown...)
}

// String returns the configuration as the runtime.toml that would give it.
func (c Config) String() string {
	var b bytes.Buffer
	enc := toml.NewEncoder(&b)
	enc.Indent = ""
	if err := enc.Encode(c); err != nil {
		return err.Error() // every field is text or a number: cannot happen
	}
	return b.String()
}

// Check reports every value that cannot work, each with its key and bound.
func (c Config) Check() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }

	if err := loopback(c.Server.Listen); err != nil {
		wrong = append(wrong, err)
	}
	if c.Server.Data == "" {
		bad("server.data is empty; name a folder")
	}
	for key, d := range map[string]task.Duration{
		"server.header_timeout": c.Server.HeaderTimeout, "server.idle_timeout": c.Server.IdleTimeout,
		"server.body_timeout":    c.Server.BodyTimeout,
		"upload.compile_timeout": c.Upload.CompileTimeout, "upload.start_timeout": c.Upload.StartTimeout,
		"default.timeout": c.Default.Timeout, "max.timeout": c.Max.Timeout, "pool.idle": c.Pool.Idle, "pool.trim": c.Pool.Trim,
	} {
		if d <= 0 {
			bad("%s is %v; it must be over 0", key, d)
		}
	}
	if c.Go.MaxProcs < 0 || c.Go.MaxProcs > 10_000 {
		bad("go.max_procs is %d; it must be from 0 to 10000", c.Go.MaxProcs)
	}
	if c.Go.GCPercent < 0 || c.Go.GCPercent > 100_000 {
		bad("go.gc_percent is %d; it must be from 0 to 100000", c.Go.GCPercent)
	}
	if c.Go.MemoryLimit < 0 {
		bad("go.memory_limit is %v; it must not be negative", c.Go.MemoryLimit)
	}
	if c.Pool.Age < 0 {
		bad("pool.age is %v; it must not be negative", c.Pool.Age)
	}
	if c.Server.Grace < 0 {
		bad("server.grace is %v; it must not be negative", c.Server.Grace)
	}
	for key, n := range map[string]task.Bytes{
		"upload.module": c.Upload.Module, "upload.manifest": c.Upload.Manifest,
		"default.memory": c.Default.Memory, "default.stack": c.Default.Stack, "default.input": c.Default.Input, "default.output": c.Default.Output,
		"max.memory": c.Max.Memory, "max.stack": c.Max.Stack, "max.input": c.Max.Input, "max.output": c.Max.Output,
	} {
		if n <= 0 {
			bad("%s is %v; it must be over 0", key, n)
		}
	}
	// A Go process that compiles needs over 1 GiB of addresses for itself.
	if c.Upload.CompileMemory < 2<<30 {
		bad("upload.compile_memory is %v; it must be at least 2GiB", c.Upload.CompileMemory)
	}
	// WebAssembly core specification, "Memories": 65,536 pages of 64 KiB.
	if c.Max.Memory > 4<<30 {
		bad("max.memory is %v; WebAssembly memories end at 4GiB", c.Max.Memory)
	}
	// wazero v1.12.0 ends guests itself past some 100 MB, for which it has taken 161 MB.
	if c.Max.Stack > 64<<20 {
		bad("max.stack is %v; it must be at most 64MiB", c.Max.Stack)
	}
	if c.Default.Fuel < 1 || c.Default.Fuel > c.Max.Fuel {
		bad("default.fuel is %d; it must be from 1 to max.fuel (%d)", c.Default.Fuel, c.Max.Fuel)
	}
	if c.Default.Memory > c.Max.Memory || c.Default.Timeout > c.Max.Timeout ||
		c.Default.Stack > c.Max.Stack || c.Default.Input > c.Max.Input || c.Default.Output > c.Max.Output {
		bad("a limit in [default] is over the same limit in [max]")
	}
	if c.Default.Instances < 0 || c.Default.Instances > c.Max.Instances {
		bad("default.instances is %d; it must be from 0 to max.instances (%d)", c.Default.Instances, c.Max.Instances)
	}
	if c.Max.Instances < 1 || c.Max.Instances > 10_000 {
		bad("max.instances is %d; it must be from 1 to 10000", c.Max.Instances)
	}
	if !slices.Contains(policies, c.Scheduler.Policy) {
		bad("scheduler.policy is %q; it must be one of %s", c.Scheduler.Policy, strings.Join(policies, ", "))
	}
	for key, n := range map[string]int{
		"waiting": c.Scheduler.Waiting, "namespace_waiting": c.Scheduler.NamespaceWaiting, "total_waiting": c.Scheduler.TotalWaiting,
	} {
		if n < 1 || n > 1_000_000 {
			bad("scheduler.%s is %d; it must be from 1 to 1000000", key, n)
		}
	}
	for name, weight := range c.Scheduler.Weights {
		if !(weight > 0) || math.IsInf(weight, 0) {
			bad("scheduler.weights of %q is %v; it must be a positive number", name, weight)
		}
	}
	if t := c.Health.Threshold; !(t > 0 && t <= 1) { // not a number is neither
		bad("health.threshold is %v; it must be over 0 and at most 1", t)
	}
	if c.Health.MinCalls < 1 || c.Health.MinCalls > 1_000_000 {
		bad("health.min_calls is %d; it must be from 1 to 1000000", c.Health.MinCalls)
	}
	if o := time.Duration(c.Health.Open); o < 100*time.Millisecond || o > time.Hour {
		bad("health.open is %v; it must be from 100ms to 1h", o)
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		bad("log.level is %q; it must be debug, info, warn or error", c.Log.Level)
	}
	if !slices.Contains([]string{"text", "json"}, c.Log.Format) {
		bad("log.format is %q; it must be text or json", c.Log.Format)
	}
	wrong = append(wrong, c.Tasks.check()...)
	wrong = append(wrong, c.Trace.check()...)
	wrong = append(wrong, c.Callbacks.check()...)
	wrong = append(wrong, c.Extism.check()...)
	// The maps above have no order, and an operator compares two runs by eye.
	slices.SortFunc(wrong, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(wrong...)
}

// loopback refuses to listen where strangers could reach a server without keys.
func loopback(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("server.listen is %q; write host:port, such as \"127.0.0.1:8080\"", listen)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("server.listen is %q; without keys anyone who reaches it could run code, so only loopback "+
		"addresses are allowed: 127.0.0.1, [::1] or localhost", listen)
}
