package api

import (
	"bytes"
	"context"
	"testing"

	"github.com/marketprism/prismrt/runtime/task"
)

// answering is an Invoker that answers each input with a text.
type answering struct {
	Invoker
	with []byte
}

func (a answering) Series(_ context.Context, in task.Invocation, next func(*task.Invocation) bool, done func(*task.Result, error)) error {
	for next(&in) {
		done(&task.Result{Output: append(in.Buffer[:0], a.with...)}, nil)
	}
	return nil
}

func TestAChunkWaitsUntilItsAnswersAreTaken(t *testing.T) {
	ctx, leave := context.WithCancelCause(t.Context())
	defer leave(nil)
	with := bytes.Repeat([]byte("x"), 60_000)
	s := &stream{server: &server{Options: Options{Invoker: answering{with: with}}}, duplex: &duplex{ctx: ctx}, notation: framed{}}
	c := s.newChunk(1)
	for range 50 {
		c.add(nil)
	}
	ran := make(chan struct{})
	go func() { defer close(ran); c.run() }()
	taken := 0
	for {
		<-c.news
		b, ready, ended := c.answers()
		if !ready || len(b) > 256<<10+len(with)+framePrefix {
			t.Fatalf("%d bytes of answers wait, ready %v; want at most 256 KiB and an answer", len(b), ready)
		}
		taken += len(b)
		c.took(len(b))
		if ended {
			break
		}
	}
	if want := 50 * (framePrefix + len(with)); taken != want {
		t.Errorf("%d bytes were taken, want %d", taken, want)
	}
	<-ran

	// One that waits ends with its stream.
	c = s.newChunk(1)
	for range 50 {
		c.add(nil)
	}
	go c.run()
	<-c.news
	leave(context.Canceled)
	for {
		if _, _, ended := c.answers(); ended {
			return
		}
		<-c.news
	}
}

// All answers may be taken before a chunk notices that it has too many of them.
func TestAChunkDoesNotWaitForWhatWasTaken(t *testing.T) {
	c := (&stream{duplex: &duplex{ctx: t.Context()}, notation: framed{}}).newChunk(1)
	c.add(nil)
	c.commit(make([]byte, mostWaiting))
	c.took(mostWaiting)
	if !c.wait() || len(c.out) > 0 {
		t.Errorf("%d bytes are left", len(c.out))
	}
}
