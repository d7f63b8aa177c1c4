package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/marketprism/prismrt/api"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/task"
)

// keeping is a queue that keeps nothing but what it is given.
type keeping struct {
	api.Queue

	mu    sync.Mutex
	calls [][]queue.Submission
	most  int           // tasks of one call
	block chan struct{} // nil: Submit does not wait for it
}

func (k *keeping) Submit(ctx context.Context, of []queue.Submission) ([]queue.Submitted, error) {
	if k.block != nil {
		select {
		case <-k.block:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.most = max(k.most, len(of))
	all := make([]queue.Submitted, len(of))
	kept := make([]queue.Submission, len(of))
	for n, s := range of {
		all[n] = queue.Submitted{ID: task.NewID(), State: task.Queued}
		s.Input = bytes.Clone(s.Input)
		kept[n] = s
	}
	k.calls = append(k.calls, kept)
	return all, nil
}

func (k *keeping) submitted() (all []queue.Submission) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, call := range k.calls {
		all = append(all, call...)
	}
	return all
}

// openTasks begins a batch of tasks.
func openTasks(t *testing.T, url, query, mediaType string) *stream {
	t.Helper()
	return open(t, url, "/v1/tasks/batch"+query, mediaType)
}

// taken reads an answer, which must be of a task.
func (s *stream) taken() (id string) {
	s.t.Helper()
	if s.mediaType == frames {
		id, failed, err := s.next()
		if err != nil || failed != nil || len(id) != 26 {
			s.t.Fatalf("answer %q, %+v, %v", id, failed, err)
		}
		return id
	}
	line, err := s.answers.ReadBytes('\n')
	var d struct{ ID, State string }
	if err != nil || json.Unmarshal(line, &d) != nil || len(d.ID) != 26 || d.State != "queued" {
		s.t.Fatalf("answer %q, %v", line, err)
	}
	return d.ID
}

func TestABatchOfTasksIsTakenInOrder(t *testing.T) {
	k := &keeping{}
	url, log := serveObeying(t, func(o *api.Options) { o.Queue = k })
	both(t, func(t *testing.T, mediaType string) {
		k.calls = nil
		s := openTasks(t, url, "?plugin=obey&function=again&priority=3", mediaType)
		if s.StatusCode != http.StatusAccepted || s.Header.Get("Content-Type") != mediaType {
			t.Fatal(s.Status, s.Header)
		}
		var body strings.Builder
		var inputs []string
		var failing []bool
		for n := range 5000 {
			input := fmt.Sprintf("input %d of %s", n, strings.Repeat("-", rand.IntN(600)))
			fails := rand.IntN(20) == 0
			switch {
			case mediaType == frames && fails:
				body.WriteString(item(frames, strings.Repeat("large", 300)))
			case mediaType == frames:
				body.WriteString(item(frames, input))
			case fails:
				body.WriteString(`{"colour":"red"}` + "\r\n\n")
			default:
				fmt.Fprintf(&body, `{"input":%q}`+"\n", input)
			}
			if !fails {
				inputs = append(inputs, input)
			}
			failing = append(failing, fails)
		}
		go func() {
			for rest := []byte(body.String()); len(rest) > 0; {
				n, err := s.input.Write(rest[:min(len(rest), 1+rand.IntN(100_000))])
				if err != nil {
					t.Error(err)
					return
				}
				rest = rest[n:]
			}
			s.input.Close()
		}()
		last := ""
		for n, fails := range failing {
			if fails {
				var line, want string
				if mediaType == frames {
					_, failed, err := s.next()
					line, want = fmt.Sprintf("%+v %v", failed, err), "too_large"
				} else {
					line, _ = s.answers.ReadString('\n')
					want = `"kind":"invalid"`
				}
				if !strings.Contains(line, want) || !strings.Contains(line, s.Header.Get("Prism-Request-Id")+"-"+strconv.Itoa(n+1)) {
					t.Fatalf("item %d is answered with %s", n+1, line)
				}
				continue
			}
			id := s.taken()
			if id <= last {
				t.Fatalf("after %s comes %s", last, id)
			}
			last = id
		}
		s.expectEnd()
		got := k.submitted()
		if len(got) != len(inputs) {
			t.Fatalf("%d tasks of %d were submitted", len(got), len(inputs))
		}
		for n, s := range got {
			if string(s.Input) != inputs[n] || s.Plugin != "obey" || s.Namespace != "default" || s.Terms.Function != "again" || *s.Priority != 3 {
				t.Fatalf("task %d is %+v, want %q", n+1, s, inputs[n])
			}
		}
		if k.most > 1024 {
			t.Errorf("%d tasks were submitted at once", k.most)
		}
	})
	awaitNoIntake(t)
	if log.String() != "" {
		t.Errorf("the server complained:\n%s", log)
	}
}

// awaitNoIntake waits until no batch of tasks has a goroutine.
func awaitNoIntake(t *testing.T) {
	t.Helper()
	await(t, "goroutines to end", func() bool {
		stacks := make([]byte, 1<<20)
		return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("api.(*intake)"))
	})
}

func TestABatchOfTasksIsAConversation(t *testing.T) {
	url, _ := serveObeying(t)
	s := openTasks(t, url, "", ndjson)
	for n := range 200 {
		if _, err := fmt.Fprintf(s.input, `{"plugin":"obey","input":"ping %d"}`+"\n", n); err != nil {
			t.Fatal(err)
		}
		id := s.taken()
		if n%50 == 0 {
			if r := ask(t, "GET", url+"/v1/tasks/"+id+"/result?wait=30s", ""); r.text != fmt.Sprint("ping ", n) {
				t.Errorf("its result is %d %s", r.StatusCode, r.text)
			}
		}
	}
	s.input.Close()
	s.expectEnd()
}

// What comes while a lot is stored is the next one: there are no more of them than that.
func TestWhatComesWhileALotIsStoredIsStoredTogether(t *testing.T) {
	k := &keeping{block: make(chan struct{})}
	url, _ := serveObeying(t, func(o *api.Options) { o.Queue = k })
	s := openTasks(t, url, "?plugin=obey", ndjson)
	s.send(`{"input":"first"}`)
	for n := range 100 {
		s.send(fmt.Sprintf(`{"input":%d}`, n))
	}
	s.input.Close()
	close(k.block)
	for range 101 {
		s.taken()
	}
	s.expectEnd()
	if all := k.submitted(); len(all) != 101 || string(all[0].Input) != "first" || string(all[100].Input) != "99" {
		t.Errorf("%d tasks were submitted", len(all))
	}
	if len(k.calls) > 60 {
		t.Errorf("they were submitted in %d calls", len(k.calls))
	}
}

func TestABatchThatCannotBeTasksIsRefused(t *testing.T) {
	url, _ := serveObeying(t)
	for _, c := range []struct {
		query, mediaType string
		status           int
		says             string
	}{
		{"", "text/plain", 415, "application/vnd.prism.frames or application/x-ndjson"},
		{"?colour=red", ndjson, 400, `unknown query parameter "colour"`},
		{"?retries=x", ndjson, 400, "whole number"},
		{"", frames, 400, "add plugin=NAME"},
		{"?plugin=none", frames, 404, `no plugin "none"`},
	} {
		r := ask(t, "POST", url+"/v1/tasks/batch"+c.query, "{}", "Content-Type", c.mediaType)
		kind := task.KindInvalid
		if c.status == 404 {
			kind = task.KindNotFound
		}
		r.refused(t, c.status, kind, c.says)
	}
}

func TestWhereABatchOfTasksEndsIsTold(t *testing.T) {
	k := &keeping{}
	url, _ := serveObeying(t, func(o *api.Options) { o.Queue = k })
	for name, c := range map[string]struct {
		mediaType, body string
		taken           int
		says            string // the last answer, after those
	}{
		"nothing":                 {ndjson, "", 0, ""},
		"blank lines":             {ndjson, "\n\r\n \t\n", 0, ""},
		"no line feed":            {ndjson, "{}\n{}", 2, ""},
		"half a line":             {ndjson, "{}\n{\"input\":", 1, "not JSON"},
		"a line that is long":     {ndjson, `{"input":"` + strings.Repeat("a", 3<<20) + "\"}\n{}\n", 2, ""},
		"a line that is too long": {ndjson, "{}\n" + `{"input":"` + strings.Repeat("a", 17<<20) + `"}`, 1, "the line is over 16MiB"},
		"half a frame":            {frames, item(frames, "a") + item(frames, "bcd")[:5], 1, "2 of the 3 bytes of a frame"},
		"a huge frame":            {frames, item(frames, "a") + "\xff\xff\xff\xff" + strings.Repeat("b", 1<<20), 1, "what comes after it is not looked for"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, sized := range []bool{true, false} {
				var body io.Reader = strings.NewReader(c.body)
				if !sized {
					body = io.MultiReader(body)
				}
				s := &stream{t: t, mediaType: c.mediaType, Response: start(t.Context(), t, url, "/v1/tasks/batch?plugin=obey", c.mediaType, body)}
				s.answers = bufio.NewReader(s.Body)
				for range c.taken {
					s.taken()
				}
				rest, err := io.ReadAll(s.answers)
				if err != nil || c.says == "" && len(rest) > 0 || !strings.Contains(string(rest), c.says) {
					t.Errorf("then comes %.300q, %v; want %q", rest, err, c.says)
				}
				s.Body.Close()
			}
		})
	}
}

func TestABatchOfTasksEndsWithItsClient(t *testing.T) {
	k := &keeping{block: make(chan struct{})}
	url, _ := serveObeying(t, func(o *api.Options) { o.Queue = k })
	ctx, leave := context.WithCancel(t.Context())
	body, input := io.Pipe()
	resp := start(ctx, t, url, "/v1/tasks/batch?plugin=obey", ndjson, body)
	for range 3000 { // more than two lots
		if _, err := io.WriteString(input, "{}\n"); err != nil {
			t.Fatal(err)
		}
	}
	leave()
	resp.Body.Close()
	close(k.block) // who is storing cannot know that there is nobody to tell
	awaitNoIntake(t)
}

func TestAClientThatDoesNotReadItsTasksIsNotReadFrom(t *testing.T) {
	url, _ := serveObeying(t, func(o *api.Options) { o.Queue = naming{} })
	conn := dial(t, url, "/v1/tasks/batch?plugin=obey", ndjson)
	many := strings.Repeat(`{"input":"`+strings.Repeat("-", 100)+"\"}\n", 600)
	piece := fmt.Sprintf("%x\r\n%s\r\n", len(many), many)
	pieces, rest := writeUntilStuck(t, conn, piece)
	s := goOn(t, conn, rest, ndjson)
	for range 600 * pieces {
		s.taken()
	}
	s.expectEnd()
	awaitNoIntake(t)
}

func TestBatchesOfTasksHammered(t *testing.T) {
	url, log := serveObeying(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := make(map[string]bool)
	for range 6 {
		wg.Go(func() {
			for range 5 {
				s := openTasks(t, url, "?plugin=obey", ndjson)
				many := 1 + rand.IntN(3000)
				leaves := rand.IntN(4) == 0
				go func(many int) {
					for n := range many {
						if _, err := fmt.Fprintf(s.input, `{"input":"n%d","retries":0}`+"\n", n); err != nil {
							return
						}
					}
					s.input.Close()
				}(many)
				if leaves {
					many /= 2
				}
				for range many {
					id := s.taken()
					mu.Lock()
					if seen[id] {
						t.Errorf("%s was answered twice", id)
					}
					seen[id] = true
					mu.Unlock()
				}
				if leaves {
					s.input.CloseWithError(io.ErrUnexpectedEOF)
					s.Body.Close()
					continue
				}
				s.expectEnd()
			}
		})
	}
	wg.Wait()
	awaitNoIntake(t)
	checked := 0
	for id := range seen {
		if d := show(t, url, id); d.ID != id {
			t.Errorf("task %s is %+v", id, d)
		}
		if checked++; checked == 200 {
			break
		}
	}
	if log.String() != "" {
		t.Errorf("the server complained:\n%s", log)
	}
}
