package plugins_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/task"
)

func ref(number int) task.Ref { return task.Ref{Namespace: "default", Plugin: "up", Version: number} }

// stored uploads versions 1 to n, of which the last is live. All but the first may
// hand over to the one before.
func stored(t *testing.T, c *plugins.Catalogue, n int) {
	t.Helper()
	for number := range n {
		u := upload("up", fmt.Sprint(number+1))
		failover := number > 0
		u.Manifest.Health.Failover = &failover
		add(t, c, u)
	}
}

func get(t *testing.T, c *plugins.Catalogue) plugins.Plugin {
	t.Helper()
	p, err := c.Plugin("default", "up")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func share1(t *testing.T, c *plugins.Catalogue, number int, part float64, judge bool) plugins.Plugin {
	t.Helper()
	p, err := c.SetCanary(t.Context(), ref(number), part, judge)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheVersionBeforeTakesOverFromOneThatIsFenced(t *testing.T) {
	dir := t.TempDir()
	c, r := open(t, dir)
	stored(t, c, 3)
	if p := get(t, c); p.Previous != 2 {
		t.Fatalf("previous is %d", p.Previous)
	}
	c.TakeOver(t.Context(), ref(2), "late news of a version that is not live")
	if p := get(t, c); p.Live != 3 || p.Takeover != nil {
		t.Fatalf("a version that is not live was taken over from: %+v", p.Release)
	}
	before := time.Now().UTC().Truncate(time.Microsecond)
	c.TakeOver(t.Context(), ref(3), "it trapped")

	again, _ := open(t, dir)
	for _, p := range []plugins.Plugin{get(t, c), get(t, again)} {
		o := p.Takeover
		if p.Live != 2 || o == nil || o.From != 3 || o.To != 2 || o.Reason != "it trapped" || o.At.Before(before) || !p.UpdatedAt.After(before) {
			t.Errorf("release %+v, takeover %+v", p.Release, o)
		}
	}
	if r.routed["up"] != 2 || len(r.loaded) != 1 {
		t.Errorf("routed to %d, loaded %v", r.routed["up"], r.loaded)
	}

	// What took over does not hand back.
	c.TakeOver(t.Context(), ref(2), "it trapped, too")
	if p := get(t, c); p.Live != 2 || p.Takeover.Reason != "it trapped" || len(r.resumed) != 3 {
		t.Errorf("release %+v, calls went on %d times", p.Release, len(r.resumed))
	}
	// The operator may.
	if p, err := c.SetLive(t.Context(), ref(3)); err != nil || p.Live != 3 || p.Previous != 2 || p.Takeover != nil {
		t.Errorf("release %+v, %v", p.Release, err)
	}
}

func TestNobodyTakesOverWhereNobodyMay(t *testing.T) {
	c, r := open(t, t.TempDir())
	stored(t, c, 2)
	add(t, c, upload("up", "without failover"))
	c.TakeOver(t.Context(), ref(3), "it trapped")
	if p := get(t, c); p.Live != 3 || len(r.resumed) != 1 {
		t.Errorf("without failover: %+v", p.Release)
	}
	if _, err := c.SetLive(t.Context(), ref(2)); err != nil {
		t.Fatal(err)
	}
	r.sick = map[int]bool{3: true}
	c.TakeOver(t.Context(), ref(2), "it trapped")
	if p := get(t, c); p.Live != 2 || p.Previous != 3 || r.routed["up"] != 2 || len(r.resumed) != 2 {
		t.Errorf("to a version that does not load: %+v", p.Release)
	}
	c.TakeOver(t.Context(), task.Ref{Namespace: "default", Plugin: "gone", Version: 1}, "it trapped")
}

func TestAVersionThatDoesNotLoadAfterARestartIsTakenOverFrom(t *testing.T) {
	dir := t.TempDir()
	c, _ := open(t, dir)
	stored(t, c, 2)
	share1(t, c, 1, 0.5, false)
	c, r := open(t, dir)
	r.sick = map[int]bool{2: true}
	c.Load(t.Context(), 2)
	p := get(t, c)
	if p.Live != 1 || p.Canary != nil || p.Takeover == nil || !strings.Contains(p.Takeover.Reason, "could not be loaded: while it started") || r.routed["up"] != 1 {
		t.Errorf("release %+v, routed to %d", p.Release, r.routed["up"])
	}
	c, r = open(t, dir)
	r.sick = map[int]bool{1: true}
	c.Load(t.Context(), 2)
	if p := get(t, c); p.Live != 1 || r.failed["up"] == "" {
		t.Errorf("the one that took over does not load: %+v, failed %q", p.Release, r.failed["up"])
	}

	add(t, c, upload("up", "without failover"))
	c, r = open(t, dir)
	r.sick = map[int]bool{3: true}
	c.Load(t.Context(), 2)
	if p := get(t, c); p.Live != 3 || p.Previous != 1 || r.failed["up"] == "" {
		t.Errorf("without failover: %+v, failed %q", p.Release, r.failed["up"])
	}
}

func TestACanarySharesCallsAndOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	c, r := open(t, dir)
	stored(t, c, 3)
	if p := share1(t, c, 1, 0.1, true); p.Live != 3 || p.Canary.Version != 1 || p.Canary.Share != 0.1 || !p.Canary.Judge {
		t.Errorf("release %+v", p.Release)
	}
	if r.shared["up"] != (share{1, 0.1}) || r.routed["up"] != 3 {
		t.Errorf("shared %v, routed %v", r.shared, r.routed)
	}
	c, r = open(t, dir)
	c.Load(t.Context(), 2)
	if p := get(t, c); p.Canary == nil || r.shared["up"] != (share{1, 0.1}) || r.routed["up"] != 3 || r.loaded[ref(1)].Ref != ref(1) {
		t.Errorf("after a restart: release %+v, shared %v", p.Release, r.shared)
	}

	for label, tt := range map[string]struct {
		number int
		share  float64
		kind   task.Kind
	}{
		"nothing": {1, 0, task.KindInvalid}, "all": {1, 1, task.KindInvalid}, "no number": {1, math.NaN(), task.KindInvalid},
		"the live one": {3, 0.5, task.KindConflict}, "an absent one": {4, 0.5, task.KindNotFound},
	} {
		if _, err := c.SetCanary(t.Context(), ref(tt.number), tt.share, false); task.FaultOf(err).Kind != tt.kind {
			t.Errorf("%s: %v", label, err)
		}
	}
	stray := upload("stray", "x")
	stray.Live = false
	add(t, c, stray)
	if _, err := c.SetCanary(t.Context(), task.Ref{Namespace: "default", Plugin: "stray", Version: 1}, 0.5, false); task.FaultOf(err).Kind != task.KindConflict {
		t.Errorf("beside nothing: %v", err)
	}

	// Either version ends it.
	if p, err := c.SetLive(t.Context(), ref(3)); err != nil || p.Live != 3 || p.Canary != nil || p.Previous != 2 || len(r.shared) != 0 {
		t.Errorf("the live one: %+v, %v", p.Release, err)
	}
	share1(t, c, 1, 0.1, false)
	if p, err := c.SetLive(t.Context(), ref(1)); err != nil || p.Live != 1 || p.Canary != nil || p.Previous != 3 || len(r.shared) != 0 {
		t.Errorf("the canary: %+v, %v", p.Release, err)
	}
	share1(t, c, 2, 0.1, false)
	add(t, c, upload("up", "4"))
	if p := get(t, c); p.Live != 4 || p.Canary != nil || p.Previous != 1 {
		t.Errorf("an upload: %+v", p.Release)
	}
}

func TestACanaryThatIsFencedIsRolledBack(t *testing.T) {
	dir := t.TempDir()
	c, r := open(t, dir)
	stored(t, c, 3)
	share1(t, c, 1, 0.1, false)
	c.TakeOver(t.Context(), ref(1), "it trapped")
	p := get(t, c)
	if o := p.LastCanary; p.Live != 3 || p.Canary != nil || o == nil || o.Version != 1 || o.Live || o.Reason != "it trapped" || len(r.shared) != 0 {
		t.Errorf("release %+v", p.Release)
	}

	// One that does not load after a restart goes, too.
	share1(t, c, 1, 0.1, false)
	if get(t, c).LastCanary != nil {
		t.Error("the outcome of the last release is told of the next")
	}
	c, r = open(t, dir)
	r.sick = map[int]bool{1: true}
	c.Load(t.Context(), 2)
	p = get(t, c)
	if o := p.LastCanary; p.Live != 3 || p.Canary != nil || o == nil || !strings.Contains(o.Reason, "could not be loaded") || r.routed["up"] != 3 {
		t.Errorf("after a restart: release %+v", p.Release)
	}
}

func TestAJudgedCanaryTakesTheCallsOfAFencedLiveVersion(t *testing.T) {
	c, r := open(t, t.TempDir())
	stored(t, c, 3)
	share1(t, c, 1, 0.1, false)
	c.TakeOver(t.Context(), ref(3), "it trapped")
	p := get(t, c)
	if p.Live != 2 || p.Canary != nil || p.LastCanary == nil || p.LastCanary.Live {
		t.Errorf("without a judge: release %+v", p.Release)
	}
	share1(t, c, 1, 0.1, true)
	c.TakeOver(t.Context(), ref(2), "it trapped")
	p = get(t, c)
	if o := p.LastCanary; p.Live != 1 || p.Canary != nil || o == nil || !o.Live || !strings.Contains(o.Reason, "the live version was fenced: it trapped") || r.routed["up"] != 1 {
		t.Errorf("with one: release %+v", p.Release)
	}
}

func TestTheWeakerOfTwoGoesWhenTheyAreJudged(t *testing.T) {
	for name, tt := range map[string]struct {
		live, canary health.Sample
		judge        bool
		want         int // the live version after two seconds
		ended        bool
		says         string
	}{
		"the canary":       {health.Sample{Calls: 900, Faults: 9}, health.Sample{Calls: 100, Faults: 30}, true, 2, true, "failed in 30%"},
		"the live version": {health.Sample{Calls: 900, Faults: 300}, health.Sample{Calls: 500}, true, 1, true, "failed in 0%"},
		"neither":          {health.Sample{Calls: 90_000, Faults: 9}, health.Sample{Calls: 10_000, Faults: 1}, true, 1, true, "nothing told"},
		"not yet":          {health.Sample{Calls: 900, Faults: 9}, health.Sample{Calls: 100, Faults: 2}, true, 2, false, ""},
		"nobody judges":    {health.Sample{Calls: 900, Faults: 9}, health.Sample{Calls: 100, Faults: 30}, false, 2, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, r := open(t, t.TempDir())
				stored(t, c, 2)
				share1(t, c, 1, 0.1, tt.judge)
				r.live, r.canary = tt.live, tt.canary
				go c.Run(t.Context())
				time.Sleep(2 * time.Second)
				synctest.Wait()
				p := get(t, c)
				if p.Live != tt.want || (p.Canary == nil) != tt.ended || (p.LastCanary != nil) != tt.ended || r.routed["up"] != tt.want {
					t.Fatalf("release %+v", p.Release)
				}
				if tt.ended && (p.LastCanary.Version != 1 || p.LastCanary.Live != (tt.want == 1) || !strings.Contains(p.LastCanary.Reason, tt.says)) {
					t.Errorf("outcome %+v", p.LastCanary)
				}
			})
		})
	}
}

func TestTheJudgeDoesNotWaitForWhoChangesAPlugin(t *testing.T) {
	c, r := open(t, t.TempDir())
	stored(t, c, 2)
	share1(t, c, 1, 0.1, true)
	for _, note := range []string{"slow", "2", "3"} {
		r.loading, r.gate = make(chan struct{}), make(chan struct{})
		close(r.gate)
		add(t, c, upload("other", note))
	}
	if _, err := c.SetCanary(t.Context(), task.Ref{Namespace: "default", Plugin: "other", Version: 2}, 0.1, true); err != nil {
		t.Fatal(err)
	}
	r.loading, r.gate = make(chan struct{}), make(chan struct{})
	changed := make(chan error)
	go func() {
		_, err := c.SetLive(t.Context(), task.Ref{Namespace: "default", Plugin: "other", Version: 1})
		changed <- err
	}()
	<-r.loading
	r.mu.Lock()
	r.canary = health.Sample{Calls: 100, Faults: 100}
	r.live = health.Sample{Calls: 100}
	r.mu.Unlock()
	go c.Run(t.Context())
	for get(t, c).Canary != nil {
		time.Sleep(time.Millisecond)
	}
	if p, _ := c.Plugin("default", "other"); p.Canary == nil {
		t.Error("a plugin was changed by two at once")
	}
	close(r.gate)
	if err := <-changed; err != nil {
		t.Error(err)
	}
}

func TestATakeoverDoesNotWaitForAnUpload(t *testing.T) {
	c, r := open(t, t.TempDir())
	stored(t, c, 2)
	r.loading, r.gate = make(chan struct{}), make(chan struct{})
	uploaded := make(chan error)
	go func() { _, _, err := c.Add(t.Context(), upload("up", "slow")); uploaded <- err }()
	<-r.loading
	c.TakeOver(t.Context(), ref(2), "it trapped")
	if p := get(t, c); p.Live != 1 || p.Takeover == nil || r.routed["up"] != 1 {
		t.Errorf("release %+v", p.Release)
	}
	close(r.gate)
	if err := <-uploaded; err != nil {
		t.Error(err)
	}
	if p := get(t, c); p.Live != 3 || p.Previous != 1 || p.Takeover != nil || r.routed["up"] != 3 || len(p.Versions) != 3 {
		t.Errorf("after the upload: release %+v", p.Release)
	}
}

func TestAHealthCheckIsKeptAndRefusedByName(t *testing.T) {
	dir := t.TempDir()
	c, _ := open(t, dir)
	m, err := plugins.ParseTOML([]byte("[health]\ninput = \"\"\nexpect = \"pong\"\nfailover = true"))
	if err != nil {
		t.Fatal(err)
	}
	u := upload("up", "one")
	u.Manifest = m
	add(t, c, u)
	c, r := open(t, dir)
	c.Load(t.Context(), 1)
	h := r.loaded[ref(1)].Health
	if h.Input == nil || string(h.Expect) != "pong" || h.Every != task.Duration(10*time.Second) || !h.Failover {
		t.Errorf("health %+v", h)
	}
	if got := string(get(t, c).Versions[0].Manifest); got != `{"health":{"input":"","expect":"pong","failover":true}}` {
		t.Errorf("manifest %s", got)
	}
	for text, want := range map[string]string{
		"expect = \"pong\"":                              "health.input",
		"every = \"1s\"":                                 "health.input",
		"input = \"\"\nevery = \"99ms\"":                 "health.every is 99ms; it must be from 100ms to 1h0m0s",
		"input = \"\"\nevery = \"61m\"":                  "health.every",
		"input = '" + strings.Repeat("x", 1<<20+1) + "'": "health.input is 1048577B and limits.input is 1MiB",
	} {
		if u.Manifest, err = plugins.ParseTOML([]byte("[health]\n" + text)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Add(t.Context(), u); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %q", text, err, want)
		}
	}
	u.Module = guest(true, []string{"prism fail"}, "score", "rank")
	u.Manifest, _ = plugins.ParseTOML([]byte("[health]\ninput = \"\""))
	if _, _, err := c.Add(t.Context(), u); err == nil || !strings.Contains(err.Error(), "set function to one of score, rank") {
		t.Errorf("without a default handler: %v", err)
	}
	if files, _ := os.ReadDir(filepath.Join(dir, "modules")); len(files) != 1 {
		t.Errorf("%d modules on disk, want 1", len(files))
	}
}
