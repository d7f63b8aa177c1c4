package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/marketprism/prismrt/sdk/client"
)

// A schedule goes on over kills, its tasks are run by the version that they are pinned to,
// and their ends are told to a URL, signed with the secret in the data folder.
func TestSchedulesPinnedTasksAndCallbacksSurviveKills(t *testing.T) {
	data := t.TempDir()
	type message struct {
		Type string
		Data struct {
			ID, Schedule string
			Version      int
			Output       json.RawMessage
		}
	}
	var mu sync.Mutex
	got := map[string]message{}
	var unsigned []error
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		secret, err := os.ReadFile(filepath.Join(data, "callback.secret"))
		if err == nil {
			var hook *standardwebhooks.Webhook
			if hook, err = standardwebhooks.NewWebhook(strings.TrimSpace(string(secret))); err == nil {
				err = hook.Verify(body, r.Header)
			}
		}
		var m message
		if err == nil {
			err = json.Unmarshal(body, &m)
		}
		mu.Lock()
		defer mu.Unlock()
		got[m.Data.ID] = m
		if err != nil {
			unsigned = append(unsigned, err)
		}
	}))
	defer receiver.Close()
	config := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, config, fmt.Sprintf("[callbacks]\nhosts = [%q]\n", strings.TrimPrefix(receiver.URL, "http://")))

	s := start(t, data, "--config", config)
	s.upload("tell", telling(1))
	if status, answer := s.do("PUT", "/v1/plugins/tell", telling(2)); status != http.StatusCreated {
		t.Fatalf("upload: %d %s", status, answer)
	}
	spec := fmt.Sprintf(`{"plugin":"tell","version":"1","every_ms":1000,"missed":"all","callback":%q}`, receiver.URL)
	if status, answer := s.do("PUT", "/v1/schedules/often", []byte(spec)); status != http.StatusOK {
		t.Fatalf("put: %d %s", status, answer)
	}
	s.fails(404, "not_found", `"absent"`, "PUT", "/v1/schedules/odd", []byte(`{"plugin":"absent","every_ms":1000}`))
	s.fails(400, "invalid", "from 0 to 9", "PUT", "/v1/schedules/odd", []byte(`{"plugin":"tell","every_ms":1000,"priority":10}`))
	s.fails(403, "forbidden", "not allowed", "PUT", "/v1/schedules/odd", []byte(`{"plugin":"tell","every_ms":1000,"callback":"https://example.com/"}`))
	s.fails(403, "forbidden", "not allowed", "POST", "/v1/tasks?plugin=tell&callback=https://example.com/", nil)

	told := func() int { mu.Lock(); defer mu.Unlock(); return len(got) }
	for round := range 3 {
		before := told()
		for began := time.Now(); told() < before+2; time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > time.Minute {
				t.Fatalf("round %d: nothing is told", round)
			}
		}
		s.kill()
		s = start(t, data, "--config", config)
	}
	if status, answer := s.do("DELETE", "/v1/schedules/often", nil); status != http.StatusOK {
		t.Fatalf("delete: %d %s", status, answer)
	}
	c, err := client.New(s.url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// Each second has one task, each of them was run by version 1 and told.
	began := time.Now()
	for {
		var tasks []*client.Task
		all := true
		for task, err := range c.Tasks(t.Context(), client.TaskQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			all = all && task.State.Ended()
			tasks = append(tasks, task)
		}
		if all && told() == len(tasks) {
			seconds := map[int64]bool{}
			for _, task := range tasks {
				if task.State != client.Succeeded || task.Schedule != "often" || task.Version != 1 {
					t.Errorf("task %+v", task)
				}
				seconds[task.CreatedAt.Unix()] = true
			}
			first, last := tasks[len(tasks)-1].CreatedAt, tasks[0].CreatedAt
			if n := int(last.Sub(first).Round(time.Second)/time.Second) + 1; len(tasks) < n-1 || len(tasks) > n+1 {
				t.Errorf("%d tasks in %v", len(tasks), last.Sub(first))
			}
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("after a minute %d are told of %d tasks", told(), len(tasks))
		}
		time.Sleep(20 * time.Millisecond)
	}
	mu.Lock()
	defer mu.Unlock()
	if unsigned != nil {
		t.Error(unsigned[0])
	}
	for id, m := range got {
		if m.Type != "task.succeeded" || m.Data.Schedule != "often" || m.Data.Version != 1 || string(m.Data.Output) != `"0001"` {
			t.Errorf("told of %s is %+v", id, m)
		}
	}
	t.Logf("%d tasks were told", len(got))
}

func TestCallbacksAreRefusedWhereNoHostIsListed(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	s.upload("tell", telling(1))
	s.fails(403, "forbidden", "callbacks are off", "POST", "/v1/tasks?plugin=tell&callback=https://example.com/", nil)
	if _, err := os.Stat(filepath.Join(data, "callback.secret")); err == nil {
		t.Error("there is a secret that nothing is signed with")
	}
	config := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, config, "[callbacks]\nhosts = [\"https://example.com\"]\n")
	if _, errs, code := command(t, nil, "serve", "--config", config); code != 2 || !strings.Contains(errs, "callbacks.hosts") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}
