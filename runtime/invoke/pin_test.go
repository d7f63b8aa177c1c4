package invoke_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/health"
	"github.com/marketprism/prismrt/runtime/invoke"
	"github.com/marketprism/prismrt/runtime/task"
)

// shelf has the versions of the plugin "count" that an invoker can find.
type shelf struct {
	mu       sync.Mutex
	versions map[int]task.Version
	modules  map[int][]byte
	asked    map[int]int
	wait     chan struct{} // nil: nobody does
}

// newShelf has versions 1 to n, of which the first answers "a", the second "b".
func newShelf(n int) *shelf {
	s := &shelf{versions: map[int]task.Version{}, modules: map[int][]byte{}, asked: map[int]int{}}
	for number := 1; number <= n; number++ {
		s.put(number, byte('a'+number-1))
	}
	return s
}

func (s *shelf) put(number int, first byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.modules[number] = counting(first)
	s.versions[number] = version(number, s.modules[number])
}

func (s *shelf) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.versions)
}

func (s *shelf) find(ref task.Ref) (task.Version, []byte, error) {
	s.mu.Lock()
	s.asked[ref.Version]++
	v, ok := s.versions[ref.Version]
	module, wait := s.modules[ref.Version], s.wait
	s.mu.Unlock()
	if wait != nil {
		<-wait
	}
	if !ok || ref.Plugin != "count" {
		return task.Version{}, nil, task.Faultf(task.KindNotFound, "there is no version %d", ref.Version)
	}
	return v, module, nil
}

func (s *shelf) times(number int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[number]
}

// live loads a version of the shelf and routes to it.
func (s *shelf) live(t testing.TB, i *invoke.Invoker, number int) {
	t.Helper()
	s.mu.Lock()
	v, module := s.versions[number], s.modules[number]
	s.mu.Unlock()
	if err := i.Load(t.Context(), v, module); err != nil {
		t.Error(err)
		return
	}
	i.Route(v.Ref)
}

func newPinning(t testing.TB, s *shelf, change ...func(*invoke.Options)) *invoke.Invoker {
	i, _ := newInvokerOf(t, nil, append(change, func(o *invoke.Options) { o.Versions = s.find })...)
	return i
}

// pinned makes a call that asks for a version and returns "version output", or the kind of
// its fault.
func pinned(ctx context.Context, i *invoke.Invoker, number int) string {
	result, err := call(ctx, i, task.Invocation{Version: number})
	if err != nil {
		return string(task.FaultOf(err).Kind)
	}
	return fmt.Sprintf("%d %s", result.Ref.Version, result.Output)
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for begun := time.Now(); !holds(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("after a minute it is not so that %s", what)
		}
	}
}

// loaded are the versions that are loaded, sorted.
func loaded(i *invoke.Invoker) (numbers []int) {
	for _, p := range i.Pools() {
		numbers = append(numbers, p.Ref.Version)
	}
	slices.Sort(numbers)
	return numbers
}

func TestACallIsRunByTheVersionItAsksFor(t *testing.T) {
	s := newShelf(3)
	i := newPinning(t, s)
	if got := pinned(t.Context(), i, 3); got != "3 c" { // without a live version
		t.Errorf("version 3 answers %q", got)
	}
	s.live(t, i, 1)
	for range 3 {
		for number, want := range map[int]string{0: "1 a", 1: "1 a", 2: "2 b", 3: "3 c"} {
			if got := pinned(t.Context(), i, number); got != want {
				t.Errorf("version %d: %q, want %q", number, got, want)
			}
			n := 0
			err := i.Series(t.Context(), task.Invocation{Namespace: "default", Plugin: "count", Version: number}, func(*task.Invocation) bool {
				n++
				return n <= 5
			}, func(result *task.Result, err error) {
				if got := fmt.Sprintf("%d %s", result.Ref.Version, result.Output); got != want || err != nil {
					t.Errorf("version %d in a series: %q, %v; want %q", number, got, err, want)
				}
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	if s.times(1) != 0 || s.times(2) != 1 || s.times(3) != 1 {
		t.Errorf("asked for %v: want once for each that was not live", s.asked)
	}
}

func TestACanaryIsAskedForAsItIsLoaded(t *testing.T) {
	s := newShelf(2)
	i := newPinning(t, s)
	s.live(t, i, 1)
	if err := i.Load(t.Context(), s.versions[2], s.modules[2]); err != nil {
		t.Fatal(err)
	}
	i.Share(s.versions[1].Ref, s.versions[2].Ref, 0.5)
	for range 10 {
		if got := pinned(t.Context(), i, 1) + pinned(t.Context(), i, 2); got != "1 a2 b" {
			t.Errorf("both answer %q", got)
		}
	}
	if len(s.asked) != 0 {
		t.Errorf("asked for %v", s.asked)
	}
	live, canary, _ := i.Samples("default", "count")
	if live.Calls+canary.Calls != 0 {
		t.Errorf("calls that were not dealt out were counted: %d and %d", live.Calls, canary.Calls)
	}
}

func TestAVersionThatDoesNotExistIsNotFound(t *testing.T) {
	s := newShelf(1)
	i := newPinning(t, s)
	for range 2 {
		if got := pinned(t.Context(), i, 2); got != "not_found" {
			t.Errorf("got %q", got)
		}
	}
	if s.put(2, 'b'); pinned(t.Context(), i, 2) != "2 b" {
		t.Error("a version that was added is not found")
	}
	none, _ := newInvoker(t)
	if got := pinned(t.Context(), none, 1); got != "not_found" {
		t.Errorf("where none can be found, got %q", got)
	}
}

// What is loaded for an upload, which may yet fail, is no version yet.
func TestAnUploadUnderWayIsNotFound(t *testing.T) {
	s := newShelf(1)
	i := newPinning(t, s)
	module := counting('x')
	v := version(2, module)
	if err := i.Load(t.Context(), v, module); err != nil {
		t.Fatal(err)
	}
	if got := pinned(t.Context(), i, 2); got != "not_found" {
		t.Errorf("before it is stored: %q", got)
	}
	s.put(2, 'x')
	if got := pinned(t.Context(), i, 2); got != "2 x" {
		t.Errorf("once it is stored: %q", got)
	}
	i.Unload(v.Ref)
	if got := pinned(t.Context(), i, 2); got != "2 x" || !slices.Equal(loaded(i), []int{2}) {
		t.Errorf("once it was unloaded: %q, loaded are %v", got, loaded(i))
	}
}

func TestFirstCallsAtTheSameTimeLoadOnce(t *testing.T) {
	s := newShelf(2)
	i := newPinning(t, s)
	s.wait = make(chan struct{})
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			if got, want := pinned(t.Context(), i, 1+n%2), []string{"1 a", "2 b"}[n%2]; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	until(t, "both are asked for", func() bool { return s.times(1)+s.times(2) == 2 })
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if got := pinned(given, i, 1); got != "canceled" {
		t.Errorf("who gave up while it was loaded got %q", got)
	}
	close(s.wait)
	wg.Wait()
	if s.times(1) != 1 || s.times(2) != 1 {
		t.Errorf("asked for %v", s.asked)
	}
}

// The catalogue makes a version live that is being loaded because calls ask for it.
func TestAnUploadWaitsForWhatIsBeingLoaded(t *testing.T) {
	s := newShelf(1)
	i := newPinning(t, s)
	s.wait = make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if got := pinned(t.Context(), i, 1); got != "1 a" {
			t.Errorf("got %q", got)
		}
	})
	until(t, "it is asked for", func() bool { return s.times(1) == 1 })
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.Load(given, s.versions[1], s.modules[1]); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up got %v", err)
	}
	wg.Go(func() { s.live(t, i, 1) })
	close(s.wait)
	wg.Wait()
	if got := pinned(t.Context(), i, 0); got != "1 a" || len(i.Pools()) != 1 || i.Pools()[0].Births > 2 {
		t.Errorf("got %q of %+v", got, i.Pools())
	}
}

func TestWhatIsNotAskedForIsUnloadedAndLoadedAgain(t *testing.T) {
	s := newShelf(2)
	i := newPinning(t, s, func(o *invoke.Options) { o.Pool.Idle = 30 * time.Millisecond })
	s.live(t, i, 2)
	for round := 1; round <= 3; round++ {
		for n := range 2 {
			if got := pinned(t.Context(), i, 1+n); got != []string{"1 a", "2 b"}[n] {
				t.Errorf("got %q", got)
			}
		}
		until(t, "version 1 is unloaded", func() bool { return slices.Equal(loaded(i), []int{2}) })
		if s.times(1) != round {
			t.Errorf("asked for it %d times, want %d", s.times(1), round)
		}
	}
	if s.times(2) != 0 {
		t.Error("the live version was unloaded")
	}
}

func TestWhatIsInUseIsNotUnloaded(t *testing.T) {
	s := newShelf(1)
	i := newPinning(t, s, func(o *invoke.Options) { o.Pool.Idle = 5 * time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { call(ctx, i, task.Invocation{Version: 1, Function: "spin"}) })
	until(t, "it runs", func() bool { return len(i.Pools()) == 1 && i.Pools()[0].Lent == 1 })
	for range 20 {
		time.Sleep(5 * time.Millisecond)
		if got := loaded(i); !slices.Equal(got, []int{1}) {
			t.Fatalf("loaded are %v", got)
		}
	}
	cancel()
	wg.Wait()
	until(t, "it is unloaded", func() bool { return len(i.Pools()) == 0 })
}

func TestTheOneAskedForLongestAgoMakesRoom(t *testing.T) {
	s := newShelf(5)
	i := newPinning(t, s, func(o *invoke.Options) { o.Pinned = 2 })
	s.live(t, i, 5)
	for _, tt := range []struct {
		ask    int
		loaded []int
	}{{1, []int{1, 5}}, {2, []int{1, 2, 5}}, {1, []int{1, 2, 5}}, {3, []int{1, 3, 5}}, {4, []int{3, 4, 5}}, {3, []int{3, 4, 5}}} {
		pinned(t.Context(), i, tt.ask)
		if got := loaded(i); !slices.Equal(got, tt.loaded) {
			t.Errorf("after %d was asked for, loaded are %v, want %v", tt.ask, got, tt.loaded)
		}
	}
}

// A version that is replaced while calls ask for it is not loaded anew for them.
func TestAVersionThatIsReplacedGoesOnForThoseWhoAskForIt(t *testing.T) {
	s := newShelf(8)
	i := newPinning(t, s)
	s.live(t, i, 1)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var calls atomic.Int64
	for n := range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				number := n % 2 // half of them go where calls go
				got := pinned(t.Context(), i, number)
				if v := int(got[0] - '0'); got != fmt.Sprintf("%d %c", v, 'a'+v-1) || number != 0 && v != number {
					t.Errorf("version %d answers %q", number, got)
				}
				calls.Add(1)
			}
		})
	}
	for number := 2; number <= 8; number++ {
		before := calls.Load()
		s.live(t, i, number)
		until(t, "calls go on", func() bool { return calls.Load() > before+20 })
	}
	stop()
	wg.Wait()
	if len(s.asked) > 0 || !slices.Equal(loaded(i), []int{1, 8}) {
		t.Errorf("asked for %v, loaded are %v", s.asked, loaded(i))
	}
}

// Versions that are loaded, made live, replaced, asked for, too old and too many, all at
// the same time.
func TestNoCallFindsAnotherVersionThanItAskedFor(t *testing.T) {
	const versions = 4
	s := newShelf(versions)
	i := newPinning(t, s, func(o *invoke.Options) { o.Pool.Idle, o.Pinned = 2*time.Millisecond, 1 })
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	var wg sync.WaitGroup
	var calls atomic.Int64
	for n := range 4 {
		wg.Go(func() {
			for ; ctx.Err() == nil; n++ {
				number := 1 + n%versions
				if got, want := pinned(t.Context(), i, number), fmt.Sprintf("%d %c", number, 'a'+number-1); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				calls.Add(1)
			}
		})
	}
	for number := 1; ctx.Err() == nil; number++ {
		s.live(t, i, 1+number%versions)
	}
	wg.Wait()
	t.Logf("%d calls, loaded %v", calls.Load(), s.asked)
	until(t, "all but the live one are unloaded", func() bool { return len(i.Pools()) == 1 })
}

// A plugin that was deleted and is there again has versions with the same numbers.
func TestNoCallFindsAVersionThatWasDeleted(t *testing.T) {
	s := newShelf(0)
	i := newPinning(t, s)
	var generation atomic.Int64 // uploaded by then
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var found atomic.Int64
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				before := generation.Load()
				got := pinned(t.Context(), i, 1)
				after := generation.Load()
				switch first, ok := strings.CutPrefix(got, "1 "); {
				case !ok && got != "not_found":
					t.Errorf("got %q", got)
				case ok:
					found.Add(1)
					if g := int64(first[0] - 'A'); g < before || g > after {
						t.Errorf("generation %d answers where %d to %d were", g, before, after)
					}
				}
			}
		})
	}
	for g := range 20 {
		generation.Store(int64(g)) // none of an older one may answer from now on
		s.put(1, byte('A'+g))
		if g%2 == 0 {
			s.live(t, i, 1)
		}
		had := found.Load()
		if g%3 != 0 { // or it is deleted while it is being loaded
			until(t, "it is found", func() bool { return found.Load() > had+5 })
		}
		s.clear()
		i.Unroute("default", "count")
	}
	stop()
	wg.Wait()
	until(t, "nothing is loaded", func() bool { return len(i.Pools()) == 0 })
	if got := pinned(t.Context(), i, 1); got != "not_found" {
		t.Errorf("got %q", got)
	}
}

func TestAPluginThatIsDeletedTakesAlongWhatIsBeingLoaded(t *testing.T) {
	for name, put := range map[string]bool{"1 b": true, "not_found": false} {
		s := newShelf(1)
		i := newPinning(t, s)
		wait := make(chan struct{})
		s.wait = wait
		got := make(chan string)
		go func() { got <- pinned(t.Context(), i, 1) }()
		until(t, "it is asked for", func() bool { return s.times(1) == 1 })
		s.clear()
		i.Unroute("default", "count")
		s.mu.Lock()
		s.wait = nil
		s.mu.Unlock()
		if put {
			s.put(1, 'b')
		}
		close(wait)
		if got := <-got; got != name {
			t.Errorf("got %q, want %q", got, name)
		}
	}
}

func TestAVersionThatCannotBeLoadedIsNotTriedByEachCall(t *testing.T) {
	s := newShelf(1)
	i := newPinning(t, s)
	s.modules[1] = []byte("\x00asm\x01\x00\x00\x00 no module")
	begun := time.Now()
	for range 200 {
		_, err := call(t.Context(), i, task.Invocation{Version: 1})
		if f := task.FaultOf(err); err == nil || f.Kind != task.KindUnavailable || !strings.HasPrefix(f.Message, "version 1 of count cannot be loaded: ") {
			t.Fatalf("got %v", err)
		}
	}
	if n := s.times(1); n > 1+int(time.Since(begun)/time.Second) {
		t.Errorf("%d tries in %v", n, time.Since(begun))
	}
	s.put(1, 'a')
	s.live(t, i, 1) // whoever makes it live tries at once
	if got := pinned(t.Context(), i, 1); got != "1 a" {
		t.Errorf("got %q", got)
	}
}

func TestTheTimeoutBeginsOnceTheVersionIsLoaded(t *testing.T) {
	s := newShelf(1)
	i := newPinning(t, s)
	s.wait = make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		result, err := call(t.Context(), i, task.Invocation{Version: 1, Timeout: 200 * time.Millisecond})
		if string(result.Output) != "a" || err != nil {
			t.Errorf("got %q, %v", result.Output, err)
		}
	})
	until(t, "it is asked for", func() bool { return s.times(1) == 1 })
	time.Sleep(300 * time.Millisecond)
	close(s.wait)
	wg.Wait()
}

// A fence is a version's own. What is asked for by its number has no other to go to, though
// the manifest has failover.
func TestAVersionThatIsAskedForIsFencedAlone(t *testing.T) {
	w := newWatched(t, health.Options{Open: time.Hour})
	w.Route(w.load(1, 'x', task.Health{Failover: true}))
	w.Route(w.load(2, 'x', task.Health{Failover: true}))
	trap := func(number int) string {
		result, err := call(t.Context(), w.Invoker, task.Invocation{Input: []byte("x"), Version: number})
		return cmp.Or(string(result.Output), string(task.FaultOf(err).Kind))
	}
	for got := ""; got != "unavailable"; {
		if got = trap(2); got != "trap" && got != "unavailable" {
			t.Fatalf("got %q", got)
		}
	}
	<-w.fenced
	if got := trap(2); got != "unavailable" {
		t.Errorf("asked for, the fenced version answers %q", got)
	}
	w.Route(w.load(3, 'x', task.Health{})) // took over
	if got := trap(2); got != "unavailable" {
		t.Errorf("asked for, the fenced version answers %q", got)
	}
	if got := w.answer(""); got != "3" {
		t.Errorf("the version that took over answers %q", got)
	}
}
