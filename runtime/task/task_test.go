package task_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/marketprism/prismrt/runtime/task"
)

func TestDigestIsOfTheContent(t *testing.T) {
	d := task.DigestOf([]byte("abc"))
	// FIPS 180-2, appendix B.1.
	const want = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if d != want {
		t.Errorf("DigestOf(abc) = %s, want %s", d, want)
	}
	if d.Short() != "ba7816bf8f01" {
		t.Errorf("Short() = %s", d.Short())
	}
	for bad, why := range map[task.Digest]string{
		"":                                      "empty",
		"sha256:abc":                            "short",
		task.Digest(d.Hex()):                    "no algorithm",
		task.Digest(strings.ToUpper(string(d))): "upper case",
		"sha256:../" + d[10:]:                   "a path",
	} {
		if bad.Valid() {
			t.Errorf("%s digest %q is called valid", why, bad)
		}
	}
	if !d.Valid() {
		t.Error("a digest of DigestOf is called invalid")
	}
}

func TestSizesReadAndPrintExactly(t *testing.T) {
	for text, want := range map[string]task.Bytes{
		"64MiB": 64 << 20, "1KiB": 1024, "1KB": 1000, "0": 0, "65536": 65536, "2 GiB": 2 << 30, "1536B": 1536,
	} {
		var got task.Bytes
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q reads as %d, %v; want %d", text, got, err, want)
		}
		var back task.Bytes
		if err := back.UnmarshalText([]byte(got.String())); err != nil || back != got {
			t.Errorf("%d prints as %q, which reads as %d, %v", got, got, back, err)
		}
	}
	for _, text := range []string{"", "-1", "lots", "10XB", "99999999999GiB", "18446744073709551615"} {
		var got task.Bytes
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q reads as %d, want an error", text, got)
		}
	}
}

func TestADurationNeedsItsUnit(t *testing.T) {
	var d task.Duration
	if err := d.UnmarshalText([]byte("1m30s")); err != nil || time.Duration(d) != 90*time.Second {
		t.Errorf("1m30s reads as %v, %v", d, err)
	}
	for _, text := range []string{"30", "0", "-1", "1.5", "", "soon", "1 s"} {
		if err := d.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "unit") {
			t.Errorf("%q: error %v, want one that asks for a unit", text, err)
		}
	}
}

func TestFaultOfTellsFaultsApart(t *testing.T) {
	guest := task.Faultf(task.KindGuest, "no price")
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()

	for name, tt := range map[string]struct {
		err  error
		want task.Kind
	}{
		"a fault":               {guest, task.KindGuest},
		"a wrapped fault":       {fmt.Errorf("invoke: %w", guest), task.KindGuest},
		"a passed deadline":     {ctx.Err(), task.KindDeadline},
		"a caller that left":    {fmt.Errorf("wait: %w", context.Canceled), task.KindCanceled},
		"an error of any other": {errors.New("disk on fire"), task.KindInternal},
	} {
		f := task.FaultOf(tt.err)
		if f.Kind != tt.want {
			t.Errorf("%s is %q, want %q", name, f.Kind, tt.want)
		}
		if tt.want != task.KindGuest && !errors.Is(f, tt.err) {
			t.Errorf("%s: the cause was lost", name)
		}
	}
	if task.FaultOf(nil) != nil {
		t.Error("FaultOf(nil) is a fault")
	}
	if m := task.FaultOf(errors.New("password=1234")).Message; strings.Contains(m, "1234") {
		t.Errorf("an internal cause reached the caller: %q", m)
	}
}

func TestIdsSortInTheOrderTheyWereMade(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[task.ID]bool)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			ids := make([]task.ID, 20_000)
			for n := range ids {
				ids[n] = task.NewID()
			}
			if !slices.IsSorted(ids) {
				t.Error("ids that one goroutine made are not in order")
			}
			mu.Lock()
			defer mu.Unlock()
			for _, id := range ids {
				seen[id] = true
			}
		})
	}
	before := time.Now()
	wg.Wait()
	if len(seen) != 160_000 {
		t.Errorf("%d ids are different, want 160000", len(seen))
	}
	id, err := ulid.ParseStrict(string(task.NewID()))
	if err != nil {
		t.Fatal(err)
	}
	if off := id.Timestamp().Sub(before); off < -time.Millisecond || off > time.Minute {
		t.Errorf("an id is of %v, made at %v", id.Timestamp(), before)
	}
}

func BenchmarkNewID(b *testing.B) {
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			task.NewID()
		}
	})
}

func TestIDsFollowOneThatWasMadeByALaterClock(t *testing.T) {
	later := ulid.MustNew(ulid.Timestamp(time.Now().Add(time.Hour)), ulid.DefaultEntropy())
	task.IDsAfter("no id")
	task.IDsAfter(task.ID(later.String()))
	if id := task.NewID(); id <= task.ID(later.String()) {
		t.Errorf("%s came after %v", id, later)
	}
}
