package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/terminal"
)

type clockCmd struct {
	Kills  int    `default:"9" help:"How often the server is killed."`
	Source string `type:"existingdir" default:"." help:"The folder of prismrt's sources."`
	shortLives
	users
}

// Help is shown by "ledger clock --help".
func (*clockCmd) Help() string {
	return "The server is built with a clock that can be set: of Go's time package a copy is compiled whose Now adds what a variable of the environment says. " +
		"Nothing else of the server is another. Each of its lives has its clock right, an hour forward, or an hour back, one after the other, and is killed; " +
		"the last one an hour forward, so that all is due. In the end the same must hold as with \"ledger kill\"."
}

// clockVariable says by how many seconds the clock of a server is set.
const clockVariable = "PRISMRT_LEDGER_CLOCK"

// Run sets the clock and prints the account.
func (k *clockCmd) Run(ctx context.Context, term *terminal.IO, g *globals) error {
	if err := errors.Join(k.users.check(k.Kills), k.shortLives.check()); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "prismrt-clock-")
	if err != nil {
		return err
	}
	binary := filepath.Join(dir, "prismrt")
	if err := buildClock(ctx, k.Source, dir, binary); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	err = g.try(term, "", fmt.Sprintf("killed %d times, with the clock set in between", k.Kills), func(t *trial) (account, error) {
		return lives{
			times: k.Kills, doing: "killing",
			start: func(life int) (*callers, error) {
				hours := 1 // the last one, so that all is due
				if life < k.Kills {
					hours = []int{0, 1, -1, 1, 0, -1}[life%6]
				}
				c, err := t.start(ctx, append([]string{"env", clockVariable + "=" + strconv.Itoa(3600*hours)}, t.argv(binary)...))
				if err != nil {
					return nil, err
				}
				return c, c.tells(ctx, time.Now().Add(time.Duration(hours)*time.Hour))
			},
			end: func(c *callers) error { return t.live(ctx, c, k.crowd(), k.one(t)) },
			// By that clock attempts began that others made an hour ago.
			uncounted: true,
		}.all(ctx, term, t)
	})
	return errors.Join(err, os.RemoveAll(dir))
}

// tells checks that a server's clock is where it was set.
func (c *callers) tells(ctx context.Context, want time.Time) error {
	resp, err := c.send(ctx, http.MethodGet, "/readyz", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return err
	}
	if got.Sub(want).Abs() > time.Minute {
		return fmt.Errorf("the server's clock is at %v and was set to %v", got, want)
	}
	return nil
}

// buildClock builds a prismrt whose clock can be set.
func buildClock(ctx context.Context, source, dir, binary string) error {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("%w: there is no Go: %w", errUnable, err)
	}
	folder := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(folder, "time.go"))
	if err != nil {
		return err
	}
	const begins = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if bytes.Count(text, []byte(begins)) != 1 {
		return fmt.Errorf("%w: this Go's time.Now is not as it was in Go 1.26", errUnable)
	}
	text = bytes.Replace(text, []byte(begins), []byte(begins+"\tsec += clockSet\n"), 1)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(folder, "time.go"):     filepath.Join(dir, "time.go"),
		filepath.Join(folder, "clockset.go"): filepath.Join(dir, "clockset.go"),
	}})
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{"time.go": text, "clockset.go": []byte(clockSet), "overlay.json": overlay} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "./cmd/prismrt")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build a prismrt whose clock can be set: %w\n%s", err, out)
	}
	return nil
}

// clockSet is a file of Go's time package.
const clockSet = `package time

import "syscall"

// clockSet is what is added to the time, in seconds.
var clockSet = func() (seconds int64) {
	text, _ := syscall.Getenv("` + clockVariable + `")
	sign := int64(1)
	for _, c := range text {
		if c == '-' {
			sign = -1
			continue
		}
		seconds = 10*seconds + int64(c-'0')
	}
	return sign * seconds
}()
`
