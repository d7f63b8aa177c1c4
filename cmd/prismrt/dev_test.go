package main_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/project"
)

// dev is a running "prismrt dev".
type dev struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner // of standard output and standard error, as they come
}

func startDev(t *testing.T, dir, url string, args ...string) *dev {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d := &dev{t: t, cmd: exec.Command(path, append([]string{"dev", dir, "--url", url}, args...)...), lines: bufio.NewScanner(out)}
	d.cmd.Stdout, d.cmd.Stderr = in, in
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := out.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		out.Close()
	})
	return d
}

// until returns the lines to the first one that begins so.
func (d *dev) until(want string) (lines []string) {
	d.t.Helper()
	for d.lines.Scan() {
		lines = append(lines, d.lines.Text())
		if strings.HasPrefix(d.lines.Text(), want) {
			return lines
		}
	}
	d.t.Fatalf("it ended before it said %q; it said:\n%s", want, strings.Join(lines, "\n"))
	return nil
}

// builds waits until nothing is left to build, which it then says, and counts.
func (d *dev) builds(what string, want int) {
	d.t.Helper()
	count := 0
	lines := d.until("watching ")
	for _, line := range lines {
		if strings.HasPrefix(line, "building ") {
			count++
		}
	}
	if count != want {
		d.t.Errorf("%s: %d builds, want %d:\n%s", what, count, want, strings.Join(lines, "\n"))
	}
}

// interrupt interrupts it, and it alone, and waits until it has ended.
func (d *dev) interrupt() {
	d.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		d.t.Fatal(err)
	}
	said := ""
	for d.lines.Scan() {
		said += d.lines.Text() + "\n"
	}
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("interrupted, it ends with %v:\n%s", err, said)
	}
}

// What is saved is live a moment later, unless it does not build.
func TestDevUploadsWhatChanges(t *testing.T) {
	dir := newProject(t, "go")
	s := start(t, t.TempDir())
	input := filepath.Join(t.TempDir(), "input")
	writeFile(t, input, "Ada")
	d := startDev(t, dir, s.url, "--data", "@"+input)
	source := filepath.Join(dir, "main.go")
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	d.until("Hello, Ada!")
	d.until("watching ")
	writeFile(t, source, "no Go")
	d.until("prismrt: ")
	writeFile(t, source, strings.Replace(string(text), `"!\n"`, `"?\n"`, 1))
	d.until("Hello, Ada?")
	writeFile(t, input, "Bob")
	writeFile(t, filepath.Join(dir, "prism.toml"), "name = \"moin\"\ngrants.config.greeting = \"Moin\"\n")
	d.until("Moin, Bob?")
	d.interrupt()
}

// sources is the file of a new project that is edited.
var sources = map[string]string{
	"go": "main.go", "rust": "src/lib.rs", "zig": "plugin.zig", "assemblyscript": "plugin.ts", "c": "main.c", "cpp": "main.cpp", "python": "handler.py", "javascript": "handler.js",
}

func TestDevIsNotSetOffByWhatItsOwnBuildsWrite(t *testing.T) {
	s := start(t, t.TempDir())
	for _, l := range project.Languages {
		t.Run(l.Name, func(t *testing.T) {
			dir := newProject(t, l.Name)
			source, known := sources[l.Name]
			if !known {
				t.Skip("which file of it is edited is not known here")
			}
			d := startDev(t, dir, s.url)
			d.builds("at the start", 1)
			now := time.Now()
			if err := os.Chtimes(filepath.Join(dir, source), now, now); err != nil {
				t.Fatal(err)
			}
			d.builds("after a touch", 1)
			d.interrupt()
		})
	}
}

func TestDevBuildsOnceForEachSave(t *testing.T) {
	dir := newProject(t, "c")
	s := start(t, t.TempDir())
	d := startDev(t, dir, s.url)
	d.builds("at the start", 1)
	source := filepath.Join(dir, "main.c")
	read, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	edited := func() string {
		number++
		return string(read) + "// " + strconv.Itoa(number) + "\n"
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, way := range []struct {
		name string
		save func()
	}{
		{"truncated and written", func() { writeFile(t, source, edited()) }},
		{"truncated, and written in two steps", func() {
			f, err := os.Create(source)
			check(err)
			text := edited()
			_, err = f.WriteString(text[:20])
			check(err)
			check(f.Sync())
			_, err = f.WriteString(text[20:])
			check(errors.Join(err, f.Close()))
		}},
		{"written beside and renamed", func() {
			writeFile(t, filepath.Join(dir, "sedZ3kq1"), edited())
			check(os.Rename(filepath.Join(dir, "sedZ3kq1"), source))
		}},
		{"as vim does", func() {
			writeFile(t, filepath.Join(dir, "4913"), "")
			check(os.Remove(filepath.Join(dir, "4913")))
			check(os.Rename(source, source+"~"))
			writeFile(t, source, edited())
			check(os.Chmod(source, 0o644))
			check(os.Remove(source + "~"))
		}},
		{"written as it was", func() { writeFile(t, source, edited()[:len(read)]) }},
		{"a file in a new folder", func() {
			check(os.MkdirAll(filepath.Join(dir, "part", "of"), 0o755))
			writeFile(t, filepath.Join(dir, "part", "of", "it.h"), "")
		}},
		{"an edit in that folder", func() { writeFile(t, filepath.Join(dir, "part", "of", "it.h"), "// it\n") }},
		{"the folder is gone", func() { check(os.RemoveAll(filepath.Join(dir, "part"))) }},
		{"what is not source, and a save", func() {
			writeFile(t, filepath.Join(dir, "serve.log"), "listening\n")
			check(os.MkdirAll(filepath.Join(dir, "prismrt-data"), 0o755))
			writeFile(t, filepath.Join(dir, "prismrt-data", "prismrt.db"), "")
			writeFile(t, filepath.Join(dir, ".main.c.swp"), "")
			check(os.Chmod(source, 0o600))
			writeFile(t, source, edited())
		}},
	} {
		way.save()
		d.builds(way.name, 1)
	}
	d.interrupt()
}

// held is a Makefile whose builds wait for the test: each copies the source, writes down its
// process, and then reads what a pipe has for it.
const held = `.PHONY: plugin.wasm
plugin.wasm:
	@trap '' INT; cp main.c new.wasm; echo $$$$ > .pid; cat .held > gen.h; mv new.wasm plugin.wasm
`

// newHeld makes a project that builds so. What it returns lets one build go on.
func newHeld(t *testing.T) (dir string, release func()) {
	t.Helper()
	dir = newProject(t, "c")
	pipe := filepath.Join(dir, ".held")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "Makefile"), held)
	return dir, func() {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
			f, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			if err == nil {
				_, err = f.WriteString("// generated\n")
				if err := errors.Join(err, f.Close(), os.Remove(filepath.Join(dir, ".pid"))); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, syscall.ENXIO) || time.Now().After(deadline) { // nobody reads it yet
				t.Fatal(err)
			}
		}
	}
}

func TestDevBuildsAgainWhatWasSavedDuringABuildAndNotWhatTheBuildWrote(t *testing.T) {
	dir, release := newHeld(t)
	source := filepath.Join(dir, "main.c")
	writeFile(t, filepath.Join(dir, "gen.h"), "// generated\n")
	d := startDev(t, dir, "http://127.0.0.1:1") // no server: it is not about uploads
	release()
	d.builds("at the start", 1)
	writeFile(t, source, "one")
	d.until("building ")
	waitForFile(t, filepath.Join(dir, ".pid"))
	writeFile(t, source, "two")
	release()
	d.until("building ")
	release()
	d.builds("after the second", 0)
	if built, err := os.ReadFile(filepath.Join(dir, "plugin.wasm")); err != nil || string(built) != "two" {
		t.Errorf("what was built is %q, %v", built, err)
	}
	d.interrupt()
}

func TestDevThatIsInterruptedInABuildTakesAllOfTheBuildWithIt(t *testing.T) {
	dir, _ := newHeld(t)
	d := startDev(t, dir, "http://127.0.0.1:1")
	d.until("building ")
	shell, err := strconv.Atoi(strings.TrimSpace(waitForFile(t, filepath.Join(dir, ".pid"))))
	if err != nil {
		t.Fatal(err)
	}
	d.interrupt() // which reads until all have closed its pipe
	for deadline := time.Now().Add(30 * time.Second); syscall.Kill(shell, 0) == nil; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the build goes on")
		}
	}
}

// waitForFile waits until a file has a line.
func waitForFile(t *testing.T, path string) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if text, err := os.ReadFile(path); err == nil && strings.HasSuffix(string(text), "\n") {
			return string(text)
		}
	}
	t.Fatalf("waited in vain for %s", path)
	return ""
}

func TestDevWaitsForAServerThatIsNotThereYet(t *testing.T) {
	dir := newProject(t, "c")
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := reserved.Addr().String()
	reserved.Close()
	d := startDev(t, dir, "http://"+address, "--data", "Ada")
	d.until("prismrt: cannot reach http://" + address)
	d.until("watching " + dir + ", and waiting for the server")
	start(t, t.TempDir(), "--listen", address)
	if lines := d.until("Hello, Ada!"); strings.Contains(strings.Join(lines, "\n"), "building ") {
		t.Errorf("it built again what was built:\n%s", strings.Join(lines, "\n"))
	}
	d.until("watching ")
	d.interrupt()
}

func TestDevPrintsJSONForPrograms(t *testing.T) {
	dir := newProject(t, "c")
	s := start(t, t.TempDir())
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "dev", dir, "--url", s.url, "--data", "Ada", "--json")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var row struct {
		Module  string
		Created bool
		Version struct{ Version int }
		Answer  struct{ Output string }
	}
	rows := json.NewDecoder(out)
	if err := rows.Decode(&row); err != nil || !row.Created || row.Version.Version != 1 || row.Answer.Output != "Hello, Ada!\n" || row.Module != filepath.Join(dir, "plugin.wasm") {
		t.Errorf("%v: %+v", err, row)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(io.MultiReader(rows.Buffered(), out)); err != nil || strings.TrimSpace(string(rest)) != "" {
		t.Errorf("it goes on with %q, %v", rest, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("terminated, it ends with %v", err)
	}
}
