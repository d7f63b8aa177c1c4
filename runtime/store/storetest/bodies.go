package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// noise is bytes that nothing makes smaller, the same for the same size.
func noise(size int) []byte {
	made := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(size)})
	_, _ = random.Read(made) // which never fails
	return made
}

// sizes are around those at which a store may keep bodies elsewhere, or read them in pieces.
var sizes = []int{0, 1, 255, 4096, 64<<10 - 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1 << 20, 3<<20 + 7}

var bodies = []trial{
	{"OfAnySize", func(b *bench) {
		for _, size := range sizes {
			body := noise(size)
			t := b.add(1, func(t *store.Task) { t.Input = body })[0]
			l := b.take()
			if !bytes.Equal(l.Input, body) {
				b.Errorf("an input of %d bytes was leased with %d", size, len(l.Input))
			}
			o := b.outcome(l, task.Succeeded)
			o.Output = noise(size + 1)[:size]
			b.same(b.finish(o), repeat[error](nil, 1), "finish")
			r := b.read(t.ID)
			if !bytes.Equal(r.Input, body) || !bytes.Equal(r.Output, o.Output) || r.InputBytes != int64(size) || r.OutputBytes != int64(size) {
				b.Errorf("bodies of %d bytes are read with %d (%d) and %d (%d)", size, len(r.Input), r.InputBytes, len(r.Output), r.OutputBytes)
			}
		}
	}},
	{"OfNoBytesAreNotNone", func(b *bench) {
		for _, empty := range [][]byte{nil, {}} {
			t := b.add(1, func(t *store.Task) { t.Input = empty })[0]
			o := b.outcome(b.take(), task.Succeeded)
			o.Output = empty
			b.finish(o)
			r := b.read(t.ID)
			if r.Input == nil || r.Output == nil {
				b.Errorf("bodies of no bytes are read as nil: input %v, output %v", r.Input == nil, r.Output == nil)
			}
			records, err := b.Read(b.ctx, []task.ID{t.ID}, 0)
			b.must(err, "read")
			if records[0].Input != nil || records[0].Output != nil {
				b.Error("bodies were read that nobody asked for")
			}
		}
	}},
	{"OfManySizesInOneCall", func(b *bench) {
		tasks := b.tasks(len(sizes))
		for i := range tasks {
			tasks[i].Input = noise(sizes[i])
		}
		b.submit(tasks...)
		leases := b.lease(lane, len(sizes))
		var all []store.Outcome
		for i, l := range leases {
			if !bytes.Equal(l.Input, tasks[i].Input) {
				b.Fatalf("input %d is another's", i)
			}
			o := b.outcome(l, task.Succeeded)
			o.Output = noise(sizes[len(sizes)-1-i])
			all = append(all, o)
		}
		b.same(b.finish(all...), repeat[error](nil, len(all)), "finish")
		records, err := b.Read(b.ctx, idsOf(tasks), store.WithInput|store.WithOutput)
		b.must(err, "read")
		for i, r := range records {
			if !bytes.Equal(r.Input, tasks[i].Input) || !bytes.Equal(r.Output, all[i].Output) {
				b.Errorf("bodies %d are others'", i)
			}
		}
		b.later(time.Hour)
		b.same(b.forget(0, 100), len(tasks), "forgotten")
		b.left(idsOf(tasks))
	}},
	{"AreKeptThroughRetriesAndWhenTheirTaskIsDead", func(b *bench) {
		t := b.add(1, func(t *store.Task) { t.Input = noise(1 << 20) })[0]
		for range 3 {
			l := b.take()
			if !bytes.Equal(l.Input, t.Input) {
				b.Fatal("the input changed")
			}
			b.end(l, task.Failed)
			b.later(time.Second)
			b.promote()
		}
		b.end(b.take(), task.Dead)
		if !bytes.Equal(b.read(t.ID).Input, t.Input) {
			b.Error("the dead task's input changed")
		}
	}},
	{"OfALostLeaseAreNotStored", func(b *bench) {
		t := b.add(1)[0]
		lost := b.take()
		b.later(time.Minute)
		b.expire()
		next := b.take()
		for i := range 3 {
			o := b.outcome(lost, task.Succeeded)
			o.Output = noise(1<<20 + i)
			b.same(b.finish(o), []error{store.ErrLost}, "finish")
		}
		o := b.outcome(next, task.Succeeded)
		o.Output = fmt.Appendf(nil, "the one that holds")
		b.same(b.finish(o), repeat[error](nil, 1), "finish")
		b.same(string(b.read(t.ID).Output), string(o.Output), "output")
	}},
}
