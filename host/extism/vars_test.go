package extism

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// in is a call in a session.
func in(t testing.TB, session string) *fake {
	c := newCall(t, "")
	c.in.Session = session
	return c
}

func set(t testing.TB, h *Host, c Call, name, value string) *task.Fault {
	t.Helper()
	_, fault := do(h, c, "var_set", made(t, h, c, name), made(t, h, c, value))
	return fault
}

// get is a var's value, "" where it is not set.
func get(t testing.TB, h *Host, c Call, name string) string {
	t.Helper()
	return read(t, h, c, must(t, h, c, "var_get", made(t, h, c, name)))
}

func TestVarsAreTheSessions(t *testing.T) {
	h := newHost(t, Options{})
	if fault := set(t, h, in(t, "one"), "a", "1"); fault != nil {
		t.Fatal(fault)
	}
	other := in(t, "one")
	other.version.Ref.Plugin = "q"
	elsewhere := in(t, "one")
	elsewhere.version.Ref.Namespace = "n"
	for what, c := range map[string]*fake{"another session": in(t, "two"), "no session": in(t, ""), "another plugin": other, "another namespace": elsewhere} {
		if got := get(t, h, c, "a"); got != "" {
			t.Errorf("%s has the var: %q", what, got)
		}
	}
	later := in(t, "one")
	later.version.Ref.Version = 2
	if got := get(t, h, later, "a"); got != "1" {
		t.Errorf("the next version's var is %q", got)
	}
	if _, fault := do(h, later, "var_set", made(t, h, later, "a"), 0); fault != nil {
		t.Fatal(fault)
	}
	if got := get(t, h, in(t, "one"), "a"); got != "" || len(h.sessions.byKey) != 0 || h.sessions.size != 0 {
		t.Errorf("a removed var is %q; %d sessions of %d bytes are kept", got, len(h.sessions.byKey), h.sessions.size)
	}
}

func TestVarsWithoutASessionEndWithTheCall(t *testing.T) {
	h := newHost(t, Options{})
	c := in(t, "")
	if fault := set(t, h, c, "a", "1"); fault != nil || get(t, h, c, "a") != "1" {
		t.Errorf("within the call: %v, %q", fault, get(t, h, c, "a"))
	}
	c.held.End()
	if got := get(t, h, in(t, ""), "a"); got != "" || len(h.sessions.byKey) != 0 {
		t.Errorf("after it: %q, %d sessions", got, len(h.sessions.byKey))
	}
}

func TestVarsHaveAQuota(t *testing.T) {
	for _, session := range []string{"", "s"} {
		h, c := newHost(t, Options{}), in(t, session)
		c.version.Vars = 100
		if fault := set(t, h, c, "a", strings.Repeat("x", 58)); fault != nil { // 99 with what a var takes
			t.Errorf("under the quota: %v", fault)
		}
		for range 3 {
			if fault := set(t, h, c, "a", strings.Repeat("y", 58)); fault != nil {
				t.Errorf("what takes the place of as much: %v", fault)
			}
		}
		if fault := set(t, h, c, "a", strings.Repeat("z", 59)); fault == nil || fault.Kind != task.KindTrap || !strings.Contains(fault.Message, "grants.vars") {
			t.Errorf("at the quota: %v", fault)
		}
		if fault := set(t, h, c, "b", "x"); fault == nil {
			t.Error("a second var fits")
		}
		if got := get(t, h, c, "a"); got != strings.Repeat("y", 58) {
			t.Errorf("what was refused has changed the var to %q", got)
		}
		c.version.Vars = 0
		if fault := set(t, h, c, "a", "1"); fault == nil || !strings.Contains(fault.Message, "vars are off") {
			t.Errorf("without vars: %v", fault)
		}
	}
}

func TestSessionsAreBounded(t *testing.T) {
	h := newHost(t, Options{Sessions: 3, SessionMemory: int64(task.MostVars)})
	for n := range 10 {
		if fault := set(t, h, in(t, fmt.Sprint(n)), "a", "1"); fault != nil {
			t.Fatal(fault)
		}
		get(t, h, in(t, "0"), "a") // which keeps it
	}
	kept := ""
	for n := range 10 {
		kept += get(t, h, in(t, fmt.Sprint(n)), "a")
	}
	if kept != "111" || get(t, h, in(t, "0"), "a") != "1" {
		t.Errorf("of ten sessions %d are kept, want the three used last", len(kept))
	}
	for n := range 10 {
		if fault := set(t, h, in(t, fmt.Sprint(n)), "b", strings.Repeat("x", 400<<10)); fault != nil {
			t.Fatal(fault)
		}
		if h.sessions.size > int64(task.MostVars) || len(h.sessions.byKey) > 3 || len(h.sessions.byKey) != h.sessions.recent.Len() {
			t.Fatalf("%d sessions of %d bytes are kept", len(h.sessions.byKey), h.sessions.size)
		}
	}
}

func TestASessionThatIsNotUsedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Options{SessionIdle: time.Minute})
		set(t, h, in(t, "a"), "v", "1")
		set(t, h, in(t, "b"), "v", "2")
		time.Sleep(40 * time.Second)
		if got := get(t, h, in(t, "a"), "v"); got != "1" {
			t.Errorf("within its time: %q", got)
		}
		time.Sleep(40 * time.Second)
		if got := get(t, h, in(t, "a"), "v") + get(t, h, in(t, "b"), "v"); got != "1" || len(h.sessions.byKey) != 1 {
			t.Errorf("one was used and the other was not: %q, %d are kept", got, len(h.sessions.byKey))
		}
	})
}

func TestSessionsAreCountedRightly(t *testing.T) {
	h := newHost(t, Options{Sessions: 20, SessionMemory: int64(task.MostVars)})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range 400 {
				c := in(t, fmt.Sprint((n*7+worker)%40))
				set(t, h, c, fmt.Sprint(n%5), strings.Repeat("x", n*97%60_000))
				get(t, h, c, fmt.Sprint(n%3))
				if n%11 == 0 {
					do(h, c, "var_set", made(t, h, c, fmt.Sprint(n%5)), 0)
				}
				c.held.End()
			}
		})
	}
	wg.Wait()
	var size int64
	for e := h.sessions.recent.Front(); e != nil; e = e.Next() {
		one := e.Value.(*session)
		for name, value := range one.values {
			size += sizeOf(name, value)
		}
	}
	if size != h.sessions.size || len(h.sessions.byKey) > 20 || size > int64(task.MostVars) {
		t.Errorf("%d sessions have %d bytes and are counted as %d", len(h.sessions.byKey), size, h.sessions.size)
	}
}

func TestWhatIsWrongWithOptionsIsToldAtOnce(t *testing.T) {
	_, err := New(Options{Sessions: -1, SessionMemory: 5, SessionIdle: -1})
	for _, want := range []string{"Sessions is -1", "SessionMemory is 5", "SessionIdle is -1ns"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
