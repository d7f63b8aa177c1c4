// Package cgi says an HTTP request in the words of CGI (RFC 3875), and takes a
// program's output for an answer. It works on values alone; who runs the program is not
// its affair.
package cgi

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/marketprism/prismrt/runtime/task"
)

// MaxEnviron bounds what Environ returns, in bytes.
const MaxEnviron = 64 << 10

// metaVariables are the names of the variables that Environ sets besides the HTTP_ ones.
var metaVariables = []string{
	"CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT",
	"REQUEST_METHOD", "REQUEST_URI", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE",
}

// IsMetaVariable tells whether an environment variable is the request's.
func IsMetaVariable(name string) bool {
	return strings.HasPrefix(name, "HTTP_") || slices.Contains(metaVariables, name)
}

// withheld are headers that no program is shown: those that CGI has variables of its own
// for, those of the connection, and those that would give it what is meant for others.
// Proxy is what many libraries take HTTP_PROXY for (httpoxy, CVE-2016-5385). Cookies are
// sent to all ports of a host, so they are of other servers, too.
var withheld = map[string]bool{
	"Content-Length": true, "Content-Type": true,
	"Authorization": true, "Cookie": true, "Proxy": true, "Proxy-Authorization": true,
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// Environ returns the variables, as "name=value", of a request for the program at the path
// script, with a body of so many bytes. What follows script in the path is PATH_INFO.
//
// Faults: invalid where the path holds a control character, too_large over MaxEnviron.
func Environ(r *http.Request, script string, body int) ([]string, error) {
	rest := strings.TrimPrefix(r.URL.Path, script)
	if strings.ContainsFunc(rest, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return nil, task.Faultf(task.KindInvalid, "the path %.80q holds a control character, which programs are not given", r.URL.Path)
	}
	name, port := r.Host, "80"
	if host, p, err := net.SplitHostPort(r.Host); err == nil {
		if name, port = host, p; strings.Contains(host, ":") {
			name = "[" + host + "]"
		}
	}
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		port = strconv.Itoa(at.Port)
	}
	environ := []string{
		"GATEWAY_INTERFACE=CGI/1.1",
		"SERVER_SOFTWARE=prismrt",
		"SERVER_PROTOCOL=" + r.Proto,
		"SERVER_NAME=" + name,
		"SERVER_PORT=" + port,
		"REQUEST_METHOD=" + r.Method,
		"REQUEST_URI=" + r.URL.RequestURI(), // not of the RFC, and everywhere
		"SCRIPT_NAME=" + script,
		"PATH_INFO=" + rest,
		"QUERY_STRING=" + r.URL.RawQuery,
	}
	if host, port, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		environ = append(environ, "REMOTE_ADDR="+host, "REMOTE_HOST="+host, "REMOTE_PORT="+port)
	}
	if t := r.Header.Get("Content-Type"); t != "" {
		environ = append(environ, "CONTENT_TYPE="+t)
	}
	if body > 0 {
		environ = append(environ, "CONTENT_LENGTH="+strconv.Itoa(body))
	}
	environ = append(environ, "HTTP_HOST="+r.Host)
	return bounded(appendHeaders(environ, r.Header))
}

// appendHeaders appends the HTTP_ variables, by their names.
func appendHeaders(environ []string, header http.Header) []string {
	begin := len(environ)
	connection := strings.Join(header["Connection"], ",")
	for name, values := range header {
		// Foo_Bar would come out as Foo-Bar does, and may be anybody's.
		if withheld[name] || strings.Contains(name, "_") || listed(connection, name) {
			continue
		}
		variable := "HTTP_" + strings.ReplaceAll(strings.ToUpper(name), "-", "_")
		environ = append(environ, variable+"="+strings.Join(values, ", "))
	}
	slices.Sort(environ[begin:])
	return environ
}

// listed tells whether a comma-separated list has the name.
func listed(list, name string) bool {
	for element := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(element), name) {
			return true
		}
	}
	return false
}

func bounded(environ []string) ([]string, error) {
	length := 0
	for _, v := range environ {
		length += len(v) + 1
	}
	if length > MaxEnviron {
		return nil, task.Faultf(task.KindTooLarge, "the request's line and headers come to %v as environment variables; %v is the most", task.Bytes(length), task.Bytes(MaxEnviron))
	}
	return environ, nil
}
