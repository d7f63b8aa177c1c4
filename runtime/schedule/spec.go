package schedule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	_ "time/tzdata" // zones are known where the system has none of them

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/task"
)

// Missed is what becomes of moments at which nobody could submit a task: the server was
// down, or the clock was set forward.
type Missed string

// What can become of them.
const (
	Skip Missed = "skip" // nothing
	Once Missed = "once" // the latest is made up for
	All  Missed = "all"  // the latest MostMissed are, oldest first
)

// Bounds of a schedule.
const (
	LeastEvery = time.Second
	MostEvery  = 366 * 24 * time.Hour
	MostLate   = 31 * 24 * time.Hour
	MostMissed = 100

	// DefaultLate is as long as the key of a task is kept by default, by which a moment is
	// known whose task was submitted right before a crash.
	DefaultLate = 24 * time.Hour
)

// mostSpan bounds durations of the task, for which the queue has narrower bounds.
const mostSpan = 100 * MostEvery

// onTime is how late a moment can be that was not missed: a busy server takes a while.
const onTime = time.Minute

// Spec is a task and when it is submitted: by Cron or by EveryMS. Durations are in
// milliseconds. A zero field takes the default in brackets.
type Spec struct {
	Cron    string `json:"cron,omitempty"`     // the five fields of crontab(5), or @hourly, @daily, @weekly, @monthly or @yearly
	EveryMS int64  `json:"every_ms,omitempty"` // from when the schedule was made on
	Zone    string `json:"zone,omitempty"`     // of Cron, by its IANA name [UTC]

	Missed Missed `json:"missed,omitempty"`  // [once]
	LateMS int64  `json:"late_ms,omitempty"` // what is later than that is not made up for [24 hours]
	Paused bool   `json:"paused,omitempty"`  // nothing is submitted; moments that go by are not missed

	// The task, as it is submitted: queue.Submission.
	Plugin    string `json:"plugin"`
	Function  string `json:"function,omitempty"`
	Version   string `json:"version,omitempty"`
	Priority  *int   `json:"priority,omitempty"`
	Retries   *int   `json:"retries,omitempty"`
	BackoffMS int64  `json:"backoff_ms,omitempty"`
	TimeoutMS int64  `json:"timeout_ms,omitempty"`
	KeepMS    int64  `json:"keep_ms,omitempty"`
	Callback  string `json:"callback,omitempty"`

	// Input is a string, which stands for its text, or another value, which stands for
	// itself, without blanks between its parts. InputBase64 is bytes that are no text. At most
	// one of them.
	Input       json.RawMessage `json:"input,omitempty"`
	InputBase64 []byte          `json:"input_base64,omitempty"`
}

// ParseSpec reads a schedule from JSON. It returns a fault of kind invalid that says all
// that is wrong.
func ParseSpec(text []byte) (Spec, error) {
	var s Spec
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Spec{}, task.Faultf(task.KindInvalid, "the schedule cannot be read: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Spec{}, task.Faultf(task.KindInvalid, "the schedule cannot be read: there is more after it")
	}
	if s.Input != nil {
		var compact bytes.Buffer
		if err := json.Compact(&compact, s.Input); err != nil {
			return Spec{}, task.Faultf(task.KindInvalid, "the schedule cannot be read: %w", err)
		}
		s.Input = compact.Bytes()
	}
	_, err := s.check(time.Now())
	return s, err
}

// text is the Spec as it is stored.
func (s *Spec) text() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the input is not to change
	if err := e.Encode(s); err != nil {
		panic("schedule: a schedule does not encode: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// check makes the timetable of a schedule that began at a time, or reports all that is
// wrong with the schedule as a fault. What is wrong with the task, Options.Check says.
func (s *Spec) check(began time.Time) (timetable, error) {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.Plugin == "" {
		wrong("plugin is missing")
	}
	zone := time.UTC
	if s.Zone != "" {
		var err error
		if zone, err = time.LoadLocation(s.Zone); err != nil || s.Zone == "Local" {
			wrong("zone is %.60q; write the name that the IANA gave it, such as Europe/Berlin", s.Zone)
			zone = time.UTC
		}
	}
	var table timetable
	switch {
	case s.Cron != "" && s.EveryMS != 0:
		wrong("there are cron and every_ms; say one of them")
	case s.Cron != "":
		l, err := parseLine(s.Cron, zone)
		switch {
		case err != nil:
			errs = append(errs, err)
		case l.next(began).IsZero():
			wrong("cron is %q, which never comes", s.Cron)
		default:
			table = l
		}
	case s.EveryMS != 0:
		every, ok := span(s.EveryMS, LeastEvery, MostEvery)
		if !ok {
			wrong("every_ms is %d; it must be from %d to %d", s.EveryMS, LeastEvery.Milliseconds(), MostEvery.Milliseconds())
		} else {
			table = interval{began.Truncate(time.Second), every}
		}
		if s.Zone != "" {
			wrong("zone is %.60q; an interval is the same in all of them, so leave it out", s.Zone)
		}
	default:
		wrong("there is neither cron nor every_ms; say one of them")
	}
	switch s.Missed {
	case "", Skip, Once, All:
	default:
		wrong("missed is %.40q; it must be skip, once or all", s.Missed)
	}
	for _, d := range []struct {
		name  string
		value int64
		most  time.Duration
	}{{"late_ms", s.LateMS, MostLate}, {"backoff_ms", s.BackoffMS, mostSpan}, {"timeout_ms", s.TimeoutMS, mostSpan}, {"keep_ms", s.KeepMS, mostSpan}} {
		if _, ok := span(d.value, 0, d.most); !ok {
			wrong("%s is %d; it must be from 0 to %d", d.name, d.value, d.most.Milliseconds())
		}
	}
	if s.Input != nil && s.InputBase64 != nil {
		wrong("there are input and input_base64; say one of them")
	}
	if errs == nil {
		return table, nil
	}
	return nil, task.Faultf(task.KindInvalid, "the schedule is not valid: %s", strings.ReplaceAll(errors.Join(errs...).Error(), "\n", "; "))
}

// span is a number of milliseconds as a duration, within bounds.
func span(ms int64, least, most time.Duration) (time.Duration, bool) {
	if ms < least.Milliseconds() || ms > most.Milliseconds() {
		return 0, false
	}
	return time.Duration(ms) * time.Millisecond, true
}

// late is how late a moment may be that is made up for.
func (s *Spec) late() time.Duration {
	switch {
	case s.Missed == Skip:
		return onTime
	case s.LateMS == 0:
		return DefaultLate
	}
	return max(onTime, time.Duration(s.LateMS)*time.Millisecond)
}

// most is how many moments are made up for at once.
func (s *Spec) most() int {
	if s.Missed == All {
		return MostMissed
	}
	return 1
}

// input is what the task is submitted with.
func (s *Spec) input() []byte {
	if len(s.Input) == 0 {
		return s.InputBase64
	}
	if s.Input[0] != '"' {
		return s.Input
	}
	var text string
	if err := json.Unmarshal(s.Input, &text); err != nil {
		panic("schedule: an input was not checked: " + err.Error())
	}
	return []byte(text)
}

// submission is the task of a moment. Its key has the task of a moment submitted once.
func (s *Spec) submission(namespace, name string, moment time.Time) queue.Submission {
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	return queue.Submission{
		Namespace: namespace, Plugin: s.Plugin, Version: s.Version, Priority: s.Priority, Input: s.input(), Key: keyOf(name, moment),
		Terms: task.Terms{
			Function: s.Function, Timeout: ms(s.TimeoutMS), Retries: s.Retries, Backoff: ms(s.BackoffMS), Keep: ms(s.KeepMS),
			Callback: s.Callback, Schedule: name,
		},
	}
}

func keyOf(name string, moment time.Time) string {
	return "schedule:" + name + ":" + moment.UTC().Format(time.RFC3339)
}
