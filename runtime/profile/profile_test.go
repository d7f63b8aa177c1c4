package profile_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pprof "github.com/google/pprof/profile"

	"github.com/marketprism/prismrt/runtime/profile"
	"github.com/marketprism/prismrt/runtime/task"
)

var guest = task.Version{Ref: task.Ref{Namespace: "default", Plugin: "up", Version: 1}, Digest: "sha256:01"}

// sample is one of a stack of functions, outermost first, whose addresses are what their
// names come to.
func sample(fuel int64, names ...string) *task.Sample {
	s := &task.Sample{Fuel: fuel}
	var frames []task.Frame
	for i := len(names) - 1; i >= 0; i-- {
		at := uintptr(len(names[i]))
		for _, c := range names[i] {
			at = at*31 + uintptr(c)
		}
		s.Calls = append(s.Calls, at)
		frames = append(frames, task.Frame{Function: uint32(at), Name: names[i], Offset: uint64(at)})
	}
	s.Frames = func() []task.Frame { return frames }
	return s
}

func waiting(d time.Duration, names ...string) *task.Sample {
	s := sample(0, names...)
	s.Waited = d
	frames := append([]task.Frame{{Name: "wasi_snapshot_preview1.poll_oneoff", Host: true}}, s.Frames()...)
	s.Calls = append([]uintptr{1}, s.Calls...)
	s.Frames = func() []task.Frame { return frames }
	return s
}

func take(p *profile.Profiler, window time.Duration) *profile.Profile {
	return p.Take(profile.Query{Ref: guest.Ref, Window: window})
}

func folded(t *testing.T, p, base *profile.Profile, by profile.Weight) string {
	t.Helper()
	var b strings.Builder
	if err := p.WriteFolded(&b, base, by); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAProfileAddsUpWhatWasSampled(t *testing.T) {
	p := profile.New(profile.Options{})
	r := p.Recorder(guest)
	for range 6 {
		r.Sample(sample(100, "main", "parse", "digits"))
	}
	r.Sample(sample(300, "main", "parse"))
	r.Sample(sample(100, "main"))
	r.Sample(waiting(3*time.Millisecond, "main"))
	got := take(p, time.Minute)
	if want := "main 100\nmain;parse 300\nmain;parse;digits 600\n"; folded(t, got, nil, profile.ByFuel) != want {
		t.Errorf("folded: %s", folded(t, got, nil, profile.ByFuel))
	}
	if want := "main;[host] wasi_snapshot_preview1.poll_oneoff 3000\n"; folded(t, got, nil, profile.ByHost) != want {
		t.Errorf("folded by time on the host: %s", folded(t, got, nil, profile.ByHost))
	}
	if got.Total != (profile.Values{Fuel: 1000, Samples: 8, Waited: 3 * time.Millisecond}) {
		t.Errorf("total %+v", got.Total)
	}
	hot := p.Hot(guest.Ref, time.Minute, 2)
	if len(hot) != 2 || hot[0].Name != "digits" || hot[0].FlatShare != 0.6 || hot[1].Name != "parse" || hot[1].FlatShare != 0.3 || hot[1].CumShare != 0.9 {
		t.Errorf("hot %+v", hot)
	}
}

func TestAFunctionThatCallsItselfCountsOnce(t *testing.T) {
	p := profile.New(profile.Options{})
	p.Recorder(guest).Sample(sample(100, "walk", "walk", "walk"))
	if f := take(p, time.Minute).Functions(); len(f) != 1 || f[0].Cum != 100 || f[0].Flat != 100 {
		t.Errorf("%+v", f)
	}
}

func TestAProfileHasTheTimeThatIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := profile.New(profile.Options{})
		r := p.Recorder(guest)
		for range 40 * 60 / 5 { // 40 minutes
			r.Sample(sample(1, "main"))
			time.Sleep(profile.Resolution)
		}
		for window, want := range map[time.Duration]int64{profile.Resolution: 0, time.Minute: 11, 5 * time.Minute: 59, profile.Longest: 179} {
			if got := take(p, window); got.Total.Fuel != want || got.To.Sub(got.From) > window {
				t.Errorf("in the last %v there is %d, from %v to %v; want %d", window, got.Total.Fuel, got.From, got.To, want)
			}
		}
		now, before := take(p, time.Minute), p.Take(profile.Query{Ref: guest.Ref, Window: time.Minute, Ago: time.Minute})
		if before.Total.Fuel != 12 || !before.To.Equal(now.From) {
			t.Errorf("the minute before has %d and ends %v, when the last begins at %v", before.Total.Fuel, before.To, now.From)
		}
		time.Sleep(time.Hour)
		if got := take(p, profile.Longest); len(got.Stacks) != 0 {
			t.Errorf("after an hour there is %+v", got.Stacks)
		}
	})
}

func TestWhatIsBeyondTheBoundsIsCountedAsOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := profile.New(profile.Options{MaxBytes: 1 << 20})
		r := p.Recorder(guest)
		const n = 20_000
		for i := range n {
			r.Sample(sample(1, "main", fmt.Sprint("f", i), strings.Repeat("long", 1000)))
		}
		got := take(p, time.Minute)
		if got.Total.Fuel != n || !strings.Contains(folded(t, got, nil, profile.ByFuel), profile.Other) {
			t.Errorf("%d of %d in %d stacks", got.Total.Fuel, n, len(got.Stacks))
		}
		if len(got.Stacks) < 100 || len(got.Stacks) > 1024 || p.Bytes() > 1<<20 {
			t.Errorf("%d stacks, %d bytes", len(got.Stacks), p.Bytes())
		}
		// Once those are old there is room again.
		time.Sleep(time.Hour)
		r.Sample(sample(1, "new"))
		time.Sleep(profile.Resolution)
		r.Sample(sample(1, "newer"))
		if got := folded(t, take(p, time.Minute), nil, profile.ByFuel); !strings.Contains(got, "newer 1\n") {
			t.Errorf("an hour later:\n%s", got)
		}
	})
}

func TestVersionsThatAreIdleMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := profile.New(profile.Options{MaxBytes: 100_000})
		first := p.Recorder(guest)
		first.Sample(sample(1, "main"))
		time.Sleep(time.Hour)
		for i := range 1000 {
			v := guest
			v.Ref.Version = i + 2
			p.Recorder(v)
			if i%10 == 0 {
				time.Sleep(profile.Resolution)
			}
		}
		if p.Bytes() > 100_000 {
			t.Errorf("%d bytes for versions without samples", p.Bytes())
		}
		time.Sleep(time.Minute)
		first.Sample(sample(5, "main"))
		if got := take(p, time.Minute); got.Total.Fuel != 5 {
			t.Errorf("the first one has %+v", got)
		}
	})
}

func TestWhatIsForgottenGivesUpItsMemory(t *testing.T) {
	p := profile.New(profile.Options{})
	r := p.Recorder(guest)
	other := guest
	other.Ref.Plugin = "other"
	p.Recorder(other).Sample(sample(1, "main"))
	kept := p.Bytes()
	for i := range 1000 {
		r.Sample(sample(1, fmt.Sprint("f", i)))
	}
	p.Forget("default", "up")
	r.Sample(sample(1, "late"))
	if got := take(p, time.Minute); len(got.Stacks) != 0 || got.Digest != "" {
		t.Errorf("a forgotten plugin has %+v", got)
	}
	if p.Bytes() >= kept {
		t.Errorf("%d bytes, before there were %d", p.Bytes(), kept)
	}
	if got := p.Take(profile.Query{Ref: other.Ref, Window: time.Minute}); got.Total.Fuel != 1 {
		t.Errorf("the other has %+v", got)
	}
}

func TestAnotherModuleUnderTheSameNumberBeginsAnew(t *testing.T) {
	p := profile.New(profile.Options{})
	old := p.Recorder(guest)
	old.Sample(sample(1, "old"))
	v := guest
	v.Digest = "sha256:02"
	p.Recorder(v).Sample(sample(1, "new"))
	old.Sample(sample(1, "late"))
	if got := folded(t, take(p, time.Minute), nil, profile.ByFuel); got != "new 1\n" {
		t.Errorf("%s", got)
	}
}

func TestStartsCutsAndUnknownStacksAreTold(t *testing.T) {
	p := profile.New(profile.Options{})
	r := p.Recorder(guest)
	starts, cut := sample(1, "init"), sample(2, "deep")
	starts.Starts, cut.Cut = true, true
	r.Sample(starts)
	r.Sample(cut)
	r.Sample(sample(3, "init"))
	r.Sample(sample(4))
	want := "(cut);deep 2\n(unknown) 4\n[start];init 1\ninit 3\n"
	if got := folded(t, take(p, time.Minute), nil, profile.ByFuel); got != want {
		t.Errorf("%s", got)
	}
}

func TestNamesAreAsPeopleWriteThem(t *testing.T) {
	p := profile.New(profile.Options{})
	p.Recorder(guest).Sample(sample(1, "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "_ZN3foo3barEi", "a;b\nc"))
	if got := folded(t, take(p, time.Minute), nil, profile.ByFuel); got != "core::fmt::Formatter::pad;foo::bar;a:b c 1\n" {
		t.Errorf("%s", got)
	}
}

// shifting are profiles of two versions: parse went from 20 to 60 hundredths.
func shifting(t *testing.T) (now, base *profile.Profile) {
	t.Helper()
	p := profile.New(profile.Options{Lines: func(task.Digest) func(uint64) (string, int) {
		return func(uint64) (string, int) { return "/src/up.c", 7 }
	}})
	second := guest
	second.Ref.Version = 2
	one, two := p.Recorder(guest), p.Recorder(second)
	one.Sample(sample(2000, "main", "parse"))
	one.Sample(sample(8000, "main", "print <&>"))
	two.Sample(sample(600, "main", "parse"))
	two.Sample(sample(400, "main", "print <&>"))
	two.Sample(waiting(time.Second, "main"))
	q := profile.Query{Ref: second.Ref, Window: time.Minute, Lines: true}
	now = p.Take(q)
	q.Ref = guest.Ref
	return now, p.Take(q)
}

func TestADifferenceSaysWhichPartsHaveGrown(t *testing.T) {
	now, base := shifting(t)
	if got, want := folded(t, now, base, profile.ByFuel), "main;parse 2000 600\nmain;print <&> 8000 400\n"; got != want {
		t.Errorf("folded %s", got)
	}
	d := now.Summary(base).Diff
	if d == nil || d.Base.Version != 1 || len(d.Functions) != 4 || math.Abs(math.Abs(d.Functions[0].Points)-40) > 1e-9 || d.Functions[0].Points != -d.Functions[1].Points {
		t.Errorf("%+v", d)
	}
	var b bytes.Buffer
	if err := now.WritePprof(&b, base); err != nil {
		t.Fatal(err)
	}
	parsed, err := pprof.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	sum, byName := int64(0), map[string]int64{}
	for _, s := range parsed.Sample {
		sum += s.Value[0]
		byName[s.Location[0].Line[0].Function.Name] += s.Value[0]
	}
	if sum != 0 || byName["parse"] != 400 || byName["print <&>"] != -400 {
		t.Errorf("the difference has %v", byName)
	}
}

func TestPprofReadsIt(t *testing.T) {
	now, base := shifting(t)
	file := filepath.Join(t.TempDir(), "up.pb.gz")
	for name, tt := range map[string]struct {
		base *profile.Profile
		args []string
		want []string
	}{
		"fuel":       {nil, []string{"-top"}, []string{"up version 2", "Type: fuel", "600", "60.00%", "parse", "print"}},
		"lines":      {nil, []string{"-top", "-lines"}, []string{"/src/up.c:7"}},
		"host":       {nil, []string{"-top", "-sample_index=host"}, []string{"1s", "[host] wasi_snapshot_preview1.poll_oneoff"}},
		"difference": {base, []string{"-top"}, []string{"400", "-400"}},
	} {
		var b bytes.Buffer
		if err := now.WritePprof(&b, tt.base); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"tool", "pprof"}, tt.args...), file)...)
		cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		for _, want := range tt.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: there is no %q in\n%s", name, want, out)
			}
		}
	}
}

func TestAFlameGraphIsXMLThatShowsEveryFunction(t *testing.T) {
	now, base := shifting(t)
	empty := profile.New(profile.Options{}).Take(profile.Query{Ref: guest.Ref, Window: time.Minute})
	for name, tt := range map[string]struct {
		of, base *profile.Profile
		by       profile.Weight
		want     []string
	}{
		"fuel":       {now, nil, profile.ByFuel, []string{"parse: 60.00%, 600 instructions", "print <&>", "main: 100.00%", profile.Note}},
		"host":       {now, nil, profile.ByHost, []string{"[host] wasi_snapshot_preview1.poll_oneoff: 100.00%"}},
		"difference": {now, base, profile.ByFuel, []string{"parse: 60.00%, 600 instructions, +40.00 points", "-40.00 points"}},
		"nothing":    {empty, nil, profile.ByFuel, []string{"nothing was sampled"}},
	} {
		var b bytes.Buffer
		if err := tt.of.WriteSVG(&b, tt.base, tt.by); err != nil {
			t.Fatal(err)
		}
		text := ""
		for d := xml.NewDecoder(&b); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if c, ok := token.(xml.CharData); ok {
				text += string(c) + "\n"
			}
		}
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: there is no %q in\n%s", name, want, text)
			}
		}
	}
}

func TestHammer(t *testing.T) {
	p := profile.New(profile.Options{MaxBytes: 200_000})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := p.Recorder(guest)
			for i := range 3000 {
				r.Sample(sample(1, "main", fmt.Sprint("f", (i*g)%2000)))
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			take(p, time.Minute).Functions()
			p.Hot(guest.Ref, time.Minute, 3)
		}
	})
	wg.Go(func() {
		for range 20 {
			p.Forget("default", "up")
			v := guest
			v.Ref.Plugin = "other"
			p.Recorder(v).Sample(sample(1, "main"))
			p.Forget("default", "other")
		}
	})
	wg.Wait()
	p.Forget("default", "up")
	if p.Bytes() != 0 {
		t.Errorf("%d bytes are left", p.Bytes())
	}
}

// A sample of a stack that was seen before, which is what guests wait for.
func BenchmarkSample(b *testing.B) {
	for _, depth := range []int{3, 28} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			r := profile.New(profile.Options{}).Recorder(guest)
			var names []string
			for i := range depth {
				names = append(names, fmt.Sprint("f", i))
			}
			s := sample(1, names...)
			b.ReportAllocs()
			for b.Loop() {
				r.Sample(s)
			}
		})
	}
}
