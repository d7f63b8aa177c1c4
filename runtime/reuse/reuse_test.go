package reuse_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/reuse"
)

func newPool() *reuse.Pool[[]byte] {
	return reuse.New("test", 1000, func() []byte { return nil })
}

func TestTakenAndMadeValuesAreCounted(t *testing.T) {
	p := newPool()
	for range 6400 {
		it := p.Get()
		it.Value = append(it.Value[:0], 1, 2, 3)
		p.Put(it, cap(it.Value))
	}
	s := p.Stats()
	// Under the race detector a sync.Pool forgets some on purpose.
	if s.Misses < 1 || s.Misses > 6400 || s.Gets < s.Misses || s.Gets > 6400 || s.Name != "test" {
		t.Errorf("%+v", s)
	}
	if !raceEnabled && (s.Gets < 6400-64*s.Misses || s.Misses > 100) {
		t.Errorf("%+v after 6400 uses one after the other", s)
	}
}

func TestWhatIsTooLargeIsDroppedAndItsBytesGoWithIt(t *testing.T) {
	p := newPool()
	func() {
		it := p.Get()
		it.Value = make([]byte, 0, 2000)
		p.Put(it, cap(it.Value))
	}()
	if s := p.Stats(); s.Dropped != 1 || s.Gets != 1 {
		t.Errorf("%+v", s)
	}
	for deadline := time.Now().Add(10 * time.Second); p.Stats().Bytes != 0 || p.Stats().Alive != 0; {
		if runtime.GC(); time.Now().After(deadline) {
			t.Fatalf("collected, and still counted: %+v", p.Stats())
		}
	}
	it := p.Get()
	it.Value = make([]byte, 0, 500)
	p.Put(it, cap(it.Value))
	if s := p.Stats(); s.Bytes != 500 || s.Alive != 1 {
		t.Errorf("%+v, want one of 500 bytes", s)
	}
	runtime.KeepAlive(it)
}

func TestPoolHammer(t *testing.T) {
	p := newPool()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 1000 {
				it := p.Get()
				it.Value = append(it.Value[:0], make([]byte, n*2)...)
				p.Put(it, cap(it.Value))
				p.Stats()
			}
		})
	}
	wg.Wait()
	if s := p.Stats(); s.Dropped == 0 || s.Gets > 8000 || s.Alive < 0 || s.Bytes < 0 {
		t.Errorf("%+v", s)
	}
}

// What counting costs: the same with a sync.Pool alone.
func BenchmarkGetPut(b *testing.B) {
	type buffer struct{ in, out []byte }
	b.Run("counted", func(b *testing.B) {
		p := reuse.New("bench", 1000, func() buffer { return buffer{} })
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				it := p.Get()
				p.Put(it, cap(it.Value.in)+cap(it.Value.out))
			}
		})
	})
	b.Run("plain", func(b *testing.B) {
		p := sync.Pool{New: func() any { return new(buffer) }}
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				it := p.Get().(*buffer)
				if cap(it.in) <= 1000 && cap(it.out) <= 1000 {
					p.Put(it)
				}
			}
		})
	})
}
