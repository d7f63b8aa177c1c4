//go:build linux

package bench_test

import (
	"bufio"
	"context"
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/runtime/task"
)

var small = flag.Bool("small", false, "measure what idle instances and a million calls take of memory")

const (
	kib = 1 << 10
	mib = 1 << 20
)

// Instances that wait for a call, after they served one, take little beyond what
// they share. Those that have waited for long were trimmed.
func TestIdleInstancesAreSmall(t *testing.T) {
	for _, tt := range []struct {
		guest      string
		count      int
		mostAll    int // bytes each, of everything; 0: not looked at
		mostMemory int // bytes each, of linear memory
	}{
		{guest: "upper-c", count: 1000},
		{guest: "upper-go", count: 1000, mostAll: 150 * kib},
		{guest: "json-go", count: 200},
		{guest: "json-python", count: 100, mostMemory: mib},
		{guest: "json-python-exit", count: 100, mostMemory: mib},
	} {
		g := guestNamed(tt.guest)
		t.Run("guest="+g.name+"/engine=prismrt", func(t *testing.T) {
			skipUnlessSmall(t)
			p, served := g.program(t), 0
			each := grown(t, tt.count, func() (written int) {
				i := instance(t, p)
				output, _, err := i.Run(t.Context(), task.Invocation{Input: order}, nil)
				if err != nil || !g.answered(output) {
					t.Fatalf("%q, %v", output, err)
				}
				pages, err := i.Rewind()
				if err != nil {
					t.Fatal(err)
				}
				served = pages * os.Getpagesize()
				return i.Trim() * os.Getpagesize()
			})
			t.Logf("%d KiB of linear memory each before they were trimmed", served/kib)
			if tt.mostAll > 0 && each.all() > tt.mostAll {
				t.Errorf("%d KiB each, and not %d", each.all()/kib, tt.mostAll/kib)
			}
			if tt.mostMemory > 0 && each.linear > tt.mostMemory {
				t.Errorf("%d KiB of linear memory each, and not %d", each.linear/kib, tt.mostMemory/kib)
			}
		})
		if g.abi != task.ABIPrism {
			continue // a command that has run is over
		}
		t.Run("guest="+g.name+"/engine=plain", func(t *testing.T) {
			skipUnlessSmall(t)
			p := g.plain(t)
			grown(t, tt.count/10, func() int {
				c := &plainCall{Context: t.Context(), input: order}
				m, err := p.instantiate(c)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { m.Close(context.Background()) })
				if _, err := c.handle(m.ExportedFunction("handle")); err != nil {
					t.Fatal(err)
				}
				return 0 // it is on Go's heap
			})
		})
	}
}

// Calls leave nothing behind.
func TestAMillionCallsTakeNoMemory(t *testing.T) {
	skipUnlessSmall(t)
	const most = 20 * mib
	i := instance(t, guestNamed("upper-c").program(t))
	call := func() {
		if _, _, err := i.Run(t.Context(), task.Invocation{Input: order}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := i.Rewind(); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 {
		call()
	}
	before := residence(t).rss
	for range 1_000_000 {
		call()
	}
	after := residence(t).rss
	t.Logf("resident after a thousand calls %.1f MiB, after a million more %+.1f MiB", float64(before)/mib, float64(after-before)/mib)
	if after-before > most {
		t.Errorf("more than %d MiB", most/mib)
	}
}

func skipUnlessSmall(t *testing.T) {
	if !*small {
		t.Skip("it weighs the whole process, which nothing else may use meanwhile: make -C bench small runs it by itself, and make test does that")
	}
}

func guestNamed(name string) guest {
	for _, g := range guests {
		if g.name == name {
			return g
		}
	}
	panic("no guest " + name)
}

// grown makes one, as what comes once comes with it, then count more, and tells what
// these take, each. one tells how many bytes of linear memory are the instance's own.
func grown(t *testing.T, count int, one func() (written int)) taken {
	one()
	before, linear := residence(t), 0
	for range count {
		linear += one()
	}
	after := residence(t)
	each := taken{
		rss:       (after.rss - before.rss) / count,
		anonymous: (after.anonymous - before.anonymous) / count,
		shared:    (after.shared - before.shared) / count,
		tables:    (after.tables - before.tables) / count,
		linear:    linear / count,
	}
	t.Logf("each of %d takes %.1f KiB: linear memory %.1f, Go's %.1f, page tables %.1f, the image's growth %.1f. By RSS, which counts the image for each, it is %.1f", count,
		float64(each.all())/kib, float64(each.linear)/kib, float64(each.anonymous-each.linear)/kib, float64(each.tables)/kib, float64(each.shared)/kib, float64(each.rss)/kib)
	return each
}

// taken is memory that a process takes, in bytes.
type taken struct {
	rss       int // as the system tells it: what is shared counts wherever it is mapped
	anonymous int // pages that are in no file: what guests wrote, and Go's
	shared    int // pages of files in memory, once however often they are mapped
	tables    int // the kernel's, of pages
	linear    int // of the anonymous ones, those that guests wrote
}

func (r taken) all() int { return r.anonymous + r.shared + r.tables }

// residence looks at the process, with nothing in it that can be collected.
func residence(t *testing.T) taken {
	runtime.GC()
	debug.FreeOSMemory()
	rollup := fields(t, "/proc/self/smaps_rollup")
	return taken{
		rss: rollup["Rss"], anonymous: rollup["Pss_Anon"], shared: rollup["Pss_Shmem"],
		tables: fields(t, "/proc/self/status")["VmPTE"],
	}
}

// fields reads lines like "Rss: 12 kB", in bytes.
func fields(t *testing.T, file string) map[string]int {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	values := map[string]int{}
	for s := bufio.NewScanner(f); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		number, isKB := strings.CutSuffix(value, " kB")
		if n, err := strconv.Atoi(strings.TrimSpace(number)); isKB && err == nil {
			values[name] = n * kib
		}
	}
	if len(values) == 0 {
		t.Fatalf("nothing in %s", file)
	}
	return values
}
