package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/marketprism/prismrt/cmd/internal/served"
)

// submitted is how many tasks the server has taken since it was started.
func submitted(ctx context.Context, p *served.Process) (int64, error) {
	return metric(ctx, p, "prismrt_tasks_submitted_total")
}

// succeeded is how many of them have a result that is stored.
func succeeded(ctx context.Context, p *served.Process) (int64, error) {
	return metric(ctx, p, `prismrt_tasks_ended_total{state="succeeded"}`)
}

// metric adds up a metric over all plugins. name may end with labels, which then come first.
func metric(ctx context.Context, p *served.Process, name string) (sum int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Address+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, name) {
			continue
		}
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("the metric %q: %w", line, err)
		}
		sum += int64(value)
	}
	return sum, lines.Err()
}

// receiptCounter counts the tasks of a batch that were taken.
type receiptCounter struct {
	taken int
	last  []byte // line
}

// ReadFrom reads receipts, a line each.
func (c *receiptCounter) ReadFrom(r io.Reader) (n int64, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		n += int64(len(lines.Bytes())) + 1
		c.last = append(c.last[:0], lines.Bytes()...)
		if bytes.Contains(c.last, []byte(`"id":"`)) {
			c.taken++
		}
	}
	return n, lines.Err()
}
