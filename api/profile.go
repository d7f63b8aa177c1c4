package api

import (
	"bytes"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/marketprism/prismrt/runtime/profile"
	"github.com/marketprism/prismrt/runtime/task"
)

// profileQuery are the parameters of profile.
var profileQuery = []string{"window", "format", "version", "diff", "by"}

// defaultWindow is the time that a profile is of.
const defaultWindow = 5 * time.Minute

// profileFormats are those there are, and the media types by which Accept asks for them,
// of which the first is what the answer has.
var profileFormats = []struct {
	name  string
	types []string
}{
	{"json", []string{"application/json", "application/*", "*/*"}},
	{"pprof", []string{"application/vnd.google.protobuf", "application/x-protobuf", "application/octet-stream"}},
	{"folded", []string{"text/plain", "text/*"}},
	{"svg", []string{"image/svg+xml", "image/*", "text/html"}},
}

// profile answers where a version's guests burnt their fuel and waited.
//
//	window   the time up to now, 5s to 15m [5m]
//	format   json, pprof, folded or svg [what Accept names first, or json]
//	version  its number [the live one]
//	diff     shows how it differs: from another version in the same time
//	         (version:1), or from itself in a window that ended so long ago (5m)
//	by       what folded and svg weigh: fuel, or time waited on the host (host) [fuel]
//
// Where nothing was sampled the answer is a profile without stacks, which says so.
func (s *server) profile(w http.ResponseWriter, r *request) error {
	p, err := s.Catalogue.Plugin(namespace, r.param("name"))
	if err != nil {
		return err
	}
	format, mediaType, err := profileFormat(r)
	if err != nil {
		return err
	}
	by, err := profileWeight(r)
	if err != nil {
		return err
	}
	q := profile.Query{Ref: task.Ref{Namespace: p.Namespace, Plugin: p.Name, Version: p.Live}, Lines: format == "pprof" || format == "json"}
	if q.Window, err = profileTime(r, "window", defaultWindow); err != nil {
		return err
	}
	query := r.URL.Query()
	if text := query.Get("version"); text != "" {
		if q.Ref.Version, err = versionNumber("version", text); err != nil {
			return err
		}
	} else if p.Live == 0 {
		return task.Faultf(task.KindNotFound, "%s has no live version; name one with ?version=1", p.Name)
	}
	if _, err := p.Version(q.Ref.Version); err != nil {
		return err
	}
	var base *profile.Profile
	if text := query.Get("diff"); text != "" {
		other, err := baseOf(q, text)
		if err != nil {
			return err
		}
		if _, err := p.Version(other.Ref.Version); err != nil {
			return err
		}
		base = s.Profiles.Take(other)
	}
	return s.writeProfile(w, s.Profiles.Take(q), base, format, mediaType, by)
}

func (s *server) writeProfile(w http.ResponseWriter, p, base *profile.Profile, format, mediaType string, by profile.Weight) error {
	header := w.Header()
	header.Set("Vary", "Accept")
	header.Set("Cache-Control", "no-store")
	var body bytes.Buffer // an error has a status of its own
	var err error
	switch format {
	case "json":
		return s.writeJSON(w, http.StatusOK, p.Summary(base))
	case "pprof":
		header.Set("Content-Disposition", `attachment; filename="`+p.Ref.Plugin+`.pb.gz"`)
		err = p.WritePprof(&body, base)
	case "folded":
		err = p.WriteFolded(&body, base, by)
	case "svg":
		// Nothing in it is a script, and nothing in it may be.
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		err = p.WriteSVG(&body, base, by)
	}
	if err != nil {
		return err
	}
	header.Set("Content-Type", mediaType)
	s.write(w, http.StatusOK, body.Bytes())
	return nil
}

// profileFormat is the format that is asked for and its media type.
func profileFormat(r *request) (name, mediaType string, err error) {
	text := r.URL.Query().Get("format")
	var names []string
	for _, f := range profileFormats {
		if f.name == text {
			return f.name, utf8Type(f.types[0]), nil
		}
		names = append(names, f.name)
	}
	if text != "" {
		return "", "", task.Faultf(task.KindInvalid, "%.80q is not a format of profiles; those are %s", text, strings.Join(names, ", "))
	}
	for _, accepted := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		wanted, _, err := mime.ParseMediaType(accepted)
		if err != nil {
			continue
		}
		for _, f := range profileFormats {
			if slices.Contains(f.types, wanted) {
				return f.name, utf8Type(f.types[0]), nil
			}
		}
	}
	return "json", "application/json", nil
}

// utf8Type says of what kind text is.
func utf8Type(mediaType string) string {
	if strings.HasPrefix(mediaType, "text/") {
		return mediaType + "; charset=utf-8"
	}
	return mediaType
}

func profileWeight(r *request) (profile.Weight, error) {
	switch text := profile.Weight(r.URL.Query().Get("by")); text {
	case "", profile.ByFuel:
		return profile.ByFuel, nil
	case profile.ByHost:
		return text, nil
	default:
		return "", task.Faultf(task.KindInvalid, "stacks are not weighed by %.80q; write fuel, or host for the time waited there", text)
	}
}

// profileTime reads a duration that profiles can be of.
func profileTime(r *request, name string, absent time.Duration) (time.Duration, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return absent, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, task.Faultf(task.KindInvalid, "%s is %.80q; write a number and a unit, such as 5m", name, text)
	}
	if d < profile.Resolution || d > profile.Longest {
		return 0, task.Faultf(task.KindInvalid, "%s is %v; profiles are kept for %v, in windows of %v: ask for something between", name, d, profile.Longest, profile.Resolution)
	}
	return d, nil
}

// baseOf says what a profile is to be compared with.
func baseOf(q profile.Query, diff string) (profile.Query, error) {
	if number, ok := strings.CutPrefix(diff, "version:"); ok {
		version, err := versionNumber("diff", number)
		q.Ref.Version = version
		return q, err
	}
	ago, err := time.ParseDuration(diff)
	if err != nil || ago < profile.Resolution {
		return q, task.Faultf(task.KindInvalid, "diff is %.80q; write version:1 to compare with that version, or a time such as 5m to compare with a window that ended so long ago", diff)
	}
	if ago+q.Window > profile.Longest {
		return q, task.Faultf(task.KindInvalid, "a window of %v that ended %v ago is older than the %v that profiles are kept; shorten window or diff", q.Window, ago, profile.Longest)
	}
	q.Ago = ago
	return q, nil
}

func versionNumber(name, text string) (int, error) {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return 0, task.Faultf(task.KindInvalid, "%s is %.80q; that is not the number of a version", name, text)
	}
	return number, nil
}
