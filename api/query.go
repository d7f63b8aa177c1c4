package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// nextParameter cuts the first parameter off a query.
func nextParameter(query string) (name, value, rest string, err error) {
	pair, rest, _ := strings.Cut(query, "&")
	if strings.Contains(pair, ";") {
		return "", "", rest, task.Faultf(task.KindInvalid, "the query has a ; at %.80q; write %%3B", pair)
	}
	name, value, _ = strings.Cut(pair, "=")
	if name, err = url.QueryUnescape(name); err == nil {
		value, err = url.QueryUnescape(value)
	}
	if err != nil {
		return "", "", rest, task.Faultf(task.KindInvalid, "the query cannot be read at %.80q; a %% is written %%25", pair).CausedBy(err)
	}
	return name, value, rest, nil
}

// anyParameter is known by a route whose query is not ours.
const anyParameter = "*"

// checkQuery refuses parameters a route does not know, by name, and those that cannot be
// read.
func checkQuery(r *http.Request, known []string) error {
	if slices.Contains(known, anyParameter) {
		return nil
	}
	for rest := r.URL.RawQuery; rest != ""; {
		var name string
		var err error
		if name, _, rest, err = nextParameter(rest); err != nil {
			return err
		}
		switch {
		case name == "" || slices.Contains(known, name):
		case len(known) == 0:
			return task.Faultf(task.KindInvalid, "unknown query parameter %q; none are known here", name)
		default:
			return task.Faultf(task.KindInvalid, "unknown query parameter %q; known here: %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// boolQuery reads a query parameter that is true or false.
func boolQuery(r *request, name string, absent bool) (bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return absent, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, task.Faultf(task.KindInvalid, "the query parameter %s is %.80q; write true or false", name, text)
	}
	return b, nil
}

// parseSpan reads a duration that is over 0. What names it in the refusal.
func parseSpan(what, text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, task.Faultf(task.KindInvalid, "%s is %.80q; write a positive number and a unit, such as 500ms or 1h30m", what, text)
	}
	return d, nil
}

// parseCount reads a whole number from least on.
func parseCount(what, text string, least int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least {
		return 0, task.Faultf(task.KindInvalid, "%s is %.80q; write a whole number from %d on", what, text, least)
	}
	return n, nil
}

// parseMoment reads a time of RFC 3339.
func parseMoment(what, text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, task.Faultf(task.KindInvalid, "%s is %.80q; write a time of RFC 3339, such as 2027-01-31T08:00:00Z, whose + is %%2B in a URL", what, text)
	}
	return at, nil
}
