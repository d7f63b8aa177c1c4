package client

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// State is where a task stands.
type State string

// The states, those that end a task last.
const (
	Scheduled State = "scheduled" // waits for the time it was submitted for
	Queued    State = "queued"    // waits for its turn
	Running   State = "running"
	Failed    State = "failed" // an attempt failed, and it waits to be tried again
	Succeeded State = "succeeded"
	Dead      State = "dead" // given up: no attempt is left, or none could help
	Canceled  State = "canceled"
)

// Ended tells whether a task in this state changes no more by itself.
func (s State) Ended() bool { return s == Succeeded || s == Dead || s == Canceled }

// Task is what the server knows of a task.
type Task struct {
	ID        string `json:"id"`
	State     State  `json:"state"`
	Namespace string `json:"namespace"`
	Plugin    string `json:"plugin"`
	Version   int    `json:"version,omitempty"` // that it is run by; 0: whichever is live
	Digest    string `json:"digest,omitempty"`
	Function  string `json:"function,omitempty"`
	Priority  int    `json:"priority"`

	CreatedAt time.Time `json:"created_at"`
	DueAt     time.Time `json:"due_at,omitzero"`     // it is not run before; zero: it can be at once
	EndedAt   time.Time `json:"ended_at,omitzero"`   // zero: it has not
	ExpiresAt time.Time `json:"expires_at,omitzero"` // it is forgotten then

	Retries   *int    `json:"retries,omitempty"` // as it was asked for, as are those below
	BackoffMS float64 `json:"backoff_ms,omitempty"`
	TimeoutMS float64 `json:"timeout_ms,omitempty"`
	KeepMS    float64 `json:"keep_ms,omitempty"`
	Callback  string  `json:"callback,omitempty"`
	Schedule  string  `json:"schedule,omitempty"` // that submitted it

	InputBytes  int64     `json:"input_bytes"`
	OutputBytes int64     `json:"output_bytes,omitempty"`
	Attempts    []Attempt `json:"attempts"` // oldest first; of many, the first and the last ones
	Progress    *Progress `json:"progress,omitempty"`
}

// Attempt is how one run of a task went.
type Attempt struct {
	Number     int       `json:"number"` // from 1 on
	BegunAt    time.Time `json:"begun_at,omitzero"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	DurationMS float64   `json:"duration_ms"`       // of all of it, in milliseconds; of that:
	QueueMS    float64   `json:"queue_ms"`          // waiting for its turn and an instance
	RunMS      float64   `json:"run_ms"`            // running
	Version    int       `json:"version,omitempty"` // that ran it; 0: it came to none
	Digest     string    `json:"digest,omitempty"`
	Fuel       int64     `json:"fuel"`
	CutOff     bool      `json:"cut_off,omitempty"` // the server ended meanwhile: it may or may not have run to its end
	Fault      *Fault    `json:"fault,omitempty"`   // nil: it succeeded, or was cut off
	Log        []string  `json:"log,omitempty"`     // what the plugin logged, beginning and end; not in lists
}

// Fault is why an attempt failed.
type Fault struct {
	Kind   Kind     `json:"kind"`
	Detail string   `json:"detail"`
	Stack  []string `json:"stack,omitempty"` // the plugin's, innermost first; not in lists
}

// Progress is how far a plugin says that it is.
type Progress struct {
	Done    int64     `json:"done"`
	Total   int64     `json:"total,omitempty"` // 0: it is not known
	Message string    `json:"message,omitempty"`
	Time    time.Time `json:"time"`
}

// Task returns what is known of a task, a *Problem of KindNotFound when there is none, or
// none any more.
func (c *Client) Task(ctx context.Context, id string) (*Task, error) {
	t := new(Task)
	if err := c.json(ctx, http.MethodGet, taskPath(id), nil, t); err != nil {
		return nil, err
	}
	return t, nil
}

func taskPath(id string) string { return "/v1/tasks/" + url.PathEscape(id) }

// Input returns what a task was submitted with.
func (c *Client) Input(ctx context.Context, id string) ([]byte, error) {
	req, err := c.request(ctx, http.MethodGet, taskPath(id)+"/input", nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	input, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the input of task %s: %w", id, err)
	}
	return input, nil
}

// ErrNotEnded is Result's answer for a task that has not ended.
var ErrNotEnded = errors.New("the task has not ended")

// serverWait is how long the server lets one request wait.
const serverWait = time.Minute

// Result returns what a task came to, and waits for it if it must, for as long as wait.
//
// The fault of a task that is dead is a *Problem, as is, with the status 410, that it was
// canceled. Of both, Task is the task's id. While the task has not ended, the error is
// ErrNotEnded.
func (c *Client) Result(ctx context.Context, id string, wait time.Duration) (*Result, error) {
	for end := time.Now().Add(wait); ; {
		asked := min(max(0, time.Until(end)), serverWait).Truncate(time.Millisecond)
		begun := time.Now()
		r, err := c.result(ctx, id, asked)
		if !errors.Is(err, ErrNotEnded) || !time.Now().Before(end.Add(-time.Millisecond)) {
			return r, err
		}
		if time.Since(begun) < asked/2 {
			// It did not wait: the server stops, or something is between.
			select {
			case <-time.After(min(time.Second, time.Until(end))):
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
	}
}

func (c *Client) result(ctx context.Context, id string, wait time.Duration) (*Result, error) {
	path := taskPath(id) + "/result"
	if wait > 0 {
		path += "?wait=" + wait.String()
	}
	req, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusAccepted {
		return nil, ErrNotEnded
	}
	return resultOf(resp, "task "+id)
}

// TaskQuery chooses tasks. A zero field chooses all.
type TaskQuery struct {
	State  State
	Plugin string
	Before string // older ones than the one with this id
	Limit  int    // no more than this; 0: all
}

// Tasks yields tasks, newest first. They are fetched page by page; what comes meanwhile is not
// among them. An error is the last that is yielded.
func (c *Client) Tasks(ctx context.Context, of TaskQuery) iter.Seq2[*Task, error] {
	return func(yield func(*Task, error) bool) {
		const page = 200
		left := cmp.Or(of.Limit, -1)
		next := "/v1/tasks?" + of.query(page).Encode()
		for next != "" && left != 0 {
			var p struct {
				Tasks []*Task `json:"tasks"`
				Next  string  `json:"next"`
			}
			if err := c.json(ctx, http.MethodGet, next, nil, &p); err != nil {
				yield(nil, err)
				return
			}
			for _, t := range p.Tasks {
				if left == 0 || !yield(t, nil) {
					return
				}
				left--
			}
			if next = p.Next; next != "" && !strings.HasPrefix(next, "/v1/tasks?") {
				yield(nil, fmt.Errorf("read tasks: the next page is said to be at %q", next))
				return
			}
		}
	}
}

func (q *TaskQuery) query(page int) url.Values {
	v := q.chosen()
	if q.Limit > 0 {
		page = min(page, q.Limit)
	}
	v.Set("limit", strconv.Itoa(page))
	return v
}

// chosen is all but the limit.
func (q *TaskQuery) chosen() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{"state": string(q.State), "plugin": q.Plugin, "before": q.Before} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

// Cancel ends a task, also while it runs: it is not tried again. One that has ended already
// is a *Problem of KindConflict.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.json(ctx, http.MethodDelete, taskPath(id), nil, nil)
}

// RetryOptions change a task before it is sent again. The zero value changes nothing.
type RetryOptions struct {
	Input *[]byte // nil: the one it has

	// What is zero is as it was.
	Function         string
	Retries          *int
	Backoff, Timeout time.Duration
	Keep             time.Duration
	Callback         string
}

// Retry sends a dead or canceled task again. Any other is a *Problem of KindConflict.
func (c *Client) Retry(ctx context.Context, id string, opts RetryOptions) error {
	terms := SubmitOptions{
		Function: opts.Function, Retries: opts.Retries, Backoff: opts.Backoff, Timeout: opts.Timeout, Keep: opts.Keep, Callback: opts.Callback,
	}
	path := taskPath(id) + "/retry"
	if q := terms.query(); len(q) > 0 {
		path += "?" + q.Encode()
	}
	var body io.Reader
	if opts.Input != nil {
		body = bytes.NewReader(*opts.Input)
	}
	req, err := c.request(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	if opts.Input != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	resp, err := c.send(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// RetryAll sends all dead tasks again, or all canceled ones, of a plugin or, if that is "",
// of all. It returns how many.
func (c *Client) RetryAll(ctx context.Context, state State, plugin string) (int, error) {
	of := TaskQuery{State: state, Plugin: plugin}
	var answer struct {
		Retried int `json:"retried"`
	}
	err := c.json(ctx, http.MethodPost, "/v1/tasks/retry?"+of.chosen().Encode(), nil, &answer)
	return answer.Retried, err
}
