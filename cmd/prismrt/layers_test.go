package main_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/procfs"
)

var update = flag.Bool("update", false, "write the files that tests compare with")

// metrics scrapes the server.
func (s *server) metrics() (text []byte, families map[string]*dto.MetricFamily) {
	s.t.Helper()
	status, text := s.do("GET", "/metrics", nil)
	if status != http.StatusOK {
		s.t.Fatalf("GET /metrics: %d %s", status, text)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	return text, families
}

// used starts a server that has served calls, one of which failed, and traces them to
// where nobody listens.
func used(t *testing.T) *server {
	configuration := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, configuration, "[trace]\nendpoint = \"http://127.0.0.1:1\"\n")
	s := start(t, t.TempDir(), "--config", configuration)
	s.uploadPatient("guest", obedient(t))
	for _, input := range []string{"upper abc", "upper abc", "sleep 5ms", "exit 3"} {
		s.do("POST", "/v1/plugins/guest/invoke", []byte(input))
	}
	return s
}

func TestMetricsOfAServerPassPrometheusLinter(t *testing.T) {
	text, families := used(t).metrics()
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "prismrt_") { // the others are client_golang's own
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for name, f := range families {
		if f.GetHelp() == "" {
			t.Errorf("%s has no help", name)
		}
		if len(f.GetMetric()) > 100 {
			t.Errorf("%s has %d series for one plugin", name, len(f.GetMetric()))
		}
	}
}

// metricsTable is deploy/metrics.md, which the tests of deploy/check read, too.
const metricsTable = "../../deploy/metrics.md"

func TestEveryMetricIsInTheTable(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems tell less")
	}
	_, families := used(t).metrics()
	var b strings.Builder
	b.WriteString("# Metrics\n\nWhat `GET /metrics` tells. Written by `go test ./cmd/prismrt -run EveryMetric -update`.\n\n| metric | type | labels | help |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		labels := map[string]bool{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()), strings.Join(slices.Sorted(maps.Keys(labels)), ", "),
			strings.ReplaceAll(f.GetHelp(), "|", "\\|"))
	}
	if *update {
		if err := os.WriteFile(metricsTable, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	table, err := os.ReadFile(metricsTable)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if !strings.Contains(string(table), line) {
			t.Errorf("deploy/metrics.md lacks, or has otherwise: %s", line)
		}
	}
	if got, want := strings.Count(string(table), "\n"), strings.Count(b.String(), "\n"); got != want {
		t.Errorf("deploy/metrics.md has %d lines and should have %d; run this test with -update", got, want)
	}
}

// layered is what is looked at of /v1/stats.
type layered struct {
	Memory struct {
		verdict
		Resident     int64            `json:"resident_bytes"`
		Once         int64            `json:"once_bytes"`
		Parts        map[string]int64 `json:"parts"`
		Heap         int64            `json:"heap_bytes"`
		GuestPrivate int64            `json:"guest_private_bytes"`
		Images       int64            `json:"image_bytes"`
		Versions     []struct {
			Instances int64
			Private   int64 `json:"private_bytes"`
			Image     int64 `json:"image_bytes"`
			Reserved  int64 `json:"reserved_bytes"`
		}
		Reserved int64 `json:"guest_reserved_bytes"`
	}
	Objects struct {
		verdict
		Instances int64
		Born      int64 `json:"instances_born"`
		Buffers   map[string]struct{ Gets, Misses, Bytes, Alive int64 }
	}
	Connections struct {
		verdict
		Open, Opened, Closed, Requests int64
		Accepting                      struct{ Limit int64 }
		Store                          struct {
			Commits, Modules struct {
				Count int64
				MaxMS float64 `json:"max_ms"`
			}
		}
	}
	Async struct {
		verdict
		Threads   int64
		Scheduler struct {
			Begun  int64
			Slices struct {
				UsedUp    int64   `json:"used_up"`
				LongestMS float64 `json:"longest_ms"`
			}
		}
		Pools []struct {
			Ready, Lent, Building int64
			Births, Rewinds       int64
			BornFor               map[string]int64 `json:"born_for"`
			Deaths                map[string]int64
		}
	}
}

type verdict struct{ Verdict, Why string }

func (s *server) layers() (l layered) {
	s.t.Helper()
	_, body := s.do("GET", "/v1/stats", nil)
	if err := json.Unmarshal(body, &l); err != nil {
		s.t.Fatalf("%v: %s", err, body)
	}
	for _, v := range []verdict{l.Memory.verdict, l.Objects.verdict, l.Connections.verdict, l.Async.verdict} {
		if !slices.Contains([]string{"ok", "watch", "act"}, v.Verdict) || v.Why == "" {
			s.t.Errorf("verdict %+v", v)
		}
	}
	return l
}

// within reports whether two numbers differ by at most 5% of the greater one.
func within(a, b int64) bool {
	return math.Abs(float64(a-b)) <= 0.05*math.Max(math.Abs(float64(a)), math.Abs(float64(b)))
}

func TestTheLayersAgreeWithKernelHeapAndPool(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	s := start(t, t.TempDir())
	for n := range 3 {
		s.uploadPatient("guest"+strconv.Itoa(n), obedient(t))
	}
	// Some tens of megabytes in guests and heap each, many times over.
	var callers sync.WaitGroup
	input := append([]byte("upper "), bytes.Repeat([]byte("x"), 700_000)...)
	for n := range 12 {
		callers.Go(func() {
			for range 15 {
				if status, answer := s.do("POST", "/v1/plugins/guest"+strconv.Itoa(n%3)+"/invoke", input); status != http.StatusOK {
					t.Errorf("call: %d %.200s", status, answer)
					return
				}
			}
		})
	}
	callers.Wait()
	s.await("the last rewind", func() bool {
		for _, p := range s.layers().Async.Pools {
			if p.Lent+p.Building > 0 {
				return false
			}
		}
		return true
	})

	l := s.layers()
	proc, err := procfs.NewProc(s.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	rollup, err := proc.ProcSMapsRollup()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("resident %d, once %d, parts %v; the kernel says Rss %d, Pss %d", l.Memory.Resident, l.Memory.Once, l.Memory.Parts, rollup.Rss, rollup.Pss)
	if !within(l.Memory.Resident, int64(rollup.Rss)) || !within(l.Memory.Once, int64(rollup.Pss)) {
		t.Errorf("resident is %d and once %d, the kernel says %d and %d", l.Memory.Resident, l.Memory.Once, rollup.Rss, rollup.Pss)
	}
	var sum, known int64
	for part, n := range l.Memory.Parts {
		sum += n
		if part != "other" {
			known += n
		}
	}
	if sum != l.Memory.Once {
		t.Errorf("the parts add up to %d, not to %d", sum, l.Memory.Once)
	}
	if !within(known, int64(rollup.Pss)) {
		t.Errorf("what is accounted for is %d, the kernel says %d", known, rollup.Pss)
	}

	// What was written of mappings of images, and of what follows them, is a guest's.
	if written := s.writtenImages(); l.Memory.Parts["guests"] < written*95/100 {
		t.Errorf("guests have %d bytes of their own, the kernel says at least %d", l.Memory.Parts["guests"], written)
	}

	// Go gives back to the system at any time, also between the two looks.
	s.await("what Go says it has is what is said of it", func() bool {
		part := s.layers().Memory.Parts["go"]
		_, families := s.metrics()
		heap := families["go_memstats_sys_bytes"].GetMetric()[0].GetGauge().GetValue() - families["go_memstats_heap_released_bytes"].GetMetric()[0].GetGauge().GetValue()
		return within(part, int64(heap))
	})

	var private, reserved, instances, images int64
	for _, v := range l.Memory.Versions {
		private, reserved, instances, images = private+v.Private, reserved+v.Reserved, instances+v.Instances, images+v.Image
	}
	var alive, born, dead int64
	for _, p := range l.Async.Pools {
		alive += p.Ready + p.Lent
		born += p.Births
		for _, n := range p.Deaths {
			dead += n
		}
		var why int64
		for _, n := range p.BornFor {
			why += n
		}
		if why != p.Births {
			t.Errorf("%d births for reasons, %d in all", why, p.Births)
		}
	}
	if l.Objects.Instances != alive || alive != born-dead || instances != alive || l.Objects.Born != born {
		t.Errorf("%d instances, %d of versions, %d in pools, which made %d and closed %d", l.Objects.Instances, instances, alive, born, dead)
	}
	if private != l.Memory.GuestPrivate || reserved != l.Memory.Reserved || images != l.Memory.Images {
		t.Errorf("versions have %d, %d, %d bytes; all together %d, %d, %d", private, reserved, images, l.Memory.GuestPrivate, l.Memory.Reserved, l.Memory.Images)
	}
	var each int64
	for n := range 3 {
		_, body := s.do("GET", "/v1/plugins/guest"+strconv.Itoa(n)+"/instances", nil)
		var list struct {
			Instances []struct {
				State   string
				Private int64 `json:"private_bytes"`
			}
		}
		if err := json.Unmarshal(body, &list); err != nil {
			t.Fatal(err)
		}
		for _, i := range list.Instances {
			if i.State != "ended" {
				each += i.Private
			}
		}
	}
	if !within(each, l.Memory.GuestPrivate) {
		t.Errorf("the instances have %d bytes of their own, one by one, and %d together", each, l.Memory.GuestPrivate)
	}

	c := l.Connections
	if c.Open < 1 || c.Opened-c.Closed != c.Open || c.Requests < 180 || c.Accepting.Limit == 0 || c.Store.Commits.Count < 3 || c.Store.Modules.Count != 1 || c.Store.Modules.MaxMS <= 0 {
		t.Errorf("connections %+v", c)
	}
	if b := l.Objects.Buffers["requests"]; b.Misses == 0 || b.Misses > b.Gets {
		t.Errorf("buffers %+v", l.Objects.Buffers)
	}
	if a := l.Async; a.Threads == 0 || a.Scheduler.Begun < 180 || a.Scheduler.Slices.UsedUp == 0 || a.Scheduler.Slices.LongestMS <= 0 {
		t.Errorf("async %+v", a)
	}
}

// writtenImages is how much of private mappings of images was written, as the kernel
// counts it.
func (s *server) writtenImages() (bytes int64) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "smaps"))
	if err != nil {
		s.t.Fatal(err)
	}
	inImage := false
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		switch {
		case !strings.HasSuffix(fields[0], ":"):
			inImage = strings.Contains(line, "memfd:prismrt-image") && fields[1] == "rw-p"
		case inImage && fields[0] == "Anonymous:":
			kb, _ := strconv.ParseInt(fields[1], 10, 64)
			bytes += kb << 10
		}
	}
	return bytes
}
