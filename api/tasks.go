package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/reuse"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// Queue keeps tasks and has them run. Faults are as in package queue.
type Queue interface {
	// Submit takes tasks, and says of each what became of it.
	Submit(ctx context.Context, of []queue.Submission) ([]queue.Submitted, error)

	// Task returns what is known of a task.
	Task(ctx context.Context, namespace string, id task.ID, parts store.Parts) (queue.Task, error)

	// Ending has the end of a task be waited for.
	Ending(namespace string, id task.ID) *queue.Ending

	// Page returns the newest tasks that a query chooses, newest first.
	Page(ctx context.Context, of store.Query) ([]queue.Task, error)

	// Cancel ends a task.
	Cancel(ctx context.Context, namespace string, id task.ID) error

	// Retry sends a dead or canceled task again, and RetryAll all that a query chooses.
	Retry(ctx context.Context, namespace string, id task.ID, e queue.Edit) error
	RetryAll(ctx context.Context, of store.Query) (int, error)

	// Follow returns a reader of what happens to a task.
	Follow(ctx context.Context, namespace string, id task.ID, after queue.EventID) (*queue.Reader, error)

	// Waiting is how many tasks of a plugin have not ended.
	Waiting(namespace, plugin string) int64
}

// posted is what a submission needs until it is stored.
type posted struct {
	one     [1]queue.Submission
	in, out []byte
}

// posts keep what one submission needs for another.
var posts = reuse.New("submissions", mostKept, func() *posted { return new(posted) })

// submit takes a task: 202 once it is where nothing takes it.
func (s *server) submit(w http.ResponseWriter, r *request) error {
	kept := posts.Get()
	p := kept.Value
	defer func() {
		p.one[0] = queue.Submission{}
		posts.Put(kept, int(unsafe.Sizeof(*p))+cap(p.in)+cap(p.out))
	}()
	of := &p.one[0]
	of.Namespace, of.Terms.Trace = namespace, traceparent(r.Header)
	if err := setSubmission(of, r.URL.RawQuery); err != nil {
		return err
	}
	var err error
	if of.Terms.Session, err = sessionOf(r.Header); err != nil {
		return err
	}
	if of.Plugin == "" {
		return task.Faultf(task.KindInvalid, "which plugin is to run the task? Add plugin=NAME to the query")
	}
	r.plugin = of.Plugin
	if of.Key, err = idempotencyKey(r.Header); err != nil {
		return err
	}
	limit, err := s.inputLimit(of.Plugin, of.Version)
	if err != nil {
		return err
	}
	if p.in, err = readInto(p.in, w, r, limit, "limits.input of "+of.Plugin); err != nil {
		return err
	}
	of.Input = p.in
	wait := preferredWait(r.Header)
	of.Await = wait > 0
	all, err := s.Queue.Submit(r.Context(), p.one[:])
	if err == nil {
		err = all[0].Err
	}
	if err != nil {
		return refusedTask(err)
	}
	w.Header()["Location"] = []string{taskPath(all[0].ID)}
	if ending := all[0].Ending; ending != nil {
		defer ending.Stop()
		w.Header()["Preference-Applied"] = []string{"wait=" + strconv.Itoa(int(wait/time.Second))}
		return s.awaitResult(w, r, all[0].ID, ending, wait)
	}
	p.out = append(appendSubmitted(p.out[:0], &all[0]), '\n')
	w.Header()["Content-Type"] = jsonType
	s.write(w, http.StatusAccepted, p.out)
	return nil
}

var jsonType = []string{"application/json"}

func taskPath(id task.ID) string { return "/v1/tasks/" + url.PathEscape(string(id)) }

// refusedTask is why a task was not taken. That too many wait is of the client's doing here.
func refusedTask(err error) error {
	if f := task.FaultOf(err); f.Kind == task.KindBusy {
		return &httpFault{http.StatusTooManyRequests, f}
	}
	return err
}

// appendSubmitted writes the answer to a submission that was taken, whose id and state need
// no quoting.
func appendSubmitted(b []byte, of *queue.Submitted) []byte {
	b = append(append(b, `{"id":"`...), of.ID...)
	b = append(append(b, `","state":"`...), of.State...)
	if of.Seen {
		return append(b, `","seen":true}`...)
	}
	return append(b, `"}`...)
}

func (s *server) showTask(w http.ResponseWriter, r *request) error {
	withInput, err := boolQuery(r, "input", false)
	if err != nil {
		return err
	}
	var parts store.Parts
	if withInput {
		parts = store.WithInput
	}
	t, err := s.Queue.Task(r.Context(), namespace, r.taskID(), parts)
	if err != nil {
		return err
	}
	doc := taskDocOf(&t)
	doc.attemptsInFull(&t)
	if withInput {
		doc.Input, doc.InputBase64 = textOrBase64(t.Input)
	}
	return s.writeJSON(w, http.StatusOK, doc)
}

func (r *request) taskID() task.ID { return task.ID(r.param("id")) }

func (s *server) taskInput(w http.ResponseWriter, r *request) error {
	t, err := s.Queue.Task(r.Context(), namespace, r.taskID(), store.WithInput)
	if err != nil {
		return err
	}
	w.Header()["Content-Type"] = octets
	s.write(w, http.StatusOK, t.Input)
	return nil
}

const (
	defaultPage = 50
	mostPage    = 1000
)

// listTasks answers with a page of tasks, newest first, and where the next one is.
func (s *server) listTasks(w http.ResponseWriter, r *request) error {
	q, err := taskQuery(r)
	if err != nil {
		return err
	}
	limit := defaultPage
	if text := r.URL.Query().Get("limit"); text != "" {
		if limit, err = parseCount("limit", text, 1); err != nil {
			return err
		}
		limit = min(limit, mostPage)
	}
	q.Limit = limit + 1 // one more tells whether there is more
	q.Before = task.ID(r.URL.Query().Get("before"))
	page, err := s.Queue.Page(r.Context(), q)
	if err != nil {
		return err
	}
	answer := struct {
		Tasks []taskDoc `json:"tasks"`
		Next  string    `json:"next,omitempty"`
	}{Tasks: []taskDoc{}}
	for n := range page[:min(limit, len(page))] {
		answer.Tasks = append(answer.Tasks, *taskDocOf(&page[n]))
	}
	if len(page) > limit {
		next := url.Values{"before": {string(page[limit-1].ID)}, "limit": {strconv.Itoa(limit)}}
		if q.State != "" {
			next.Set("state", string(q.State))
		}
		if q.Plugin != "" {
			next.Set("plugin", q.Plugin)
		}
		answer.Next = "/v1/tasks?" + next.Encode()
		w.Header().Set("Link", "<"+answer.Next+`>; rel="next"`)
	}
	return s.writeJSON(w, http.StatusOK, answer)
}

// taskQuery reads which tasks are meant.
func taskQuery(r *request) (store.Query, error) {
	query := r.URL.Query()
	q := store.Query{Namespace: namespace, Plugin: query.Get("plugin"), State: task.State(query.Get("state"))}
	if q.State != "" && !slices.Contains(task.States, q.State) {
		return q, task.Faultf(task.KindInvalid, "no task is in the state %.80q; the states are %v", q.State, task.States)
	}
	return q, nil
}

func (s *server) cancelTask(w http.ResponseWriter, r *request) error {
	if err := s.Queue.Cancel(r.Context(), namespace, r.taskID()); err != nil {
		return err
	}
	return s.writeJSON(w, http.StatusAccepted, queuedTask{r.taskID(), task.Canceled})
}

// queuedTask is a task and where it stands.
type queuedTask struct {
	ID    task.ID    `json:"id"`
	State task.State `json:"state"`
}

// retryTask sends a task again, with another input if the request has one, and on other
// terms as far as it has some.
func (s *server) retryTask(w http.ResponseWriter, r *request) error {
	id := r.taskID()
	t, err := s.Queue.Task(r.Context(), namespace, id, 0)
	if err != nil {
		return err
	}
	var edit queue.Edit
	if r.URL.RawQuery != "" {
		edit.Terms = &t.Terms
		if err := eachOnce(r.URL.RawQuery, func(name, value string) error { return setTerm(edit.Terms, name, value) }); err != nil {
			return err
		}
	}
	input, err := s.editedInput(w, r, &t)
	if err != nil {
		return err
	}
	if input != nil {
		edit.Input = &input
	}
	if err := s.Queue.Retry(r.Context(), namespace, id, edit); err != nil {
		return refusedTask(err)
	}
	w.Header()["Location"] = []string{taskPath(id)}
	return s.writeJSON(w, http.StatusAccepted, queuedTask{id, task.Queued})
}

// editedInput reads the input that a task is to have from now on, nil: the one it has. A
// body of nothing is an input only where the Content-Type says that it is one.
func (s *server) editedInput(w http.ResponseWriter, r *request, t *queue.Task) ([]byte, error) {
	if r.ContentLength == 0 {
		if r.Header.Get("Content-Type") == octets[0] {
			return []byte{}, nil
		}
		return nil, nil
	}
	limit, err := s.inputLimit(t.Plugin, "")
	if t.Version != 0 {
		limit, err = s.inputLimit(t.Plugin, strconv.Itoa(t.Version))
	}
	if err != nil {
		return nil, err
	}
	return s.readBody(w, r, limit, "limits.input of "+t.Plugin)
}

// retryTasks sends all dead tasks again, or all canceled ones.
func (s *server) retryTasks(w http.ResponseWriter, r *request) error {
	q, err := taskQuery(r)
	if err != nil {
		return err
	}
	switch q.State {
	case "":
		q.State = task.Dead
	case task.Dead, task.Canceled:
	default:
		return task.Faultf(task.KindInvalid, "tasks that are %s are not sent again; write state=dead or state=canceled", q.State)
	}
	n, err := s.Queue.RetryAll(r.Context(), q)
	if err != nil {
		return refusedTask(err)
	}
	return s.writeJSON(w, http.StatusAccepted, map[string]int{"retried": n})
}

// cancelsAtOnce is how many tasks are canceled at the same time, so that they share commits.
const cancelsAtOnce = 64

// cancelTasksOf cancels all tasks of a plugin that have not ended.
func (s *server) cancelTasksOf(ctx context.Context, plugin string) error {
	for canceled := -1; canceled != 0; {
		canceled = 0
		for _, state := range task.States {
			if state.Ended() {
				continue
			}
			q := store.Query{Namespace: namespace, Plugin: plugin, State: state, Limit: mostPage}
			for {
				page, err := s.Queue.Page(ctx, q)
				if err != nil {
					return err
				}
				if len(page) == 0 {
					break
				}
				n, err := s.cancelAll(ctx, page)
				if err != nil {
					return err
				}
				canceled += n
				q.Before = page[len(page)-1].ID
			}
		}
	}
	return nil
}

// cancelAll cancels tasks and returns how many. Those that have ended meanwhile are none.
func (s *server) cancelAll(ctx context.Context, tasks []queue.Task) (canceled int, err error) {
	turns := make(chan struct{}, cancelsAtOnce)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for n := range tasks {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			failed := s.Queue.Cancel(ctx, namespace, tasks[n].ID)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case failed == nil:
				canceled++
			case !slices.Contains([]task.Kind{task.KindConflict, task.KindNotFound}, task.FaultOf(failed).Kind):
				err = failed
			}
		})
	}
	wg.Wait()
	return canceled, err
}
