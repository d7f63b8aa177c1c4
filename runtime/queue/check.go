package queue

import (
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/marketprism/prismrt/runtime/task"
)

// What a submission may ask for at most.
const (
	MostRetries  = 100
	MostBackoff  = day
	MostTimeout  = day
	MostDelay    = 365 * day
	MostKeep     = 10 * 365 * day
	MostKey      = 255  // bytes
	MostFunction = 255  // bytes
	MostURL      = 2048 // bytes
	mostTrace    = 512  // bytes of a traceparent, of which later versions are longer than 55
)

// checkSubmission says what is wrong with a submission, apart from its input's size.
func checkSubmission(s *Submission, now time.Time) *task.Fault {
	invalid := func(format string, args ...any) *task.Fault { return task.Faultf(task.KindInvalid, format, args...) }
	switch {
	case !validVersion(s.Version):
		return invalid("the version is %.40q; it must be live, pinned or a number from 1 on", s.Version)
	case s.Priority != nil && (*s.Priority < task.LeastPriority || *s.Priority > task.MostPriority):
		return invalid("the priority is %d; it must be from %d to %d, and a greater one goes first", *s.Priority, task.LeastPriority, task.MostPriority)
	case s.Delay != 0 && !s.At.IsZero():
		return invalid("there is a delay and a time; say one of them")
	case s.Delay < 0:
		return invalid("the delay is %v; it cannot be less than 0", s.Delay)
	case s.Delay > MostDelay:
		return invalid("the delay is %v; it can be %v at most, which is a year", s.Delay, MostDelay)
	case s.At.Sub(now) > MostDelay:
		return invalid("the time is %v; it can be a year from now at most", s.At.Format(time.RFC3339))
	case len(s.Key) > MostKey || !utf8.ValidString(s.Key):
		return invalid("the idempotency key has %d bytes; it must be text of %d bytes at most", len(s.Key), MostKey)
	}
	return checkTerms(&s.Terms)
}

// checkTerms says what is wrong with terms.
func checkTerms(t *task.Terms) *task.Fault {
	invalid := func(format string, args ...any) *task.Fault { return task.Faultf(task.KindInvalid, format, args...) }
	span := func(what string, d, most time.Duration) *task.Fault {
		if d < 0 || d > most {
			return invalid("the %s is %v; it must be from 0 to %v", what, d, most)
		}
		return nil
	}
	switch {
	case t.Retries != nil && (*t.Retries < 0 || *t.Retries > MostRetries):
		return invalid("the retries are %d; they must be from 0 to %d", *t.Retries, MostRetries)
	case len(t.Function) > MostFunction || !utf8.ValidString(t.Function):
		return invalid("the function's name has %d bytes; it must be text of %d bytes at most", len(t.Function), MostFunction)
	case len(t.Session) > MostFunction || !utf8.ValidString(t.Session):
		return invalid("the session's name has %d bytes; it must be text of %d bytes at most", len(t.Session), MostFunction)
	case len(t.Trace) > mostTrace || !utf8.ValidString(t.Trace):
		return invalid("the traceparent has %d bytes; it must be text of %d bytes at most", len(t.Trace), mostTrace)
	case len(t.Schedule) > MostFunction || !utf8.ValidString(t.Schedule):
		return invalid("the schedule's name has %d bytes; it must be text of %d bytes at most", len(t.Schedule), MostFunction)
	}
	for _, f := range []*task.Fault{
		span("timeout", t.Timeout, MostTimeout), span("backoff", t.Backoff, MostBackoff), span("time to keep the task", t.Keep, MostKeep),
	} {
		if f != nil {
			return f
		}
	}
	if t.Callback == "" {
		return nil
	}
	if u, err := url.Parse(t.Callback); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(t.Callback) > MostURL {
		return invalid("the callback is %.80q; it must be a URL with http or https and a host, of %d bytes at most", t.Callback, MostURL)
	}
	return nil
}

// checkInput says where an input is too large; most 0: nothing is known of that.
func checkInput(size, most int64) *task.Fault {
	if most > 0 && size > most {
		return task.Faultf(task.KindTooLarge, "the input is %v and limits.input is %v; raise the limit in the manifest, or send less", task.Bytes(size), task.Bytes(most))
	}
	return nil
}
