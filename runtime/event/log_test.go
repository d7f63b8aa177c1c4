package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/marketprism/prismrt/runtime/event"
	"github.com/marketprism/prismrt/runtime/task"
)

func publish(l *event.Log, n int) {
	for range n {
		l.Publish(event.Event{Type: event.CallFailed, Message: "it trapped"})
	}
}

// drain takes what there is without waiting.
func drain(r *event.Reader) (numbers []uint64, missed int64) {
	for {
		e, ok := r.Take()
		switch {
		case !ok:
			return numbers, missed
		case e.Type == event.Gap:
			missed += e.Count
		default:
			numbers = append(numbers, e.ID.N)
		}
	}
}

func TestAReaderGetsWhatIsKeptAndThenWhatComes(t *testing.T) {
	l := event.New(event.Options{})
	publish(l, 100)
	r := l.Follow(event.ID{}, event.Filter{})
	if got, missed := drain(r); len(got) != 100 || got[0] != 1 || got[99] != 100 || missed != 0 {
		t.Errorf("got %v and %d missed", got, missed)
	}
	after := r.Seen()
	publish(l, 3)
	if got, _ := drain(r); fmt.Sprint(got) != "[101 102 103]" {
		t.Errorf("then got %v", got)
	}
	if got, _ := drain(l.Follow(after, event.Filter{})); fmt.Sprint(got) != "[101 102 103]" {
		t.Errorf("one that goes on got %v", got)
	}
	if got, missed := drain(l.Follow(l.Last(), event.Filter{})); len(got) != 0 || missed != 0 {
		t.Errorf("one that begins with what comes got %v and %d missed", got, missed)
	}
	if got, missed := drain(l.Follow(event.ID{Life: after.Life, N: 1 << 60}, event.Filter{})); len(got) != 0 || missed != 0 {
		t.Errorf("one after an id that was never given got %v and %d missed", got, missed)
	}
}

func TestAReaderThatIsTooSlowIsToldHowManyItMissed(t *testing.T) {
	l := event.New(event.Options{Events: 10})
	r := l.Follow(event.ID{}, event.Filter{Types: []event.Type{event.VersionLive}})
	publish(l, 25)
	e, ok := r.Take()
	if !ok || e.Type != event.Gap || e.Count != 15 || e.ID.N != 15 || e.Data != nil {
		t.Fatalf("got %+v, want a gap of 15", e)
	}
	if e, ok := r.Take(); ok {
		t.Errorf("got %+v, which is not what it asked for", e)
	}
	if seen := r.Seen(); seen.N != 25 {
		t.Errorf("it has seen %v", seen)
	}
	// Who goes on from the gap gets what follows it.
	if got, missed := drain(l.Follow(e.ID, event.Filter{})); len(got) != 10 || got[0] != 16 || missed != 0 {
		t.Errorf("after the gap: %v and %d missed", got, missed)
	}
	// Who never saw any has nothing to miss.
	if got, missed := drain(l.Follow(event.ID{}, event.Filter{})); len(got) != 10 || missed != 0 {
		t.Errorf("from the oldest: %v and %d missed", got, missed)
	}
}

func TestAnIDOfALifeBeforeIsFollowedByAGap(t *testing.T) {
	before := event.New(event.Options{})
	publish(before, 7)
	l := event.New(event.Options{Events: 4})
	for _, more := range []int{0, 3, 3} {
		publish(l, more)
		all := int64(l.Last().N)
		kept := min(all, 4)
		r := l.Follow(before.Last(), event.Filter{})
		e, ok := r.Take()
		if !ok || e.Type != event.Gap || e.Count != all-kept || string(e.Data) != `{"restarted":true}` {
			t.Fatalf("of %d events: got %+v, want a gap of %d that tells of the restart", all, e, all-kept)
		}
		if got, again := drain(r); int64(len(got)) != kept || again != 0 {
			t.Errorf("after the gap got %v and %d missed", got, again)
		}
		if got, _ := drain(l.Follow(e.ID, event.Filter{})); int64(len(got)) != kept {
			t.Errorf("who goes on from the gap got %v", got)
		}
	}
}

func TestALogIsBoundedByBytes(t *testing.T) {
	l := event.New(event.Options{Bytes: 64 << 10})
	for range 1000 {
		l.Publish(event.Event{Type: event.CallFailed, Message: strings.Repeat("é", 5000), Data: event.Data(strings.Repeat("x", 3000))})
	}
	r := l.Follow(event.ID{}, event.Filter{})
	bytes, n := 0, 0
	for e, ok := r.Take(); ok; e, ok = r.Take() {
		bytes += len(e.Message) + len(e.Data)
		n++
		if len(e.Message) > 1000 || !strings.HasSuffix(e.Message, "é...") {
			t.Fatalf("a message of %d bytes: %q", len(e.Message), e.Message)
		}
	}
	if bytes > 64<<10 || n < 10 {
		t.Errorf("%d events of %d bytes are kept, want as many as fit 64 KiB", n, bytes)
	}
	l.Publish(event.Event{Type: event.CallFailed, Data: event.Data(strings.Repeat("x", 1<<20))})
	if e, ok := r.Take(); !ok || e.Data != nil {
		t.Errorf("data of a megabyte came as %d bytes", len(e.Data))
	}
}

func TestFilters(t *testing.T) {
	l := event.New(event.Options{})
	of := func(typ event.Type, plugin string, version int) {
		e := event.Event{Type: typ}
		if plugin != "" {
			e.Ref = task.Ref{Namespace: "default", Plugin: plugin, Version: version}
		}
		l.Publish(e)
	}
	of(event.ServerReady, "", 0)    // 1
	of(event.VersionLive, "a", 1)   // 2
	of(event.VersionFenced, "a", 2) // 3
	of(event.PluginDeleted, "b", 0) // 4
	of(event.CallFailed, "a", 2)    // 5
	l.Publish(event.Event{Type: event.CallFailed, Ref: task.Ref{Namespace: "other", Plugin: "a", Version: 2}})
	for want, f := range map[string]event.Filter{
		"[1 2 3 4 5 6]": {},
		"[2]":           {Types: []event.Type{event.VersionLive}},
		"[2 3]":         {Types: []event.Type{"version"}},
		"[1 4]":         {Types: []event.Type{"server", event.PluginDeleted}},
		"[2 3 5 6]":     {Plugin: "a"},
		"[3 5 6]":       {Plugin: "a", Version: 2},
		"[1 2 3 4 5]":   {Namespace: "default"},
		"[5]":           {Namespace: "default", Plugin: "a", Version: 2, Types: []event.Type{"call"}},
		"[]":            {Types: []event.Type{"ver"}},
	} {
		if got, _ := drain(l.Follow(event.ID{}, f)); fmt.Sprint(got) != want {
			t.Errorf("%+v: %v, want %s", f, got, want)
		}
	}
	for typ, known := range map[event.Type]bool{"call.failed": true, "version": true, "ver": false, "": false, "version.": false, "gap": false} {
		if typ.Known() != known {
			t.Errorf("%q is known: %v", typ, typ.Known())
		}
	}
}

func TestNextWaitsForAnEventAndGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := event.New(event.Options{})
		got := make(chan error, 5)
		follow := func(ctx context.Context) {
			_, err := l.Follow(event.ID{}, event.Filter{}).Next(ctx)
			got <- err
		}
		reason := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		for range 2 {
			go follow(ctx)
		}
		for range 2 {
			go follow(t.Context())
		}
		synctest.Wait()
		if len(got) != 0 {
			t.Fatalf("one did not wait: %v", <-got)
		}
		cancel(reason)
		for range 2 {
			if err := <-got; !errors.Is(err, reason) {
				t.Errorf("one that was given up: %v", err)
			}
		}
		synctest.Wait()
		publish(l, 1)
		for range 2 {
			if err := <-got; err != nil {
				t.Errorf("one that waited: %v", err)
			}
		}
		l.Close()
		l.Close()
		publish(l, 1)
		r := l.Follow(event.ID{}, event.Filter{})
		if e, err := r.Next(t.Context()); err != nil || e.ID.N != 1 {
			t.Errorf("a closed log: %+v, %v", e, err)
		}
		if _, err := r.Next(t.Context()); !errors.Is(err, event.ErrClosed) {
			t.Errorf("at the end of a closed log: %v", err)
		}
	})
}

// Whatever the pattern of publishing, reading, waiting, giving up and going on from
// elsewhere is, a reader sees each number once and in order, but for those that gaps say.
func TestEachEventIsSeenOnceOrMissedInAGap(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		l := event.New(event.Options{Events: 1 + random.IntN(40), Bytes: 1 << (10 + random.IntN(6))})
		const published = 2000
		var readers sync.WaitGroup
		for n := range uint64(6) {
			readers.Go(func() {
				random := rand.New(rand.NewPCG(seed, n+2))
				r := l.Follow(event.ID{Life: l.Last().Life}, event.Filter{})
				next := uint64(1)
				for {
					if random.IntN(10) == 0 {
						time.Sleep(time.Duration(random.IntN(100)) * time.Microsecond)
					}
					if random.IntN(10) == 0 {
						r = l.Follow(r.Seen(), event.Filter{})
					}
					ctx, cancel := context.WithCancel(context.Background())
					if random.IntN(3) == 0 {
						go cancel()
					}
					e, err := r.Next(ctx)
					cancel()
					switch {
					case errors.Is(err, event.ErrClosed):
						if next != published+1 {
							t.Errorf("seed %d: the last number was %d", seed, next-1)
						}
						return
					case err != nil:
						continue
					case e.Type == event.Gap:
						next += uint64(e.Count)
						if e.Count <= 0 || e.ID.N != next-1 {
							t.Errorf("seed %d: %+v leads to %d", seed, e, next)
							return
						}
					case e.ID.N != next || e.Message != fmt.Sprint(next):
						t.Errorf("seed %d: number %d came where %d was due", seed, e.ID.N, next)
						return
					default:
						next++
					}
				}
			})
		}
		for n := range published {
			l.Publish(event.Event{Type: event.VersionLive, Message: fmt.Sprint(n + 1)})
			if random.IntN(50) == 0 {
				time.Sleep(time.Duration(random.IntN(200)) * time.Microsecond)
			}
		}
		l.Close()
		readers.Wait()
	}
}

func TestEventsOfManyPublishersHaveNumbersAndTimesInOrder(t *testing.T) {
	l := event.New(event.Options{Events: 20_000, Bytes: 1 << 30})
	var publishers, readers sync.WaitGroup
	for range 8 {
		publishers.Go(func() { publish(l, 2000) })
	}
	for range 8 {
		readers.Go(func() {
			r, before := l.Follow(event.ID{}, event.Filter{}), event.Event{}
			for n := range 16_000 {
				e, err := r.Next(t.Context())
				if err != nil || e.ID.N != uint64(n+1) || e.Time.Before(before.Time) {
					t.Errorf("%+v came after %+v: %v", e, before, err)
					return
				}
				before = e
			}
		})
	}
	publishers.Wait()
	readers.Wait()
}

func TestAnEventIsOneLineOfJSON(t *testing.T) {
	l := event.New(event.Options{})
	l.Publish(event.Event{
		Time: time.Date(2026, 11, 25, 9, 0, 0, 5e6, time.UTC), Type: event.CallFailed, Ref: task.Ref{Namespace: "default", Plugin: "p", Version: 2},
		Kind: task.KindTrap, RequestID: "01A", Count: 3, Message: "two\nlines", Data: json.RawMessage("{\n\"a\": 1}"),
	})
	e, _ := l.Follow(event.ID{}, event.Filter{}).Take()
	b, err := json.Marshal(e)
	want := fmt.Sprintf(`{"id":"%v-1","time":"2026-11-25T09:00:00.005Z","type":"call.failed","namespace":"default","plugin":"p","version":2,`+
		`"kind":"trap","request_id":"01A","count":3,"message":"two\nlines","data":{"a":1}}`, l.Last().Life)
	if err != nil || string(b) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, b, want)
	}
}

func TestIDsAreReadBack(t *testing.T) {
	id := event.New(event.Options{}).Last()
	for _, n := range []uint64{0, 1, 1<<64 - 1} {
		id.N = n
		if got, err := event.ParseID(id.String()); err != nil || got != id {
			t.Errorf("%v became %v, %v", id, got, err)
		}
	}
	life := string(id.Life)
	for _, bad := range []string{
		"", "-", "7", life, life + "-", life + "--1", life + "-+1", life + "-01", life + "-1 ", life + "-1-1", "x" + life[1:] + "-1",
		strings.ToLower(life) + "-1", life + "-18446744073709551616", "8" + life[1:] + "-1", strings.Repeat("9", 1<<16),
	} {
		_, err := event.ParseID(bad)
		f := task.FaultOf(err)
		if f == nil || f.Kind != task.KindInvalid || len(f.Message) > 300 {
			t.Errorf("%.100q is read: %v", bad, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("01KAXV8Q2M5Z0R3T7Y9W4N6C1E-17")
	f.Add("01KAXV8Q2M5Z0R3T7Y9W4N6C1E-18446744073709551615")
	f.Add("-")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := event.ParseID(text)
		if err == nil && id.String() != text {
			t.Errorf("%q is read as %v", text, id)
		}
		if err != nil && id != (event.ID{}) {
			t.Errorf("%q: %v and %v", text, id, err)
		}
	})
}
