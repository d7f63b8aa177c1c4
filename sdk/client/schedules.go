package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ScheduleSpec is a task and when it is submitted: by Cron or by EveryMS. Durations are in
// milliseconds. A zero field takes the default in brackets.
type ScheduleSpec struct {
	Cron    string `json:"cron,omitempty"`     // the five fields of crontab(5), or @hourly, @daily, @weekly, @monthly or @yearly
	EveryMS int64  `json:"every_ms,omitempty"` // from when the schedule was made on; at least a second
	Zone    string `json:"zone,omitempty"`     // of Cron, by its IANA name [UTC]

	// Missed is what becomes of moments at which the server was down: "skip", "once" for the
	// latest of them, or "all" for the latest hundred [once]. What is later than LateMS is not
	// made up for [24 hours].
	Missed string `json:"missed,omitempty"`
	LateMS int64  `json:"late_ms,omitempty"`
	Paused bool   `json:"paused,omitempty"`

	// The task, as SubmitOptions have it.
	Plugin    string `json:"plugin"`
	Function  string `json:"function,omitempty"`
	Version   string `json:"version,omitempty"`
	Priority  *int   `json:"priority,omitempty"`
	Retries   *int   `json:"retries,omitempty"`
	BackoffMS int64  `json:"backoff_ms,omitempty"`
	TimeoutMS int64  `json:"timeout_ms,omitempty"`
	KeepMS    int64  `json:"keep_ms,omitempty"`
	Callback  string `json:"callback,omitempty"`

	// Input is a JSON string, which stands for its text, or another value, for itself.
	// InputBase64 is any bytes. At most one of them. Neither is in lists.
	Input       json.RawMessage `json:"input,omitempty"`
	InputBase64 []byte          `json:"input_base64,omitempty"`
}

// Schedule is what the server knows of one.
type Schedule struct {
	Name      string       `json:"name"`
	Namespace string       `json:"namespace"`
	Spec      ScheduleSpec `json:"spec"`
	CreatedAt time.Time    `json:"created_at"`
	UpdatedAt time.Time    `json:"updated_at"`
	FiredAt   time.Time    `json:"fired_at,omitzero"`   // the moment that it last submitted a task for; zero: none yet
	LastTask  string       `json:"last_task,omitempty"` // that task
	NextAt    time.Time    `json:"next_at,omitzero"`    // zero: it is paused
	Next      []time.Time  `json:"next,omitempty"`      // as many moments as were asked for
	Failure   string       `json:"failure,omitempty"`   // why no task was submitted last; "": one was
}

// PutSchedule stores a schedule, in the place of the one that has its name.
func (c *Client) PutSchedule(ctx context.Context, name string, spec ScheduleSpec) (*Schedule, error) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false) // the input goes as it is
	if err := e.Encode(spec); err != nil {
		return nil, err
	}
	req, err := c.request(ctx, http.MethodPut, schedulePath(name), &body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.send(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	s := new(Schedule)
	return s, decode(resp, s)
}

// Schedule returns one, with so many of its next moments, up to 100; a *Problem of
// KindNotFound when there is none.
func (c *Client) Schedule(ctx context.Context, name string, next int) (*Schedule, error) {
	s := new(Schedule)
	if err := c.json(ctx, http.MethodGet, schedulePath(name)+"?next="+strconv.Itoa(next), nil, s); err != nil {
		return nil, err
	}
	return s, nil
}

// Schedules lists the schedules, sorted by name, without their inputs: those of a plugin, or
// with "" all.
func (c *Client) Schedules(ctx context.Context, plugin string) ([]Schedule, error) {
	path := "/v1/schedules"
	if plugin != "" {
		path += "?plugin=" + url.QueryEscape(plugin)
	}
	var list struct {
		Schedules []Schedule `json:"schedules"`
	}
	err := c.json(ctx, http.MethodGet, path, nil, &list)
	return list.Schedules, err
}

// DeleteSchedule forgets a schedule. Tasks that it has submitted go on.
func (c *Client) DeleteSchedule(ctx context.Context, name string) error {
	return c.json(ctx, http.MethodDelete, schedulePath(name), nil, nil)
}

func schedulePath(name string) string { return "/v1/schedules/" + url.PathEscape(name) }
