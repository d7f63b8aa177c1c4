package plugins

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/marketprism/prismrt/runtime/cgi"
	"github.com/marketprism/prismrt/runtime/task"
)

// Manifest is what an uploader says of a module. Everything is optional: a nil
// field takes the server's default.
type Manifest struct {
	Name     *string   `toml:"name" json:"name,omitempty"`         // the path of the upload names it, too
	ABI      *task.ABI `toml:"abi" json:"abi,omitempty"`           // found by itself
	Function *string   `toml:"function" json:"function,omitempty"` // the default handler ["handle"]
	Args     []string  `toml:"args" json:"args,omitempty"`         // that a program is started with, after its name [none]
	Log      *string   `toml:"log" json:"log,omitempty"`           // the least an Extism plug-in logs at: trace, debug, info, warn, error, off ["info"]
	Image    *string   `toml:"image" json:"image,omitempty"`       // "off": each call has an instance set up for it alone ["on"]
	Limits   Limits    `toml:"limits" json:"limits,omitzero"`
	Pool     Pool      `toml:"pool" json:"pool,omitzero"`
	Health   Health    `toml:"health" json:"health,omitzero"`
	Tasks    Tasks     `toml:"tasks" json:"tasks,omitzero"`
	Grants   Grants    `toml:"grants" json:"grants,omitzero"`
}

// Limits bound each invocation.
type Limits struct {
	Memory  *task.Bytes    `toml:"memory" json:"memory,omitempty"`
	Timeout *task.Duration `toml:"timeout" json:"timeout,omitempty"`
	Fuel    *int64         `toml:"fuel" json:"fuel,omitempty"` // instructions
	Stack   *task.Bytes    `toml:"stack" json:"stack,omitempty"`
	Input   *task.Bytes    `toml:"input" json:"input,omitempty"`
	Output  *task.Bytes    `toml:"output" json:"output,omitempty"`
}

// Pool sizes the instances of the version.
type Pool struct {
	Min *int `toml:"min" json:"min,omitempty"` // kept ready [1]
	Max *int `toml:"max" json:"max,omitempty"` // alive at once; 0: the server's default
}

// Health says how the version is known to be well.
type Health struct {
	Input    *string        `toml:"input" json:"input,omitempty"`       // of the canary call; nil: none is made
	Expect   *string        `toml:"expect" json:"expect,omitempty"`     // what it must answer; nil: anything
	Every    *task.Duration `toml:"every" json:"every,omitempty"`       // between canary calls, 100ms to 1h ["10s"]
	Failover *bool          `toml:"failover" json:"failover,omitempty"` // the version before may take over by itself [false]
}

// Grants are what the plugin may use besides its input.
type Grants struct {
	Config map[string]string `toml:"config" json:"config,omitempty"`
	HTTP   []string          `toml:"http" json:"http,omitempty"` // hosts that an Extism plug-in's requests may go to: a name, *.example.com or an address [none]
	Vars   *task.Bytes       `toml:"vars" json:"vars,omitempty"` // that an Extism plug-in may keep in a session; 0B: none ["1MiB"]
}

// ParseTOML reads a manifest. Unknown keys are refused by their full path.
func ParseTOML(text []byte) (Manifest, error) {
	var m Manifest
	meta, err := toml.Decode(string(text), &m)
	if err != nil {
		return Manifest{}, invalidManifest("%w", err)
	}
	var unknown []string
	for _, key := range meta.Undecoded() {
		unknown = append(unknown, key.String())
	}
	if len(unknown) > 0 {
		return Manifest{}, invalidManifest("unknown key %s; known are name, abi, function, args, log, image, limits.{memory,timeout,fuel,stack,input,output}, "+
			"pool.{min,max}, health.{input,expect,every,failover}, tasks.{retries,backoff,max_backoff,concurrency,rate,keep,keep_dead} and grants.{config,http,vars}", strings.Join(unknown, ", "))
	}
	if r := m.Tasks.Rate; r != nil && (math.IsNaN(*r) || math.IsInf(*r, 0)) { // which TOML has, and JSON, in which it is kept, has not
		return Manifest{}, invalidManifest("tasks.rate is %v; write a number", *r)
	}
	return m, nil
}

// ParseJSON reads a manifest of the same keys and values as TOML has.
func ParseJSON(text []byte) (Manifest, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var document map[string]any
	if err := decoder.Decode(&document); err != nil {
		return Manifest{}, invalidManifest("not a JSON object: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Manifest{}, invalidManifest("there is more after the JSON object")
	}
	// One decoder has one idea of units, unknown keys and paths. TOML has no
	// null, which would mean what leaving the key out means.
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(document); err != nil {
		return Manifest{}, invalidManifest("%w", err)
	}
	return ParseTOML(b.Bytes())
}

// manifestPrefix begins what is said of a manifest.
const manifestPrefix = "manifest: "

func invalidManifest(format string, args ...any) *task.Fault {
	return task.Faultf(task.KindInvalid, manifestPrefix+format, args...)
}

// canonical is the form two manifests are compared and stored in.
func (m Manifest) canonical() []byte {
	m.Name = nil // the path of the upload says it
	b, err := json.Marshal(m)
	if err != nil {
		panic("plugins: a manifest does not encode: " + err.Error())
	}
	return b
}

// Defaults are what manifests leave out and the most they may ask for.
type Defaults struct {
	Limits, MaxLimits task.Limits
	Max, MaxMax       int // instances alive at once
	Tasks             task.Policy
}

// apply fills in the defaults and checks every value, reporting everything
// wrong at once.
func (m Manifest) apply(d Defaults, v *task.Version) error {
	var wrong []string
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }

	v.Limits = d.Limits
	for _, l := range []struct {
		key      string
		set      *task.Bytes
		to       *task.Bytes
		greatest task.Bytes
	}{
		{"memory", m.Limits.Memory, &v.Limits.Memory, d.MaxLimits.Memory},
		{"stack", m.Limits.Stack, &v.Limits.Stack, d.MaxLimits.Stack},
		{"input", m.Limits.Input, &v.Limits.Input, d.MaxLimits.Input},
		{"output", m.Limits.Output, &v.Limits.Output, d.MaxLimits.Output},
	} {
		if l.set == nil {
			continue
		}
		if *l.set < 1 || *l.set > l.greatest {
			bad("limits.%s is %v; this server allows 1B to %v", l.key, *l.set, l.greatest)
		}
		*l.to = *l.set
	}
	if t := m.Limits.Timeout; t != nil {
		if *t < 1 || *t > d.MaxLimits.Timeout {
			bad("limits.timeout is %v; this server allows up to %v", *t, d.MaxLimits.Timeout)
		}
		v.Limits.Timeout = *t
	}

	if f := m.Limits.Fuel; f != nil {
		if *f < 1 || *f > d.MaxLimits.Fuel {
			bad("limits.fuel is %d; this server allows 1 to %d", *f, d.MaxLimits.Fuel)
		}
		v.Limits.Fuel = *f
	}

	v.Min, v.Max = 1, d.Max
	if m.Pool.Max != nil && *m.Pool.Max != 0 {
		if v.Max = *m.Pool.Max; v.Max < 1 || v.Max > d.MaxMax {
			bad("pool.max is %d; this server allows 1 to %d, or 0 for its default", v.Max, d.MaxMax)
		}
	}
	if m.Pool.Min != nil {
		if v.Min = *m.Pool.Min; v.Min < 0 || v.Min > v.Max {
			bad("pool.min is %d; it must be from 0 to pool.max, which is %d", v.Min, v.Max)
		}
	}

	v.Function = "handle"
	if m.Function != nil {
		if v.Function = *m.Function; v.Function == "" {
			bad("function is empty; name an exported handler, or leave it out for \"handle\"")
		}
	}
	v.Args = m.Args
	checkArgs(m, bad)
	if m.Image != nil {
		if v.ImageOff = *m.Image == "off"; !v.ImageOff && *m.Image != "on" {
			bad("image is %q; it must be on or off", *m.Image)
		}
	}
	if m.ABI != nil && !slices.Contains([]task.ABI{task.ABICommand, task.ABIPrism, task.ABIExtism, task.ABICGI}, *m.ABI) {
		bad("abi is %q; it must be command, prism, extism or cgi, or left out to be found", *m.ABI)
	}

	m.extism(v, bad)
	m.Health.apply(v, bad)
	if m.ABI != nil && *m.ABI == task.ABICGI {
		m.checkCGI(bad)
	}
	v.Tasks = m.Tasks.over(d.Tasks, bad)

	v.Config = m.Grants.Config
	for key, value := range v.Config {
		// It becomes the environment of a command (WASI, environ_get).
		if key == "" || strings.ContainsAny(key, "=\x00") || strings.Contains(value, "\x00") {
			bad("grants.config has the key %q; keys must not be empty or hold '=', and nothing may hold a zero byte", key)
		}
	}
	if len(wrong) > 0 {
		return invalidManifest("%s", strings.Join(wrong, "; "))
	}
	return nil
}

// maxArgs bounds the arguments together, in bytes.
const maxArgs = 64 << 10

func checkArgs(m Manifest, bad func(format string, args ...any)) {
	length := 0
	for _, a := range m.Args {
		if length += len(a) + 1; strings.Contains(a, "\x00") {
			bad("args has %.40q, which holds a zero byte", a)
		}
	}
	if length > maxArgs {
		bad("args take %v; %v is the most", task.Bytes(length), task.Bytes(maxArgs))
	}
}

// checkCGI checks what is not the manifest's to say of a CGI program.
func (m Manifest) checkCGI(bad func(format string, args ...any)) {
	if m.Health.Input != nil {
		bad("health.input is of a canary call, which CGI programs do not get; leave it out")
	}
	for key := range m.Grants.Config {
		if cgi.IsMetaVariable(key) {
			bad("grants.config has the key %q, which CGI has for the request", key)
		}
	}
}

// Bounds of health.every.
const (
	mostOften  = task.Duration(100 * time.Millisecond)
	leastOften = task.Duration(time.Hour)
)

func (h Health) apply(v *task.Version, bad func(format string, args ...any)) {
	v.Health = task.Health{Failover: h.Failover != nil && *h.Failover}
	if h.Input == nil {
		if h.Expect != nil || h.Every != nil {
			bad("health.expect and health.every are of a canary call; give its health.input, which may be empty")
		}
		return
	}
	v.Health.Input, v.Health.Every = append([]byte{}, *h.Input...), task.Duration(10*time.Second)
	if n := task.Bytes(len(*h.Input)); n > v.Limits.Input {
		bad("health.input is %v and limits.input is %v", n, v.Limits.Input)
	}
	if h.Expect != nil {
		v.Health.Expect = append([]byte{}, *h.Expect...)
	}
	if h.Every != nil {
		if v.Health.Every = *h.Every; *h.Every < mostOften || *h.Every > leastOften {
			bad("health.every is %v; it must be from %v to %v", *h.Every, mostOften, leastOften)
		}
	}
}
