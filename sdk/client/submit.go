package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"
)

// SubmitOptions say how a task is to be run. The zero value has it run as soon as it can
// be, as tasks of its plugin are run anyway.
type SubmitOptions struct {
	Function string // the handler; empty: the plugin's default

	// Version is which version runs the task: empty or "live", the one that is live then;
	// "pinned", the one that is live now; or a number.
	Version string

	Priority *int          // 0 to 9; a greater one goes first; nil: as the plugin's always do
	Delay    time.Duration // it is not run before that has passed; 0: it can be at once
	At       time.Time     // it is not run before; zero: likewise. Not both of them
	Retries  *int          // attempts after the first; nil: the plugin's policy
	Backoff  time.Duration // before the second attempt, doubled for each further one; 0: the plugin's policy
	Timeout  time.Duration // lowers the plugin's limit for each attempt; 0: the limit holds
	Keep     time.Duration // how long the task is kept when it has ended; 0: the plugin's policy
	Callback string        // a URL that is told when it has ended; empty: none is

	// Key is an idempotency key: a task is submitted once under it, however often that is
	// tried. With it, a submission of which nobody knows whether it arrived can be repeated.
	Key string
}

// query is what there is to say but for the key, as the server reads it.
func (o *SubmitOptions) query() url.Values {
	q := url.Values{}
	set := func(name, value string, given bool) {
		if given {
			q.Set(name, value)
		}
	}
	set("function", o.Function, o.Function != "")
	set("version", o.Version, o.Version != "")
	if o.Priority != nil {
		q.Set("priority", strconv.Itoa(*o.Priority))
	}
	if o.Retries != nil {
		q.Set("retries", strconv.Itoa(*o.Retries))
	}
	set("delay", o.Delay.String(), o.Delay != 0)
	set("at", o.At.Format(time.RFC3339Nano), !o.At.IsZero())
	set("backoff", o.Backoff.String(), o.Backoff != 0)
	set("timeout", o.Timeout.String(), o.Timeout != 0)
	set("keep", o.Keep.String(), o.Keep != 0)
	set("callback", o.Callback, o.Callback != "")
	return q
}

// Submitted is a task that was taken: it will be run, whatever becomes of the server.
type Submitted struct {
	ID    string `json:"id"`
	State State  `json:"state"`
	Seen  bool   `json:"seen,omitempty"` // it had been submitted before, under the same key
}

// Submit submits a task durably. Without an error it is where neither a crash nor a power
// failure of the server takes it.
func (c *Client) Submit(ctx context.Context, plugin string, input []byte, opts SubmitOptions) (*Submitted, error) {
	q := opts.query()
	q.Set("plugin", plugin)
	req, err := c.request(ctx, http.MethodPost, "/v1/tasks?"+q.Encode(), bytes.NewReader(input))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	if opts.Key != "" {
		req.Header.Set("Idempotency-Key", opts.Key)
	}
	resp, err := c.send(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	s := new(Submitted)
	return s, decode(resp, s)
}

// Submission is a task of a batch.
type Submission struct {
	Plugin string
	Input  []byte
	SubmitOptions
}

// line is a submission as a line of a batch has it.
type line struct {
	Plugin      string  `json:"plugin"`
	Input       *string `json:"input,omitempty"`
	InputBase64 []byte  `json:"input_base64,omitempty"`
	Function    string  `json:"function,omitempty"`
	Version     string  `json:"version,omitempty"`
	Priority    *int    `json:"priority,omitempty"`
	DelayMS     float64 `json:"delay_ms,omitempty"`
	At          string  `json:"at,omitempty"`
	Retries     *int    `json:"retries,omitempty"`
	BackoffMS   float64 `json:"backoff_ms,omitempty"`
	TimeoutMS   float64 `json:"timeout_ms,omitempty"`
	KeepMS      float64 `json:"keep_ms,omitempty"`
	Callback    string  `json:"callback,omitempty"`
	Key         string  `json:"key,omitempty"`
}

// encode writes a submission as a line. The encoder's answer is always nil: there is nothing
// that is not JSON, and memory does not fail.
func (s *Submission) encode(to *json.Encoder) {
	l := line{
		Plugin: s.Plugin, Function: s.Function, Version: s.Version, Priority: s.Priority, Retries: s.Retries,
		DelayMS: inMS(s.Delay), BackoffMS: inMS(s.Backoff), TimeoutMS: inMS(s.Timeout), KeepMS: inMS(s.Keep),
		Callback: s.Callback, Key: s.Key,
	}
	if !s.At.IsZero() {
		l.At = s.At.Format(time.RFC3339Nano)
	}
	if utf8.Valid(s.Input) {
		text := string(s.Input)
		l.Input = &text
	} else {
		l.InputBase64 = s.Input
	}
	_ = to.Encode(&l)
}

func inMS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// SubmitBatch submits tasks, all over one connection, and yields in the same order what
// became of each: that it was taken, or a *Problem of that task alone. Any other error, and a
// *Problem of the whole, is the last that is yielded: tasks whose answer did not come may or
// may not have been taken, and can be submitted again if they have a Key.
//
// Tasks are asked for on another goroutine and sent as they come, some ahead of the answers;
// an Input may be used again once the next task is asked for. When the caller takes no more,
// no more tasks are asked for than the one that may be waited for.
func (c *Client) SubmitBatch(ctx context.Context, tasks iter.Seq[Submission]) iter.Seq2[Submitted, error] {
	return func(yield func(Submitted, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		box := newOutbox()
		defer box.close(context.Canceled)
		go func() {
			var text bytes.Buffer
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(false)
			for s := range tasks {
				text.Reset()
				if s.encode(encoder); !box.send(text.Bytes()) {
					return
				}
			}
			box.close(io.EOF)
		}()
		req, err := c.request(ctx, http.MethodPost, "/v1/tasks/batch", box)
		if err != nil {
			yield(Submitted{}, err)
			return
		}
		req.Header.Set("Content-Type", typeLines)
		resp, err := c.send(req)
		if err != nil {
			yield(Submitted{}, err)
			return
		}
		defer resp.Body.Close()
		answers := bufio.NewReaderSize(resp.Body, 64<<10)
		for {
			s, err := readSubmitted(answers)
			if err == io.EOF { //nolint:errorlint // the end is never wrapped
				return
			}
			_, failed := errors.AsType[*Problem](err)
			if err != nil && !failed {
				err = fmt.Errorf("read what became of the tasks: %w", err)
			}
			if !yield(s, err) || err != nil && !failed {
				return
			}
		}
	}
}

// readSubmitted reads a line. The error is io.EOF only before one.
func readSubmitted(r *bufio.Reader) (Submitted, error) {
	text, err := r.ReadBytes('\n')
	if err == io.EOF && len(text) > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return Submitted{}, err
	}
	var answer struct {
		Submitted
		Error *Problem `json:"error"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return Submitted{}, fmt.Errorf("a line that is no answer: %w", err)
	}
	if answer.Error != nil {
		return Submitted{}, answer.Error
	}
	return answer.Submitted, nil
}
