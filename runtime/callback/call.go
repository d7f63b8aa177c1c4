package callback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/marketprism/prismrt/runtime/outbound"
)

// answer is what a call came to.
type answer struct {
	told  bool          // the receiver took it
	gone  bool          // it is not to be told again, of this task
	fault string        // why it was not told; "": it was
	ours  bool          // the receiver was not called
	down  bool          // the receiver did not answer, or said that something is wrong with it
	after time.Duration // it asked to be left alone for that long; 0: it did not
	took  time.Duration // until it answered; 0: it did not
}

// mostAnswer bounds what is read of an answer's body, in bytes: nothing is made of it, and
// a connection on which there is more is not used again.
const mostAnswer = 64 << 10

// mostAfter bounds how long a receiver can ask to be left alone.
const mostAfter = time.Hour

// newClient makes a client that goes to allowed hosts alone, and no further than that: it does
// not follow redirects.
func newClient(o *Options) *http.Client {
	return o.Hosts.Client(outbound.NewTransport(outbound.Limits{
		Connect: o.Timeout, Idle: o.AtOnce, PerHost: o.PerReceiver, Header: mostAnswer,
	}, func(context.Context) *outbound.Hosts { return &o.Hosts }), 0)
}

// call tells a URL.
func (s *Sender) call(ctx context.Context, to, id string, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return answer{fault: "its URL is not one", gone: true, ours: true}
	}
	begun := time.Now()
	signature, err := s.options.Signer.Sign(id, begun, body)
	if err != nil {
		return answer{fault: "it cannot be signed: " + err.Error(), ours: true}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "prismrt")
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", strconv.FormatInt(begun.Unix(), 10))
	request.Header.Set("webhook-signature", signature)
	response, err := s.client.Do(request)
	if err != nil {
		return answer{fault: s.explain(err), down: true}
	}
	a := judge(response, begun)
	a.took = time.Since(begun)
	_, _ = io.CopyN(io.Discard, response.Body, mostAnswer)
	_ = response.Body.Close()
	return a
}

// judge says what an answer means.
func judge(r *http.Response, now time.Time) answer {
	a := answer{fault: fmt.Sprintf("it answered %d", r.StatusCode)}
	switch code := r.StatusCode; {
	case code >= 200 && code < 300:
		a.told, a.fault = true, ""
	case code >= 300 && code < 400:
		a.fault += ", and redirects are not followed; give the URL that it leads to"
	case code == http.StatusGone:
		a.gone = true
		a.fault += ": it does not want to be told"
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		a.after = min(retryAfter(r.Header.Get("Retry-After"), now), mostAfter)
		a.down = a.after == 0 && code == http.StatusServiceUnavailable
	case code >= 500:
		a.down = true
	}
	return a
}

// retryAfter reads how long a receiver wants to be left alone: seconds, or a date (RFC 9110,
// section 10.2.3). What cannot be read is 0.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// mostFault bounds why a try failed, as it is stored, in bytes.
const mostFault = 300

// explain gives words to an error, without the URL, which may have secrets in it.
func (s *Sender) explain(err error) string {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("it did not answer within %v", s.options.Timeout)
	}
	text := "it cannot be called: " + err.Error()
	if len(text) > mostFault {
		end := mostFault
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	return text
}
