//go:build linux

package bench_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// BenchmarkBatch has upper-c answer the order again and again over one connection: one
// goroutine writes, one reads, the server is a process of its own on the same machine.
// It reports calls a second, and what one costs either side of CPU.
func BenchmarkBatch(b *testing.B) {
	g := guests[0]
	module, _ := g.mustFiles(b)
	url, pid := startServer(b)
	answer(b, "PUT", url+"/v1/plugins/upper", module)
	for _, f := range []struct {
		name, mediaType string
		item, answer    []byte
	}{
		{"frames", "application/vnd.prism.frames", framed(nil, order), framed([]byte{0}, capitals)},
		{"ndjson", "application/x-ndjson", append(bytes.Clone(order), '\n'), fmt.Appendf(nil, `{"output":%s}`+"\n", capitals)},
	} {
		b.Run("format="+f.name, func(b *testing.B) {
			req, err := http.NewRequestWithContext(b.Context(), "POST", url+"/v1/plugins/upper/batch", io.NopCloser(&repeated{what: f.item, left: b.N * len(f.item)}))
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Content-Type", f.mediaType)
			server, client := processTime(b, pid), cpuTime(b)
			begun := time.Now()
			resp, err := batchClient.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				b.Fatal(resp.Status)
			}
			check(b, resp.Body, f.answer)
			took := time.Since(begun)
			per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(b.N) }
			b.ReportMetric(float64(b.N)/took.Seconds(), "calls/s")
			b.ReportMetric(per(processTime(b, pid)-server), "server-us/call")
			b.ReportMetric(per(cpuTime(b)-client), "client-us/call")
		})
	}
}

var batchClient = &http.Client{Transport: &http.Transport{WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10}}

// check reads b.N times the same answer.
func check(b *testing.B, body io.Reader, answer []byte) {
	r := bufio.NewReaderSize(body, 64<<10)
	got := make([]byte, len(answer))
	for n := range b.N {
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, answer) {
			b.Fatalf("answer %d of %d is %q, %v; want %q", n+1, b.N, got, err, answer)
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		b.Fatalf("after the last answer there is more: %v", err)
	}
}

// framed is an item behind its length, which is behind prefix.
func framed(prefix, item []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(prefix, uint32(len(item))), item...)
}

// repeated reads as the same bytes again and again.
type repeated struct {
	what     []byte
	at, left int
}

func (r *repeated) Read(p []byte) (n int, err error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	for n < len(p) && r.left > 0 {
		m := copy(p[n:], r.what[r.at:min(len(r.what), r.at+r.left)])
		n, r.left, r.at = n+m, r.left-m, (r.at+m)%len(r.what)
	}
	return n, nil
}

// startServer runs ../bin/prismrt, or what it builds, until the benchmark ends.
func startServer(b *testing.B) (url string, pid int) {
	path := filepath.Join("..", "bin", "prismrt")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		path = filepath.Join(b.TempDir(), "prismrt")
		build := exec.Command("go", "build", "-trimpath", "-o", path, "../cmd/prismrt")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	cmd := exec.Command(path, "serve", "--listen", "127.0.0.1:0", "--data", b.TempDir())
	stderr, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		for lines.Scan() {
		}
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	for lines.Scan() {
		if _, after, ok := strings.Cut(lines.Text(), "listening on "); ok {
			url, _, _ = strings.Cut(after, `"`)
			return url, cmd.Process.Pid
		}
	}
	b.Fatal("the server did not start")
	return "", 0
}

func answer(b *testing.B, method, url string, body []byte) {
	req, err := http.NewRequestWithContext(b.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 {
		b.Fatalf("%s %s: %s %s", method, url, resp.Status, text)
	}
}

// processTime is what a process has used of CPU, to ten milliseconds.
func processTime(b *testing.B, pid int) time.Duration {
	p, err := procfs.NewProc(pid)
	if err != nil {
		b.Fatal(err)
	}
	stat, err := p.Stat()
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(stat.CPUTime() * float64(time.Second))
}
