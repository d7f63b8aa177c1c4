package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestWhatInstancesTakeIsCountedUntilTheyEnd(t *testing.T) {
	e := newEngine(t, engine.Options{})
	p := compile(t, e, task.ABICommand, guest(t, task.ABICommand))
	if s := p.Stats(); s.CodeBytes < 1<<20 || s.ImageBytes != 0 || s.Instances != 0 {
		t.Errorf("before the first instance: %+v", s)
	}
	var all []*engine.Instance
	for range 3 {
		i, err := p.Instantiate(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, i)
	}
	born := p.Stats()
	if born.Instances != 3 || born.PrivateBytes != 0 || born.ImageBytes == 0 || born.ImageBytes != int64(p.OwnBytes()) || born.ReservedBytes == 0 || born.ReservedBytes%3 != 0 {
		t.Errorf("three were born: %+v, the image has %d bytes", born, p.OwnBytes())
	}
	var private int64
	for _, i := range all {
		if _, _, err := i.Run(t.Context(), task.Invocation{Input: []byte("upper abc")}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := i.Rewind(); err != nil {
			t.Fatal(err)
		}
		private += i.Private()
	}
	if s := p.Stats(); s.PrivateBytes != private || private == 0 || s.StackBytes < 3<<10 || s != e.Stats() {
		t.Errorf("after a call of each: %+v of the program, %+v of the engine; the instances have %d bytes of their own", s, e.Stats(), private)
	}
	for _, i := range all {
		i.Close(context.Background())
	}
	if s := p.Stats(); s != (engine.Stats{ImageBytes: s.ImageBytes, CodeBytes: s.CodeBytes}) {
		t.Errorf("after they ended: %+v", s)
	}
	p.Close(context.Background())
	if s := e.Stats(); s != (engine.Stats{}) {
		t.Errorf("after the program was closed: %+v", s)
	}
}

func TestTheMemoryOfAnInstanceForOneCallIsItsOwn(t *testing.T) {
	e := newEngine(t, engine.Options{})
	v := version(task.ABICommand, guest(t, task.ABICommand))
	v.ImageOff = true
	p, err := e.Compile(t.Context(), v, guest(t, task.ABICommand))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	if first, err := p.Instantiate(t.Context(), nil); err != nil {
		t.Fatal(err)
	} else {
		first.Close(context.Background())
	}
	i, err := p.Instantiate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := e.Stats(); s.PrivateBytes == 0 || s.ImageBytes != 0 || i.Private() != s.PrivateBytes || i.Size() != 0 {
		t.Errorf("%+v", s)
	}
	i.Close(context.Background())
	if s := e.Stats(); s.PrivateBytes != 0 {
		t.Errorf("after it ended: %+v", s)
	}
}

func TestSlicesAreCountedWithTheirLength(t *testing.T) {
	e := newEngine(t, engine.Options{})
	p := compile(t, e, task.ABICommand, guest(t, task.ABICommand))
	i, err := p.Instantiate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(context.Background())
	before := e.Slices()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	i.Run(ctx, task.Invocation{Input: []byte("loop")}, nil)
	passed := time.Since(begun)
	s := e.Slices()
	n, took := s.UsedUp-before.UsedUp, s.Took-before.Took
	if n < 2 || s.Timed-before.Timed != n-1 || took <= 0 || took > passed || s.Longest <= 0 || s.Longest > passed && s.Longest > before.Longest {
		t.Errorf("a loop of %v: %d slices, %+v after %+v", passed, n, s, before)
	}
}

// A call and its rewind, which counts what changed: here, nothing.
func BenchmarkCallAndRewind(b *testing.B) {
	p := compile(b, newEngine(b, engine.Options{}), task.ABIPrism, guest(b, task.ABIPrism))
	i, err := p.Instantiate(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer i.Close(context.Background())
	in := task.Invocation{Input: []byte("upper abc")}
	for b.Loop() {
		if _, _, err := i.Run(b.Context(), in, nil); err != nil {
			b.Fatal(err)
		}
		if _, err := i.Rewind(); err != nil {
			b.Fatal(err)
		}
	}
}
