package client_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

// answerFrames answers each frame at once by what answer makes of it.
func answerFrames(t *testing.T, answer func(w io.Writer, input string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		if got := r.Header.Get("Content-Type"); got != "application/vnd.prism.frames" {
			t.Errorf("Content-Type is %q", got)
		}
		rc.Flush()
		for {
			var length [4]byte
			if _, err := io.ReadFull(r.Body, length[:]); err != nil {
				return
			}
			input := make([]byte, binary.LittleEndian.Uint32(length[:]))
			if _, err := io.ReadFull(r.Body, input); err != nil {
				return
			}
			if answer(w, string(input)) != nil {
				panic(http.ErrAbortHandler)
			}
			rc.Flush()
		}
	}
}

func frame(w io.Writer, status byte, payload string) {
	w.Write(append(binary.LittleEndian.AppendUint32([]byte{status}, uint32(len(payload))), payload...))
}

func upper(w io.Writer, input string) error {
	switch input {
	case "trap":
		frame(w, 9, `{"kind":"trap","status":422,"detail":"unreachable"}`)
	case "break":
		w.Write([]byte{0, 9, 0, 0, 0, 'x'})
		return errors.New("enough")
	default:
		frame(w, 0, strings.ToUpper(input))
	}
	return nil
}

func of(inputs ...string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, input := range inputs {
			if !yield([]byte(input)) {
				return
			}
		}
	}
}

// got lists what a batch yields.
func got(batch iter.Seq2[[]byte, error]) (all []string, last error) {
	for output, err := range batch {
		if p, ok := errors.AsType[*client.Problem](err); ok {
			all = append(all, fmt.Sprint("!", p.Kind, " ", p.Detail))
		} else if err != nil {
			last = err
		} else {
			all = append(all, string(output))
		}
	}
	return all, last
}

func TestBatchYieldsAnAnswerForEachInput(t *testing.T) {
	c := serve(t, "POST /v1/plugins/shout/batch/loud", answerFrames(t, upper))
	all, err := got(c.Batch(t.Context(), "shout", of("a", "", "trap", "b"), client.CallOptions{Function: "loud"}))
	if want := []string{"A", "", "!trap unreachable", "B"}; err != nil || !slices.Equal(all, want) {
		t.Errorf("%q, %v; want %q", all, err, want)
	}
	long := slices.Repeat([]string{strings.Repeat("x", 1000)}, 5000)
	all, err = got(c.Batch(t.Context(), "shout", of(long...), client.CallOptions{Function: "loud"}))
	if err != nil || len(all) != len(long) || all[4999] != strings.ToUpper(long[0]) {
		t.Errorf("%d answers, %v; want %d", len(all), err, len(long))
	}
}

// An answer comes before the next input is there.
func TestBatchIsAConversation(t *testing.T) {
	c := serve(t, "POST /v1/plugins/shout/batch", answerFrames(t, upper))
	answers := make(chan string)
	inputs := func(yield func([]byte) bool) {
		for n := range 20 {
			if !yield(fmt.Appendf(nil, "ping %d", n)) {
				return
			}
			if want, got := fmt.Sprint("PING ", n), <-answers; got != want {
				t.Errorf("answer %q, want %q", got, want)
			}
		}
	}
	for output, err := range c.Batch(t.Context(), "shout", inputs, client.CallOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		answers <- string(output)
	}
}

func TestABrokenBatchEndsWithAnError(t *testing.T) {
	c := serve(t, "POST /v1/plugins/shout/batch", answerFrames(t, upper))
	all, err := got(c.Batch(t.Context(), "shout", of("a", "break", "c"), client.CallOptions{}))
	if !errors.Is(err, io.ErrUnexpectedEOF) || !slices.Equal(all, []string{"A"}) {
		t.Errorf("%q, %v", all, err)
	}
	refused := serve(t, "POST /v1/plugins/shout/batch", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"kind":"not_found","detail":"no plugin"}`)
	})
	all, err = got(refused.Batch(t.Context(), "shout", of("a"), client.CallOptions{}))
	if err != nil || !slices.Equal(all, []string{"!not_found no plugin"}) {
		t.Errorf("%q, %v", all, err)
	}
}

func TestABatchThatIsNotTakenFurtherIsGivenUp(t *testing.T) {
	left, ended := make(chan struct{}), make(chan struct{})
	c := serve(t, "POST /v1/plugins/shout/batch", func(w http.ResponseWriter, r *http.Request) {
		answerFrames(t, upper)(w, r)
		close(left)
	})
	endless := func(yield func([]byte) bool) {
		defer close(ended)
		for yield([]byte("a")) {
		}
	}
	for output, err := range c.Batch(t.Context(), "shout", endless, client.CallOptions{}) {
		if err != nil || string(output) != "A" {
			t.Fatalf("%q, %v", output, err)
		}
		break
	}
	<-ended
	<-left

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	waiting := func(yield func([]byte) bool) { <-ctx.Done() }
	c = serve(t, "POST /v1/plugins/shout/batch", answerFrames(t, upper))
	if all, err := got(c.Batch(ctx, "shout", waiting, client.CallOptions{})); len(all) != 0 || err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%q, %v", all, err)
	}
}
