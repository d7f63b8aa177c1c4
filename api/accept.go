package api

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/marketprism/prismrt/runtime/task"
)

// negotiate chooses the media type of an answer by the Accept header (RFC 9110, section
// 12.5.1): of those on offer the one that the client likes best, and among equals the
// first. Without a header it is the first. Where the client takes none of them, the error
// is answered 406.
func negotiate(r *http.Request, offers ...string) (string, error) {
	header := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(header) == "" {
		return offers[0], nil
	}
	best, most := "", 0.
	for _, offer := range offers {
		if q := quality(header, offer); q > most {
			best, most = offer, q
		}
	}
	if best == "" {
		return "", &httpFault{http.StatusNotAcceptable, task.Faultf(task.KindInvalid, "the answer is %s, and the header Accept takes none of that: %.200q",
			strings.Join(offers, " or "), header)}
	}
	return best, nil
}

// quality is how much an Accept header likes a media type, 0 to 1, by the most specific
// of its ranges that the type is in. A range that cannot be read is none.
func quality(header, offer string) (q float64) {
	group, _, _ := strings.Cut(offer, "/")
	closest := 0
	for element := range strings.SplitSeq(header, ",") {
		mediaType, parameters, err := mime.ParseMediaType(element)
		if err != nil {
			continue
		}
		closeness := map[string]int{"*/*": 1, group + "/*": 2, offer: 3}[mediaType]
		if closeness <= closest {
			continue
		}
		closest, q = closeness, 1
		if weight, ok := parameters["q"]; ok {
			if q, err = strconv.ParseFloat(weight, 64); err != nil || !(q >= 0 && q <= 1) {
				q = 0
			}
		}
	}
	return q
}
