package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
)

// Media types of a batch.
const (
	typeFrames = "application/vnd.prism.frames"
	typeLines  = "application/x-ndjson"
)

// Batch runs a plugin on each input, all over one connection and many at once, and
// yields in the same order what became of each: the output, which belongs to the caller,
// or a *Problem of that input alone. Any other error, and a *Problem of the whole, is the
// last that is yielded. The timeout is of each call.
//
// Inputs are taken on another goroutine and sent as they come, some ahead of the answers;
// an input may be used again once the next is asked for. When ctx ends, or the caller
// takes no more, the server stops what runs, and no more inputs are asked for than the
// one that may be waited for.
//
// What is ranged over is one batch: it can be ranged over once where inputs can.
func (c *Client) Batch(ctx context.Context, plugin string, inputs iter.Seq[[]byte], opts CallOptions) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		box := newOutbox()
		defer box.close(context.Canceled)
		go func() {
			var length [4]byte
			for input := range inputs {
				binary.LittleEndian.PutUint32(length[:], uint32(len(input)))
				if !box.send(length[:], input) {
					return
				}
			}
			box.close(io.EOF)
		}()
		body, err := c.batch(ctx, plugin, typeFrames, box, opts)
		if err != nil {
			yield(nil, err)
			return
		}
		defer body.Close()
		answers := bufio.NewReaderSize(body, 64<<10)
		for {
			output, err := readAnswer(answers)
			if err == io.EOF { //nolint:errorlint // the end is never wrapped
				return
			}
			_, failed := errors.AsType[*Problem](err)
			if err != nil && !failed {
				err = fmt.Errorf("read the outputs of %q: %w", plugin, err)
			}
			if !yield(output, err) || err != nil && !failed {
				return
			}
		}
	}
}

// BatchLines is Batch in lines: of JSON, mostly, but any text of a line is an input as it
// is. Blank ones are none. The answer to each is a line, too, a JSON object with the field
// "output", "output_base64" (of what is not text) or "error" (a Problem). Answers are read as
// they come; the caller closes them. A read error means that lines were not answered.
func (c *Client) BatchLines(ctx context.Context, plugin string, lines io.Reader, opts CallOptions) (answers io.ReadCloser, err error) {
	return c.batch(ctx, plugin, typeLines, lines, opts)
}

func (c *Client) batch(ctx context.Context, plugin, mediaType string, body io.Reader, opts CallOptions) (io.ReadCloser, error) {
	path := pluginPath(plugin) + "/batch"
	if opts.Function != "" {
		path += "/" + url.PathEscape(opts.Function)
	}
	req, err := c.request(ctx, http.MethodPost, path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", mediaType)
	opts.setHeaders(req)
	resp, err := c.send(req)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// readAnswer reads a frame: a status, the length and as many bytes. A status other than
// 0 is of a problem. The error is io.EOF only before a frame.
func readAnswer(r *bufio.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	var payload bytes.Buffer
	n := int64(binary.LittleEndian.Uint32(head[1:]))
	payload.Grow(int(min(n, 1<<20))) // more is not believed before it comes
	if _, err := io.CopyN(&payload, r, n); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	if head[0] == 0 {
		return payload.Bytes(), nil
	}
	var p Problem
	if err := json.Unmarshal(payload.Bytes(), &p); err != nil {
		return nil, fmt.Errorf("a problem that is none: %w", err)
	}
	return nil, &p
}
