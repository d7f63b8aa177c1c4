package cgi

import (
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// MaxHeader bounds what comes before the body, in bytes.
const MaxHeader = 64 << 10

// Response is what a program answers.
type Response struct {
	Status int // 200 to 599
	Header http.Header
	Body   []byte // of the output: it is not copied
}

// kept are response headers that are not the program's to send, and why. Pages of all
// programs come from the same origin as the API does (docs/cgi.md, "Strangers' pages").
var kept = map[string]string{
	"Set-Cookie": ofAll, "Set-Cookie2": ofAll, "Clear-Site-Data": ofAll, "Accept-Ch": ofAll, "Service-Worker-Allowed": ofAll, "Strict-Transport-Security": ofAll,
	"Public-Key-Pins": ofAll, "Alt-Svc": ofAll, "Nel": ofAll, "Report-To": ofAll, "Reporting-Endpoints": ofAll,
	"Connection": hop, "Keep-Alive": hop, "Proxy-Connection": hop, "Te": hop, "Trailer": hop, "Transfer-Encoding": hop, "Upgrade": hop,
	"Www-Authenticate": password, "Proxy-Authenticate": password,
	"X-Sendfile": order, "X-Lighttpd-Send-File": order, "X-Reproxy-Url": order,
	"Server-Timing": own, "X-Content-Type-Options": "",
}

const (
	ofAll    = "it would hold for the pages of all plugins, which share this server's origin"
	hop      = "the connection is the server's"
	password = "programs are not given the passwords that it would ask for"
	own      = "the server sends it"
	order    = "a proxy before the server may take it for an order, such as to send a file of its own"
)

// Parse takes a program's output for an answer (RFC 3875, section 6). Lines may end as
// they do in HTTP or in C. A redirect is the client's to follow, also within the server.
// Errors say what is wrong with the output.
func Parse(output []byte, method string) (Response, error) {
	r := Response{Header: make(http.Header)}
	rest := output
	for {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		if len(output)-len(after) > MaxHeader {
			return r, fmt.Errorf("what comes before the first blank line is over %d bytes; end the header with a blank line", MaxHeader)
		}
		if !ended {
			return r, fmt.Errorf("there is no blank line after the header, which ends at %.80q; write Content-Type: text/plain, a blank line, and then the body", line)
		}
		rest = after
		if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
			break
		}
		if err := r.field(string(line)); err != nil {
			return r, err
		}
	}
	r.Body = rest
	return r, r.complete(method)
}

// field takes a line of the header.
func (r *Response) field(line string) error {
	name, value, colon := strings.Cut(line, ":")
	switch {
	case strings.HasPrefix(line, "HTTP/"):
		return fmt.Errorf("it begins with the status line %.80q, as only programs that speak HTTP themselves do; write Status: 200 instead", line)
	case !colon || !httpguts.ValidHeaderFieldName(name):
		return fmt.Errorf("the line %.80q of its header is not a name, a colon and a value", line)
	}
	name, value = textproto.CanonicalMIMEHeaderKey(name), strings.Trim(value, " \t")
	if !httpguts.ValidHeaderFieldValue(value) {
		return fmt.Errorf("its header %s has a control character in its value %.80q", name, value)
	}
	why, reserved := kept[name]
	switch {
	case reserved && why == "":
		return nil // what the server sends is as good
	case reserved:
		return fmt.Errorf("its header %s is not passed on: %s; leave it out", name, why)
	case strings.HasPrefix(name, "Prism-"):
		return fmt.Errorf("its header %s is not passed on: %s; leave it out", name, own)
	case strings.HasPrefix(name, "X-Accel-"): // nginx: X-Accel-Redirect
		return fmt.Errorf("its header %s is not passed on: %s; leave it out", name, order)
	case name == "Status" && r.Status != 0, isSingle(name) && r.Header[name] != nil:
		return fmt.Errorf("its header has %s twice", name)
	case name != "Status":
		r.Header.Add(name, value)
		return nil
	}
	code, _, _ := strings.Cut(value, " ")
	status, err := strconv.Atoi(code)
	if err != nil || len(code) != 3 || status < 200 || status > 599 {
		return fmt.Errorf("its Status is %.80q; write a number from 200 to 599, such as 404 Not Found", value)
	}
	r.Status = status
	return nil
}

func isSingle(name string) bool {
	return name == "Content-Type" || name == "Location" || name == "Content-Length"
}

// complete checks the header as a whole and fills in the status.
func (r *Response) complete(method string) error {
	location, contentType := r.Header.Get("Location"), r.Header.Get("Content-Type")
	switch {
	case r.Status == 0 && location == "" && contentType == "":
		return fmt.Errorf("its header has none of Content-Type, Status and Location; write one, such as Content-Type: text/plain")
	case len(r.Body) > 0 && contentType == "":
		return fmt.Errorf("there is a body and no Content-Type that says what it is; write one, such as Content-Type: text/plain")
	case r.Status == 0 && location != "":
		r.Status = http.StatusFound
	case r.Status == 0:
		r.Status = http.StatusOK
	}
	if r.Status == http.StatusNoContent || r.Status == http.StatusNotModified {
		r.Body = nil
		r.Header.Del("Content-Length")
		return nil
	}
	// A HEAD has the length of what a GET would have got, which is not there.
	if method == http.MethodHead {
		if len(r.Body) > 0 && r.Header["Content-Length"] == nil {
			r.Header.Set("Content-Length", strconv.Itoa(len(r.Body)))
		}
		r.Body = nil
		return r.checkLength(-1)
	}
	if err := r.checkLength(len(r.Body)); err != nil {
		return err
	}
	r.Header.Set("Content-Length", strconv.Itoa(len(r.Body)))
	return nil
}

// checkLength checks what the program says is the body's length; want is -1 where any is
// right.
func (r *Response) checkLength(want int) error {
	text := r.Header.Get("Content-Length")
	if text == "" {
		r.Header.Del("Content-Length")
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return fmt.Errorf("its Content-Length is %.80q, which is no number of bytes", text)
	}
	if want >= 0 && n != uint64(want) {
		return fmt.Errorf("its Content-Length is %d and its body has %d bytes; leave it out", n, want)
	}
	return nil
}
