package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
)

// Media types of a manifest.
const (
	ManifestTOML = "application/toml"
	ManifestJSON = "application/json"
)

// PushOptions adjust an upload. The zero value uploads a module without a
// manifest, to go live.
type PushOptions struct {
	// Manifest is the text of the plugin's manifest. Nil: the module goes alone
	// and the server's defaults hold.
	Manifest []byte

	// ManifestType is ManifestTOML or ManifestJSON. Empty: TOML.
	ManifestType string

	// Runtime is the language of a script, which is then pushed in a module's place, and File
	// its name, which tracebacks show. Empty: it is a module.
	Runtime, File string

	// NotLive stores the version and leaves the live one serving.
	NotLive bool

	// Progress is told how many bytes of the request have been handed to the
	// connection, out of how many. It is called from another goroutine, and a
	// last time perhaps after Push has returned. Nil: nobody is told.
	Progress func(sent, total int64)
}

// Push uploads a module as a version of the plugin called name. The server
// checks, compiles and starts it before the name leads to it: a module that
// cannot run is a *Problem and changes nothing.
//
// The same module and manifest as a stored version make no new one: that
// version is returned, and created is false.
func (c *Client) Push(ctx context.Context, name string, module []byte, opts PushOptions) (v *Version, created bool, err error) {
	body, contentType, err := uploadBody(module, opts)
	if err != nil {
		return nil, false, err
	}
	query := url.Values{}
	if opts.NotLive {
		query.Set("live", "false")
	}
	if opts.Runtime != "" {
		query.Set("runtime", opts.Runtime)
		if opts.File != "" {
			query.Set("file", opts.File)
		}
	}
	path := pluginPath(name)
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	open := func() io.ReadCloser {
		return io.NopCloser(&progressReader{r: bytes.NewReader(body), total: int64(len(body)), report: opts.Progress})
	}
	req, err := c.request(ctx, http.MethodPut, path, open())
	if err != nil {
		return nil, false, err
	}
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return open(), nil }
	req.Header.Set("Content-Type", contentType)
	// A server that refuses the upload says so before the body is on its way.
	// Otherwise it would close the connection on a client that is still
	// writing, which then may see the broken connection and not the answer.
	req.Header.Set("Expect", "100-continue")

	resp, err := c.send(req)
	if err != nil {
		return nil, false, err
	}
	defer resp.Body.Close()
	v = new(Version)
	if err := decode(resp, v); err != nil {
		return nil, false, err
	}
	return v, resp.StatusCode == http.StatusCreated, nil
}

// uploadBody returns the module alone, or a form of module and manifest.
func uploadBody(module []byte, opts PushOptions) (body []byte, contentType string, err error) {
	code, codeType := "module", "application/wasm"
	if opts.Runtime != "" {
		code, codeType = "script", "text/plain; charset=utf-8"
	}
	if opts.Manifest == nil {
		return module, codeType, nil
	}
	manifestType := opts.ManifestType
	if manifestType == "" {
		manifestType = ManifestTOML
	}
	var form bytes.Buffer
	form.Grow(len(module) + len(opts.Manifest) + 1024)
	w := multipart.NewWriter(&form)
	for _, part := range []struct {
		name, mediaType string
		content         []byte
	}{
		{"manifest", manifestType, opts.Manifest},
		{code, codeType, module},
	} {
		header := textproto.MIMEHeader{}
		header.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q; filename=%q", part.name, part.name))
		header.Set("Content-Type", part.mediaType)
		pw, err := w.CreatePart(header)
		if err != nil {
			return nil, "", err
		}
		if _, err := pw.Write(part.content); err != nil {
			return nil, "", err
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return form.Bytes(), w.FormDataContentType(), nil
}

// progressReader reports how far it has been read.
type progressReader struct {
	r           io.Reader
	sent, total int64
	report      func(sent, total int64)
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.sent += int64(n)
	if p.report != nil && n > 0 {
		p.report(p.sent, p.total)
	}
	return n, err
}
