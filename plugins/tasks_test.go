package plugins_test

import (
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestThePolicyOfTasksIsTheManifestsAndOtherwiseTheServers(t *testing.T) {
	c, r := open(t, t.TempDir())
	of := func(text string) (task.Policy, error) {
		t.Helper()
		u := upload("up", text)
		var err error
		if u.Manifest, err = plugins.ParseTOML([]byte("[tasks]\n" + text)); err != nil {
			t.Fatal(err)
		}
		v, _, err := c.Add(t.Context(), u)
		if err == nil && r.loaded[v.Ref].Tasks != v.Run.Tasks {
			t.Errorf("%s: loaded with %+v", text, r.loaded[v.Ref].Tasks)
		}
		return v.Run.Tasks, err
	}
	const second, hour = task.Duration(time.Second), task.Duration(time.Hour)
	standard := task.Policy{Retries: 3, Backoff: second, MaxBackoff: 60 * second, Keep: hour, KeepDead: 24 * hour}
	for text, change := range map[string]func(*task.Policy){
		"":                           func(*task.Policy) {},
		"retries = 0\nkeep = \"2h\"": func(p *task.Policy) { p.Retries, p.Keep = 0, 2*hour },
		"concurrency = 2\nrate = 0.5\nkeep_dead = \"1h\"": func(p *task.Policy) { p.Concurrency, p.Rate, p.KeepDead = 2, 0.5, hour },
		"backoff = \"2m\"":       func(p *task.Policy) { p.Backoff, p.MaxBackoff = 120*second, 120*second },
		"max_backoff = \"10ms\"": func(p *task.Policy) { p.Backoff, p.MaxBackoff = second/100, second/100 },
	} {
		want := standard
		change(&want)
		if got, err := of(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"retries = 101":                          "tasks.retries is 101; it must be from 0 to 100",
		"retries = -1":                           "tasks.retries",
		"backoff = \"0s\"":                       "tasks.backoff is 0s",
		"backoff = \"2s\"\nmax_backoff = \"1s\"": "tasks.backoff is 2s, more than tasks.max_backoff (1s)",
		"keep = \"90000h\"":                      "tasks.keep is",
		"keep_dead = \"-1s\"":                    "tasks.keep_dead is",
		"concurrency = -1":                       "tasks.concurrency",
		"rate = -0.1":                            "tasks.rate",
	} {
		if _, err := of(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
