package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/task"
)

// termsQuery are the parameters that say how a task is to be run, and submissionQuery all
// that say of a submission what there is to say, its input and key apart.
var (
	termsQuery      = []string{"function", "retries", "backoff", "timeout", "keep", "callback"}
	submissionQuery = append([]string{"plugin", "version", "priority", "delay", "at"}, termsQuery...)
)

// setSubmission takes up what a query says. A parameter without a value says nothing.
func setSubmission(s *queue.Submission, query string) error {
	return eachOnce(query, func(name, value string) (err error) {
		switch name {
		case "plugin":
			s.Plugin = value
		case "version":
			s.Version = value
		case "priority":
			var n int
			n, err = parseCount(name, value, task.LeastPriority)
			s.Priority = &n
		case "delay":
			s.Delay, err = parseSpan(name, value)
		case "at":
			s.At, err = parseMoment(name, value)
		default:
			err = setTerm(&s.Terms, name, value)
		}
		return err
	})
}

// setTerm takes up one of the termsQuery.
func setTerm(t *task.Terms, name, value string) (err error) {
	switch name {
	case "function":
		t.Function = value
	case "retries":
		var n int
		n, err = parseCount(name, value, 0)
		t.Retries = &n
	case "backoff":
		t.Backoff, err = parseSpan(name, value)
	case "timeout":
		t.Timeout, err = parseSpan(name, value)
	case "keep":
		t.Keep, err = parseSpan(name, value)
	case "callback":
		t.Callback = value
	}
	return err
}

// eachOnce tells of each parameter that has a value, and refuses one that comes twice.
func eachOnce(query string, tell func(name, value string) error) error {
	var space [16]string
	seen := space[:0]
	for rest := query; rest != ""; {
		var name, value string
		var err error
		if name, value, rest, err = nextParameter(rest); err != nil {
			return err
		}
		if value == "" {
			continue
		}
		for _, other := range seen {
			if other == name {
				return task.Faultf(task.KindInvalid, "the query has %s twice", name)
			}
		}
		seen = append(seen, name)
		if err := tell(name, value); err != nil {
			return err
		}
	}
	return nil
}

// idempotencyKey reads the header Idempotency-Key: as a string of RFC 9651, in quotes, as
// the IETF's draft has it (draft-ietf-httpapi-idempotency-key-header), or as it is, which is
// how most write it. Without the header it is "".
func idempotencyKey(header http.Header) (string, error) {
	values := header["Idempotency-Key"]
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if inner, ok := strings.CutPrefix(key, `"`); ok {
		if inner, ok = strings.CutSuffix(inner, `"`); ok && !strings.ContainsAny(inner, `"\`) {
			key = inner
		}
	}
	if len(values) > 1 || key == "" {
		return "", task.Faultf(task.KindInvalid, "the header Idempotency-Key has %d values, the first of which is %.80q; send it once, with something in it", len(values), values[0])
	}
	return key, nil
}

// mostWait is how long a request waits for a task to end.
const mostWait = time.Minute

// preferredWait reads how long a client would rather wait for a task's end than be told
// that it has not ended (RFC 7240, section 4.3). More than mostWait is taken for that. A
// preference that cannot be read is none.
func preferredWait(header http.Header) time.Duration {
	for _, list := range header["Prefer"] {
		for preference := range strings.SplitSeq(list, ",") {
			name, value, _ := strings.Cut(preference, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			value, _, _ = strings.Cut(value, ";")
			seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
			if err != nil {
				return 0
			}
			return min(time.Duration(seconds)*time.Second, mostWait)
		}
	}
	return 0
}

// traceparent is what a request says of the trace that it is a part of. What is not as long
// as one is none.
func traceparent(header http.Header) string {
	const least, most = 55, 128
	if values := header["Traceparent"]; len(values) == 1 && len(values[0]) >= least && len(values[0]) <= most {
		return values[0]
	}
	return ""
}

// inputLimit bounds the input of a task by the version that is to run it, as things are.
func (s *server) inputLimit(plugin, version string) (task.Bytes, error) {
	p, err := s.Catalogue.Plugin(namespace, plugin)
	if err != nil {
		return 0, err
	}
	number := p.Live
	if n, err := strconv.Atoi(version); err == nil {
		number = n
	} else if number == 0 {
		return 0, task.Faultf(task.KindNotFound, "%s has no live version; make one live, or name one with version=1", plugin)
	}
	v, err := p.Version(number)
	if err == nil {
		err = v.RunsTasks()
	}
	return v.Run.Limits.Input, err
}
