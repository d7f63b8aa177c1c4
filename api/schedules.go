package api

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/marketprism/prismrt/runtime/schedule"
	"github.com/marketprism/prismrt/runtime/task"
)

// Schedules keeps schedules, as a schedule.Keeper does.
type Schedules interface {
	Put(ctx context.Context, namespace, name string, s schedule.Spec) (put schedule.Schedule, created bool, err error)
	Get(namespace, name string) (schedule.Schedule, error)
	List(namespace string) []schedule.Schedule
	Delete(ctx context.Context, namespace, name string) error
}

func (s *server) routeSchedules(r chi.Router) {
	r.Get("/v1/schedules", s.handle(s.listSchedules, "plugin"))
	r.Get("/v1/schedules/{name}", s.handle(s.showSchedule, "next"))
	r.Put("/v1/schedules/{name}", s.handle(s.putSchedule))
	r.Delete("/v1/schedules/{name}", s.handle(s.deleteSchedule))
}

// maxSchedule bounds a schedule with its input, in bytes.
const maxSchedule = 2 << 20

// scheduleDoc is a schedule for callers. What they put is its spec.
type scheduleDoc struct {
	Name      string        `json:"name"`
	Namespace string        `json:"namespace"`
	Spec      schedule.Spec `json:"spec"`
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"`
	FiredAt   *time.Time    `json:"fired_at,omitempty"` // the moment that it last submitted a task for
	LastTask  task.ID       `json:"last_task,omitempty"`
	NextAt    *time.Time    `json:"next_at,omitempty"` // absent: it is paused, or cannot be read
	Next      []time.Time   `json:"next,omitempty"`    // as many moments as were asked for
	Failure   string        `json:"failure,omitempty"` // why no task was submitted last
}

func scheduleDocOf(s *schedule.Schedule) scheduleDoc {
	return scheduleDoc{
		Name: s.Name, Namespace: s.Namespace, Spec: s.Spec, CreatedAt: s.Created, UpdatedAt: s.Updated,
		FiredAt: moment(s.Fired), LastTask: s.Last, NextAt: moment(s.Next), Failure: s.Failure,
	}
}

// moment is nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// listSchedules leaves inputs out: they may be large.
func (s *server) listSchedules(w http.ResponseWriter, r *request) error {
	plugin := r.URL.Query().Get("plugin")
	all := []scheduleDoc{}
	for _, one := range s.Schedules.List(namespace) {
		if plugin != "" && plugin != one.Spec.Plugin {
			continue
		}
		one.Spec.Input, one.Spec.InputBase64 = nil, nil
		all = append(all, scheduleDocOf(&one))
	}
	return s.writeJSON(w, http.StatusOK, map[string]any{"schedules": all})
}

// mostNext is how many moments are told at most.
const mostNext = 100

func (s *server) showSchedule(w http.ResponseWriter, r *request) error {
	next := 0
	if text := r.URL.Query().Get("next"); text != "" {
		var err error
		if next, err = parseCount("next", text, 0); err != nil {
			return err
		}
		if next > mostNext {
			return task.Faultf(task.KindInvalid, "next is %d; it can be %d at most", next, mostNext)
		}
	}
	one, err := s.Schedules.Get(namespace, r.param("name"))
	if err != nil {
		return err
	}
	doc := scheduleDocOf(&one)
	for _, t := range one.NextN(next) {
		doc.Next = append(doc.Next, t.UTC())
	}
	return s.writeJSON(w, http.StatusOK, doc)
}

func (s *server) putSchedule(w http.ResponseWriter, r *request) error {
	body, err := s.readBody(w, r, maxSchedule, "the most a schedule may be")
	if err != nil {
		return err
	}
	spec, err := schedule.ParseSpec(body)
	if err != nil {
		return err
	}
	put, _, err := s.Schedules.Put(r.Context(), namespace, r.param("name"), spec)
	if err != nil {
		return err
	}
	return s.writeJSON(w, http.StatusOK, scheduleDocOf(&put))
}

func (s *server) deleteSchedule(w http.ResponseWriter, r *request) error {
	name := r.param("name")
	if err := s.Schedules.Delete(r.Context(), namespace, name); err != nil {
		return err
	}
	return s.writeJSON(w, http.StatusOK, map[string]any{"name": name, "deleted": true})
}
