package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/marketprism/prismrt/host/extism"
	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/host/wasi"
	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/config"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/script"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

type inspectCmd struct {
	File string `arg:"" help:"The module, a .wasm file, or a script, such as handler.py."`
	ABI  string `name:"abi" enum:"command,prism,extism,cgi," default:"" help:"Hold the module to this contract (command, prism, extism or cgi) instead of finding it."`

	Manifest string `placeholder:"FILE" help:"The manifest, TOML or JSON by its ending. Default: prism.toml beside the file, when there is one."`
}

// Help is shown below the flags.
func (inspectCmd) Help() string {
	return "Needs no server. The module is read, its imports are compared with what prismrt provides, and it is " +
		"compiled and started once in the sandbox, as an upload does. A script is not run, since its interpreter is on the server: " +
		"its name and its manifest are looked at. Exits with 1 when an upload would be refused."
}

// inspection is what --json prints.
type inspection struct {
	File      string        `json:"file"`
	Manifest  string        `json:"manifest,omitempty"`
	Bytes     int           `json:"bytes"`
	Rewritten int           `json:"rewritten_bytes"` // as it is compiled, with its fuel counted; 0 when it was not rewritten
	Digest    task.Digest   `json:"digest"`
	ABI       task.ABI      `json:"abi"`    // "" when none is recognised
	Script    *scriptReport `json:"script"` // null for a module
	Functions []string      `json:"functions"`
	Memory    *memoryReport `json:"memory"` // null without one
	Imports   []importRow   `json:"imports"`
	Exports   []exportRow   `json:"exports"`
	Config    []string      `json:"config"`           // keys that the manifest grants
	CompileMS float64       `json:"compile_ms"`       // 0 when it was not compiled
	Image     *imageReport  `json:"image"`            // what its code says; null when it was not rewritten
	Begins    string        `json:"begins"`           // what calls begin with: checkpoint, start or anew; "" when it was not started
	Reason    string        `json:"reason,omitempty"` // why not with more than that
	Problems  []string      `json:"problems"`
}

type memoryReport struct {
	MinBytes int64 `json:"min_bytes"`
	MaxBytes int64 `json:"max_bytes"`
}

// imageReport is what is known of rewinding before any code has run.
type imageReport struct {
	Possible bool   `json:"possible"`
	Why      string `json:"why,omitempty"`   // it is not
	Globals  int    `json:"mutable_globals"` // which are put back besides the memory
	Tables   bool   `json:"changes_tables"`  // it can change its tables, which no image carries
}

type importRow struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Provided bool   `json:"provided"`
	By       string `json:"provided_by,omitempty"` // "" when nobody does
	Note     string `json:"note,omitempty"`        // what it does here, where that may surprise
}

type exportRow struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	Type string `json:"type"`
}

// Run prints what the module is.
func (c *inspectCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	module, err := readCode(c.File)
	if err != nil {
		return err
	}
	m, err := readManifest(c.Manifest, c.File)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	found, err := inspect(ctx, c.File, module, task.ABI(c.ABI), m)
	if err != nil {
		return err
	}
	switch {
	case g.JSON:
		err = t.json(found)
	case found.Script != nil:
		err = found.printScript(t)
	default:
		err = found.print(t)
	}
	if err == nil && len(found.Problems) > 0 {
		return refused{}
	}
	return err
}

// refused ends with the code of a fault after everything was said.
type refused struct{}

func (refused) Error() string { return "refused" }

// inspect asks what an upload would of a file, a module or a script by its name.
func inspect(ctx context.Context, path string, code []byte, abi task.ABI, m manifest) (found *inspection, err error) {
	if l := script.OfFile(path); l != nil {
		found = inspectScript(path, code, l, abi, m)
	} else if found, err = inspectModule(ctx, code, abi, m); err != nil {
		return nil, err
	}
	if ctx.Err() != nil { // that is no problem of the module's
		return nil, context.Cause(ctx)
	}
	found.File, found.Manifest = path, m.path
	return found, nil
}

func inspectModule(ctx context.Context, module []byte, abi task.ABI, m manifest) (*inspection, error) {
	dir, err := os.MkdirTemp("", "prismrt-inspect-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cfg := config.Default()
	guests, err := newExtism(cfg.Extism)
	if err != nil {
		return nil, err
	}
	e, err := newEngine(ctx, cfg, guests, dir, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	out := &inspection{Bytes: len(module), Digest: task.DigestOf(module), Functions: []string{}, Imports: []importRow{}, Exports: []exportRow{}, Problems: []string{}, Config: []string{}}
	parsed, err := m.parse()
	if err != nil {
		out.Problems = append(out.Problems, task.FaultOf(err).Message)
	}
	out.granted(parsed.Grants)
	if abi == "" && parsed.ABI != nil {
		abi = *parsed.ABI
	}
	report, err := plugins.Inspect(module, e, abi)
	if err != nil {
		out.Problems = append(out.Problems, task.FaultOf(err).Message)
		return out, nil
	}
	out.fill(report, parsed.Grants)
	// What it would run with. Without a manifest, the most memory that one may ask for: what
	// is asked is whether it compiles.
	v := task.Version{ABI: report.ABI, Limits: cfg.Max.Limits()}
	if m.path != "" && report.ABI != "" {
		if v, err = parsed.Version(defaults(cfg), report); err != nil {
			out.Problems = append(out.Problems, task.FaultOf(err).Message)
		}
	}
	v.Digest = out.Digest
	if len(out.Problems) > 0 {
		return out, nil // what would be refused is not run
	}
	if err := out.rewrite(module); err != nil {
		out.Problems = append(out.Problems, err.Error())
		return out, nil
	}

	begun := time.Now()
	program, err := e.Compile(ctx, v, module)
	if err != nil {
		out.Problems = append(out.Problems, task.FaultOf(err).Message)
		return out, nil
	}
	out.CompileMS = float64(time.Since(begun).Microseconds()) / 1000
	instance, err := program.Instantiate(ctx, nil)
	if err != nil {
		out.Problems = append(out.Problems, task.FaultOf(err).Message)
		return out, program.Close(ctx)
	}
	begins, reason := program.Begins()
	out.Begins, out.Reason = string(begins), reason
	return out, errors.Join(instance.Close(ctx), program.Close(ctx))
}

// rewrite says what comes of the module before it is compiled.
func (i *inspection) rewrite(module []byte) error {
	r, err := wasm.Rewrite(module)
	if err != nil {
		return err
	}
	i.Rewritten = len(r.Module)
	i.Image = &imageReport{Possible: r.Fixed == "", Why: r.Fixed, Globals: len(r.Globals), Tables: r.Spoils}
	return nil
}

// granted takes up what a manifest grants to whatever it is.
func (i *inspection) granted(g plugins.Grants) {
	i.Config = append(i.Config, slices.Sorted(maps.Keys(g.Config))...)
}

// configNote says for people what of the configuration is granted.
func configNote(keys []string) string {
	return "grants.config of the manifest: " + cmp.Or(strings.Join(keys, ", "), "nothing")
}

func (i *inspection) fill(r plugins.Report, granted plugins.Grants) {
	i.ABI = r.ABI
	i.Functions = append(i.Functions, r.Functions...)
	i.Problems = append(i.Problems, r.Problems...)
	if r.Memory != nil {
		i.Memory = &memoryReport{int64(r.Memory.Min) * wasm.PageSize, int64(r.Memory.Max) * wasm.PageSize}
	}
	for _, m := range r.Imports {
		row := importRow{Name: m.String(), Type: m.Kind.String(), Provided: m.Provided}
		if m.Provided {
			row.By, row.Note = provider(m.Module), importNote(m.Import, granted)
		}
		if m.Kind == wasm.ExternFunc {
			row.Type = m.Type.String()
		}
		i.Imports = append(i.Imports, row)
	}
	for _, e := range r.Exports {
		row := exportRow{Name: e.Name, Kind: e.Kind.String()}
		if e.Kind == wasm.ExternFunc {
			row.Type = e.Type.String()
		}
		i.Exports = append(i.Exports, row)
	}
}

// calls says what calls begin with.
func (i *inspection) calls() string {
	reason := ""
	if i.Reason != "" {
		reason = ": " + i.Reason
	}
	switch engine.Begins(i.Begins) {
	case engine.AtCheckpoint:
		switch i.ABI {
		case task.ABIScript:
			return "go on from where the script's top level ended"
		case task.ABICGI:
			return "go on from where the program first looks at its environment or reads its input"
		}
		return "go on from where the program first reads its input"
	case engine.AtStart:
		if i.ABI.IsProgram() {
			return "run the program from its beginning, on a rewound instance" + reason
		}
		return "run on a rewound instance, as it is after its start" + reason
	case engine.Anew:
		return "each need an instance of their own" + reason
	}
	return "-"
}

// rewound says what the code tells of rewinding.
func (i *inspection) rewound() string {
	m := i.Image
	switch {
	case m == nil:
		return "-"
	case !m.Possible:
		return "cannot be rewound: " + m.Why
	}
	carried := fmt.Sprintf("puts back its memory and mutable globals (%d)", m.Globals)
	if i.Memory == nil {
		carried = fmt.Sprintf("puts back its mutable globals (%d); it has no memory", m.Globals)
	}
	if m.Tables {
		carried += "; an instance that changes its tables, which its code can, is replaced"
	}
	return carried
}

// size says how much of the module there is.
func (i *inspection) size() string {
	if i.Rewritten == 0 {
		return fmt.Sprintf("%d bytes", i.Bytes)
	}
	return fmt.Sprintf("%d bytes, %d as rewritten for compiling (%+.1f%%)", i.Bytes, i.Rewritten, 100*float64(i.Rewritten-i.Bytes)/float64(i.Bytes))
}

func (i *inspection) print(t *terminal) error {
	contract := "none that prismrt knows"
	if i.ABI != "" {
		contract = string(i.ABI)
	}
	memory := "none"
	if m := i.Memory; m != nil {
		memory = task.Bytes(m.MinBytes).String() + " at the start, at most " + task.Bytes(m.MaxBytes).String()
	}
	compiled := "no"
	if i.CompileMS > 0 {
		compiled = (time.Duration(i.CompileMS*1000) * time.Microsecond).Round(time.Millisecond).String()
	}
	if err := t.printf("%s: %s\ndigest     %s\ncontract   %s\nfunctions  %v\nmemory     %s\nrewinding  %s\ncompiled   %s\ncalls      %s\n",
		i.File, i.size(), i.Digest, contract, orDash(strings.Join(i.Functions, ", ")), memory, i.rewound(), compiled, i.calls()); err != nil {
		return err
	}
	var rows []table.Row
	for _, m := range i.Imports {
		by := m.By
		if !m.Provided {
			by = "nobody"
		}
		rows = append(rows, table.Row{m.Name, short(m.Type), by, m.Note})
	}
	if len(rows) > 0 {
		if err := t.printf("\n"); err != nil {
			return err
		}
		if err := t.table(table.Row{"import", "type", "provided by", "here"}, rows); err != nil {
			return err
		}
	}
	rows = nil
	for _, e := range i.Exports {
		role := ""
		if slices.Contains(i.Functions, e.Name) {
			role = "handler"
		}
		rows = append(rows, table.Row{e.Name, short(strings.TrimSpace(e.Kind + " " + e.Type)), role})
	}
	if len(rows) > 0 {
		if err := t.printf("\n"); err != nil {
			return err
		}
		if err := t.table(table.Row{"export", "type", "role"}, rows); err != nil {
			return err
		}
	}
	return i.printProblems(t)
}

func (i *inspection) printProblems(t *terminal) error {
	for _, p := range i.Problems {
		if err := t.printf("\nproblem: %s\n", p); err != nil {
			return err
		}
	}
	return nil
}

// short cuts a type that would not fit into a line.
func short(text string) string {
	const most = 72
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// provider is who is behind an import module.
func provider(module string) string {
	switch module {
	case wasi.Module:
		return "WASI preview 1"
	case extism.Module:
		return "Extism"
	}
	return module
}

// importNote says what a function that is provided does here, where a program may expect
// something else.
func importNote(i wasm.Import, granted plugins.Grants) string {
	config := configNote(slices.Sorted(maps.Keys(granted.Config)))
	switch i.Module {
	case prism.Module, extism.Module:
		switch {
		case i.Name == "config_get":
			return config
		case i.Name == "http_request" && len(granted.HTTP) > 0:
			return "grants.http of the manifest: " + strings.Join(granted.HTTP, ", ")
		case i.Name == "http_request":
			return "refused: the manifest's grants.http names no host"
		case (i.Name == "var_get" || i.Name == "var_set") && granted.Vars != nil && *granted.Vars == 0:
			return "refused: grants.vars of the manifest is 0B"
		case i.Name == "var_get", i.Name == "var_set":
			return "kept in the caller's session"
		}
		return ""
	case wasi.Module:
	default:
		return ""
	}
	group, _, _ := strings.Cut(i.Name, "_")
	switch {
	case group == "path":
		return "refused: there are no directories"
	case group == "sock":
		return "refused: there are no sockets"
	case strings.HasPrefix(i.Name, "fd_prestat"):
		return "no directory is open"
	case i.Name == "fd_pread", i.Name == "fd_pwrite", i.Name == "fd_seek", i.Name == "fd_tell":
		return "refused: the standard streams have no positions"
	case i.Name == "fd_readdir":
		return "refused: there are no directories"
	case group == "environ":
		return config
	case group == "args":
		return "the plugin's name, and args of the manifest"
	case i.Name == "poll_oneoff":
		return "sleeps, but not past the deadline"
	case i.Name == "proc_raise", i.Name == "fd_fdstat_set_rights":
		return "refused: preview 1 has dropped it"
	}
	return ""
}
