package plugins_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/store/blob"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/task"
)

// share is a version that shares calls with the one that is routed to.
type share struct {
	canary int
	part   float64
}

// runner notes what it is told. It refuses modules that contain "sick".
type runner struct {
	mu        sync.Mutex
	loaded    map[task.Ref]task.Version
	routed    map[string]int
	shared    map[string]share
	live      health.Sample // of every plugin that shares calls
	canary    health.Sample
	resumed   []string
	failed    map[string]string
	forgotten []task.Digest
	open      map[task.Digest]bool // interpreters
	sick      map[int]bool         // versions that do not load any more
	events    *event.Log

	loading, gate chan struct{} // a module that contains "slow" tells the one and waits for the other
}

func newRunner() *runner {
	return &runner{loaded: map[task.Ref]task.Version{}, open: map[task.Digest]bool{}, routed: map[string]int{}, shared: map[string]share{}, failed: map[string]string{}, events: event.New(event.Options{})}
}

func (r *runner) Load(_ context.Context, v task.Version, module []byte) error {
	if strings.Contains(string(module), "slow") {
		close(r.loading)
		<-r.gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if strings.Contains(string(module), "sick") || r.sick[v.Ref.Version] {
		return task.Faultf(task.KindTrap, "while it started, the guest trapped")
	}
	if task.DigestOf(module) != v.Digest {
		panic("the module is another than its version says")
	}
	r.loaded[v.Ref] = v
	return nil
}

func (r *runner) Open(_ context.Context, v task.Version, module []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if task.DigestOf(module) != v.Digest || len(v.Args) == 0 {
		panic("an interpreter is another than its version says")
	}
	r.open[v.Digest] = true
	return nil
}

func (r *runner) IsOpen(d task.Digest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open[d]
}

func (r *runner) Shut(d task.Digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, d)
}

func (r *runner) Route(ref task.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.loaded[ref]; !ok {
		panic(fmt.Sprint("routed to what is not loaded: ", ref))
	}
	r.routed[ref.Plugin] = ref.Version
	delete(r.shared, ref.Plugin)
	for other := range r.loaded {
		if other.Plugin == ref.Plugin && other != ref {
			delete(r.loaded, other)
		}
	}
}

func (r *runner) Share(live, canary task.Ref, part float64) {
	r.Route(live)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loaded[canary] = task.Version{Ref: canary}
	r.shared[live.Plugin] = share{canary.Version, part}
}

func (r *runner) Samples(_, plugin string) (live, canary *health.Sample, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok = r.shared[plugin]
	l, c := r.live, r.canary
	return &l, &c, ok
}

func (r *runner) Resume(_, plugin string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resumed = append(r.resumed, plugin)
}

func (r *runner) Unload(ref task.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.routed[ref.Plugin] != ref.Version {
		delete(r.loaded, ref)
	}
}

func (r *runner) Expect(_, plugin string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routed[plugin] = -1
}

func (r *runner) Fail(_, plugin string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed[plugin] = err.Error()
}

func (r *runner) Unroute(_, plugin string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.routed, plugin)
}

func (r *runner) Forget(d task.Digest) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgotten = append(r.forgotten, d)
	return nil
}

// open opens the catalogue kept in dir.
func open(t *testing.T, dir string) (*plugins.Catalogue, *runner) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "prismrt.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	modules, err := blob.Open(filepath.Join(dir, "modules"))
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner()
	c, err := plugins.Open(t.Context(), plugins.Options{
		Store: db, Modules: modules, Runner: r, Hosts: hosts{}, Code: r, Publish: r.events.Publish, Log: slog.New(slog.DiscardHandler),
		Defaults: plugins.Defaults{
			Limits:    task.Limits{Memory: 64 << 20, Timeout: task.Duration(time.Second), Fuel: 1000, Stack: 1 << 20, Input: 1 << 20, Output: 1 << 20},
			MaxLimits: task.Limits{Memory: 128 << 20, Timeout: task.Duration(time.Minute), Fuel: 2000, Stack: 8 << 20, Input: 1 << 20, Output: 8 << 20},
			Max:       4, MaxMax: 16,
			Tasks: task.Policy{Retries: 3, Backoff: task.Duration(time.Second), MaxBackoff: task.Duration(time.Minute), Keep: task.Duration(time.Hour), KeepDead: task.Duration(24 * time.Hour)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, r
}

// program is a command that differs by its custom section.
func program(note string) []byte {
	return append(guest(true, nil, "_start"), section(0, append(str("note"), note...)...)...)
}

func upload(name, note string) plugins.Upload {
	return plugins.Upload{Namespace: "default", Name: name, Module: program(note), Live: true}
}

func add(t *testing.T, c *plugins.Catalogue, u plugins.Upload) (plugins.Version, bool) {
	t.Helper()
	v, added, err := c.Add(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	return v, added
}

func TestAnUploadBecomesTheLiveVersionAndOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	c, r := open(t, dir)
	add(t, c, upload("up", "one"))
	two := upload("up", "two")
	memory := task.Bytes(8 << 20)
	two.Manifest.Limits.Memory = &memory
	v, added := add(t, c, two)
	if !added || v.Ref.Version != 2 || r.routed["up"] != 2 || v.Run.Limits.Memory != memory || v.Run.Max != 4 {
		t.Errorf("version %+v, routed to %d", v, r.routed["up"])
	}

	again, r := open(t, dir)
	p, err := again.Plugin("default", "up")
	if err != nil || p.Live != 2 || len(p.Versions) != 2 || p.Versions[1].Facts.Exports[0] != "_start" {
		t.Fatalf("after a restart: %+v, %v", p, err)
	}
	if _, waits := r.routed["up"]; !waits || len(r.loaded) > 0 {
		t.Errorf("before Load: routed %v, loaded %v; want calls to wait", r.routed, r.loaded)
	}
	again.Load(t.Context(), 2)
	if got := r.loaded[v.Ref]; r.routed["up"] != 2 || got.Limits.Memory != memory || got.Digest != v.Digest || got.ABI != task.ABICommand {
		t.Errorf("after Load: routed to %d, %+v", r.routed["up"], got)
	}
	module, _, err := again.Module("default", "up", 1)
	if err != nil || string(module) != string(program("one")) {
		t.Errorf("module 1: %q, %v", module, err)
	}
}

func TestTheSameUploadAgainMakesNoVersion(t *testing.T) {
	c, r := open(t, t.TempDir())
	add(t, c, upload("up", "one"))
	if v, added := add(t, c, upload("up", "one")); added || v.Ref.Version != 1 {
		t.Errorf("added %v, version %d", added, v.Ref.Version)
	}
	other := upload("up", "one")
	other.Manifest.Grants.Config = map[string]string{"region": "eu"}
	if v, added := add(t, c, other); !added || v.Ref.Version != 2 {
		t.Errorf("another manifest: added %v, version %d", added, v.Ref.Version)
	}
	if v, added := add(t, c, upload("up", "one")); added || v.Ref.Version != 1 || r.routed["up"] != 1 {
		t.Errorf("the first again: added %v, version %d, live %d; it should answer again", added, v.Ref.Version, r.routed["up"])
	}
	silent := upload("up", "one")
	silent.Manifest.Grants.Config = map[string]string{"region": "eu"}
	silent.Live = false
	if v, added := add(t, c, silent); added || v.Ref.Version != 2 || r.routed["up"] != 1 {
		t.Errorf("without live: added %v, version %d, live %d", added, v.Ref.Version, r.routed["up"])
	}
}

func TestAVersionCanBeStoredWithoutAnsweringAndMadeLive(t *testing.T) {
	c, r := open(t, t.TempDir())
	u := upload("up", "one")
	u.Live = false
	v, _ := add(t, c, u)
	if r.routed["up"] != 0 || len(r.loaded) != 0 {
		t.Errorf("routed to %d, loaded %v", r.routed["up"], r.loaded)
	}
	add(t, c, upload("up", "two"))
	for _, number := range []int{1, 2, 1} {
		p, err := c.SetLive(t.Context(), task.Ref{Namespace: "default", Plugin: "up", Version: number})
		if err != nil || p.Live != number || r.routed["up"] != number || len(r.loaded) != 1 {
			t.Errorf("live %d: %+v, %v; routed to %d, %d loaded", number, p, err, r.routed["up"], len(r.loaded))
		}
	}
	for _, ref := range []task.Ref{{Namespace: "default", Plugin: "up", Version: 3}, {Namespace: "default", Plugin: "no", Version: 1}, {Namespace: "other", Plugin: "up", Version: 1}} {
		if _, err := c.SetLive(t.Context(), ref); task.FaultOf(err).Kind != task.KindNotFound {
			t.Errorf("SetLive(%v): %v", ref, err)
		}
	}
	_ = v
}

func TestAFailedUploadChangesNothing(t *testing.T) {
	dir := t.TempDir()
	c, r := open(t, dir)
	add(t, c, upload("up", "one"))
	huge, name := task.Bytes(1<<30), "other"
	function := "absent"
	for label, tt := range map[string]struct {
		upload plugins.Upload
		kind   task.Kind
		want   string
	}{
		"does not start":     {upload("up", "sick"), task.KindTrap, "while it started"},
		"no module":          {plugins.Upload{Namespace: "default", Name: "up", Live: true}, task.KindInvalid, "empty"},
		"no plugin":          {plugins.Upload{Namespace: "default", Name: "up", Module: guest(true, nil, "x")}, task.KindInvalid, "neither"},
		"over the bounds":    {plugins.Upload{Namespace: "default", Name: "up", Module: program("x"), Manifest: plugins.Manifest{Limits: plugins.Limits{Memory: &huge}}}, task.KindInvalid, "limits.memory is 1GiB; this server allows 1B to 128MiB"},
		"another name":       {plugins.Upload{Namespace: "default", Name: "up", Module: program("x"), Manifest: plugins.Manifest{Name: &name}}, task.KindInvalid, `"other"`},
		"a command's handle": {plugins.Upload{Namespace: "default", Name: "up", Module: program("x"), Manifest: plugins.Manifest{Function: &function}}, task.KindInvalid, "a command"},
		"an absent handler":  {plugins.Upload{Namespace: "default", Name: "up", Module: guest(true, []string{"prism fail"}, "handle"), Manifest: plugins.Manifest{Function: &function}}, task.KindInvalid, "it exports handle"},
		"a bad name":         {upload("Up/../x", "x"), task.KindInvalid, "cannot name a plugin"},
		"a key with =":       {plugins.Upload{Namespace: "default", Name: "up", Module: program("x"), Manifest: plugins.Manifest{Grants: plugins.Grants{Config: map[string]string{"a=b": "c"}}}}, task.KindInvalid, "a=b"},
	} {
		_, _, err := c.Add(t.Context(), tt.upload)
		if f := task.FaultOf(err); err == nil || f.Kind != tt.kind || !strings.Contains(f.Message, tt.want) {
			t.Errorf("%s: %v, want %s that says %q", label, err, tt.kind, tt.want)
		}
	}
	p, err := c.Plugin("default", "up")
	if err != nil || p.Live != 1 || len(p.Versions) != 1 || r.routed["up"] != 1 || len(r.loaded) != 1 {
		t.Errorf("afterwards %+v, %v; routed to %d, %d loaded", p, err, r.routed["up"], len(r.loaded))
	}
	if files, _ := os.ReadDir(filepath.Join(dir, "modules")); len(files) != 1 {
		t.Errorf("%d modules on disk, want 1", len(files))
	}
}

func TestDeleteForgetsAllButWhatOthersUse(t *testing.T) {
	dir := t.TempDir()
	c, r := open(t, dir)
	add(t, c, upload("up", "shared"))
	add(t, c, upload("up", "own"))
	add(t, c, upload("down", "shared"))
	if err := c.Delete(t.Context(), "default", "up"); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), "default", "up"); task.FaultOf(err).Kind != task.KindNotFound {
		t.Errorf("a second Delete: %v", err)
	}
	if _, routed := r.routed["up"]; routed || len(r.forgotten) != 1 || r.forgotten[0] != task.DigestOf(program("own")) {
		t.Errorf("routed %v, code forgotten of %v", routed, r.forgotten)
	}
	if _, _, err := c.Module("default", "down", 1); err != nil {
		t.Errorf("the shared module: %v", err)
	}
	if files, _ := os.ReadDir(filepath.Join(dir, "modules")); len(files) != 1 {
		t.Errorf("%d modules on disk, want 1", len(files))
	}
	if v, _ := add(t, c, upload("up", "anew")); v.Ref.Version != 1 {
		t.Errorf("uploaded anew it is version %d", v.Ref.Version)
	}
}

func TestAModuleThatCannotBeLoadedFailsItsPluginAlone(t *testing.T) {
	dir := t.TempDir()
	c, _ := open(t, dir)
	v, _ := add(t, c, upload("broken", "one"))
	add(t, c, upload("whole", "two"))
	if err := os.WriteFile(filepath.Join(dir, "modules", v.Digest.Hex()+".wasm"), []byte("cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, r := open(t, dir)
	c.Load(t.Context(), 2)
	if !strings.Contains(r.failed["broken"], "damaged") || r.routed["whole"] != 1 {
		t.Errorf("failed %v, routed %v", r.failed, r.routed)
	}
}

func TestUploadsOfOneNameTakeTurns(t *testing.T) {
	c, r := open(t, t.TempDir())
	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() {
			if _, _, err := c.Add(context.Background(), upload("up", fmt.Sprint(n))); err != nil {
				t.Error(err)
			}
			_, _, _ = c.Module("default", "up", n)
			c.Plugins("default")
		})
	}
	wg.Wait()
	p, err := c.Plugin("default", "up")
	if err != nil || len(p.Versions) != 10 || p.Live != 10 || r.routed["up"] != 10 || len(r.loaded) != 1 {
		t.Errorf("%d versions, live %d, %v; routed to %d, %d loaded", len(p.Versions), p.Live, err, r.routed["up"], len(r.loaded))
	}
	for n, v := range p.Versions {
		if v.Ref.Version != n+1 {
			t.Errorf("place %d has version %d", n, v.Ref.Version)
		}
	}
}

func TestWaitingForAnUploadEndsWithTheCaller(t *testing.T) {
	c, r := open(t, t.TempDir())
	r.loading, r.gate = make(chan struct{}), make(chan struct{})
	first := make(chan error)
	go func() { _, _, err := c.Add(context.Background(), upload("up", "slow")); first <- err }()
	<-r.loading
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := c.Add(ctx, upload("up", "one")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who waited got %v", err)
	}
	add(t, c, upload("other", "one")) // another name does not wait
	close(r.gate)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
