package api

import (
	"io"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// cutter makes the chunks of a stream.
type cutter struct {
	*stream
	splitter splitter
	chunk    *chunk // that is being filled
	limit    int    // bytes of an item, now
	lost     bool   // items are not looked for any more
}

// split makes chunks of blocks until there are no more.
func (s *stream) split() {
	defer close(s.queue)
	c := cutter{stream: s, splitter: s.notation.splitter(), chunk: s.newChunk(1), limit: s.limit}
	for !c.lost {
		block, ok := c.block()
		if !ok {
			break
		}
		c.look()
		if !c.cut(block) {
			return
		}
		s.unused <- block[:cap(block)]
	}
	if c.lost && (!c.hand() || !c.drop()) || s.ctx.Err() != nil || s.broke == nil {
		return // the stream is given up
	}
	c.finish()
	s.whole = s.broke == io.EOF //nolint:errorlint // the end is never wrapped
	c.hand()
}

// block waits for more to split. What has been split does not wait for it.
func (c *cutter) block() (b []byte, ok bool) {
	select {
	case b, ok = <-c.blocks:
	default:
		if len(c.chunk.items) > 0 && !c.hand() {
			return nil, false
		}
		b, ok = <-c.blocks
	}
	return b, ok
}

// look asks for the limits of the version that answers now. Where none does, the calls
// will tell.
func (c *cutter) look() {
	if limits, err := c.Invoker.Limits(c.ctx, namespace, c.in.Plugin); err == nil {
		c.limit = int(limits.Input)
		c.patience.begin(c.BodyTimeout + time.Duration(limits.Timeout))
	}
}

// cut finds the items in a block. It reports false when the stream is given up.
func (c *cutter) cut(block []byte) bool {
	for len(block) > 0 && !c.lost {
		into := c.chunk
		grown, used, how := c.splitter.take(into.in, block, c.limit)
		into.in, block = grown, block[used:]
		c.add(how)
		if into.isFull() && !c.hand() {
			return false
		}
	}
	return true
}

// add adds the item that has ended, if one has.
func (c *cutter) add(how cut) {
	switch how {
	case cutMore:
	case cutWhole:
		c.chunk.add(nil)
	case cutTooLarge:
		c.chunk.add(task.Faultf(task.KindTooLarge, "the input is over limits.input, which is %v; raise the limit in the manifest, or send less", task.Bytes(c.limit)))
	case cutShort:
		c.chunk.add(task.Faultf(task.KindInvalid, "the stream ended in the middle of an input: it lacks %s", c.splitter.missing()))
	case cutLost:
		c.lost = true
		c.chunk.add(task.Faultf(task.KindTooLarge, "the input is over limits.input, which is %v, and over what is skipped, which is %v: what comes after it is not run",
			task.Bytes(c.limit), task.Bytes(mostSkipped)))
	}
}

// finish adds what there is to say at the end.
func (c *cutter) finish() {
	into := c.chunk
	switch {
	case c.lost:
	case c.broke == io.EOF: //nolint:errorlint // the end is never wrapped
		var how cut
		into.in, how = c.splitter.end(into.in, c.limit)
		if how == cutShort {
			into.in = into.in[:into.end()]
		}
		c.add(how)
	default:
		into.in = into.in[:into.end()]
		into.add(bodyFault(c.broke, nil))
	}
}

// hand gives the chunk to who runs it and to who writes its answers, once it is its turn,
// and begins another with what has come of the next item. It reports false when the
// stream is given up.
func (c *cutter) hand() bool {
	full := c.chunk
	if len(full.items) == 0 {
		return true
	}
	end := full.end()
	c.chunk = c.newChunk(full.first + int64(len(full.items)))
	c.chunk.in = append(c.chunk.in, full.in[end:]...)
	full.in = full.in[:end]

	weight := c.weight(full)
	for range weight {
		select {
		case c.turns <- struct{}{}:
		case <-c.ctx.Done():
			return false
		}
	}
	select {
	case c.queue <- full:
	case <-c.ctx.Done():
		return false
	}
	c.parts.Go(func() {
		full.run()
		for range weight {
			<-c.turns
		}
	})
	return true
}

// weight is how many turns a chunk takes. Short calls keep a core busy, and no more such
// chunks run at once than there are cores. A long one may wait for the host, and leaves
// room for others.
func (s *stream) weight(c *chunk) int {
	if len(c.items) == 1 {
		return 1
	}
	return max(1, cap(s.turns)/s.Cores)
}

// size is how many items a chunk is to have.
func (s *stream) size() int {
	each := time.Duration(s.each.Load())
	if each == 0 {
		return 1 // which is how it becomes known
	}
	return int(min(max(chunkTime/each, 1), mostItems))
}

// learn is told how long the calls of a chunk took.
func (s *stream) learn(took time.Duration, calls int) {
	each := s.each.Load()
	now := max(1, int64(took)/int64(calls))
	if each != 0 {
		now = each + (now-each)/4
	}
	s.each.Store(max(now, 1))
}
