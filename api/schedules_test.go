package api_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/api"
	"github.com/marketprism/prismrt/runtime/monitor"
	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/schedule"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

// forgetful is a queue that takes tasks and forgets them.
type forgetful struct{}

func (forgetful) Submit(_ context.Context, of []queue.Submission) ([]queue.Submitted, error) {
	return make([]queue.Submitted, len(of)), nil
}

// serveSchedules serves schedules of a keeper that does not run.
func serveSchedules(t *testing.T, schedules bool) (url string) {
	t.Helper()
	k, err := schedule.Open(t.Context(), schedule.Options{Store: volatile.New(), Queue: forgetful{}, Check: func(_ context.Context, s queue.Submission) error {
		if s.Plugin == "absent" {
			return task.Faultf(task.KindNotFound, "there is no plugin %q", s.Plugin)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	o := api.Options{Monitor: monitor.New(monitor.Sources{}), BodyTimeout: time.Minute, Log: slog.New(slog.DiscardHandler)}
	if schedules {
		o.Schedules = k
	}
	server := httptest.NewServer(api.New(o))
	t.Cleanup(server.Close)
	return server.URL + "/v1/schedules"
}

// scheduleDoc is what is looked at of a schedule.
type scheduleDoc struct {
	Name, Failure string
	Spec          schedule.Spec
	CreatedAt     time.Time   `json:"created_at"`
	UpdatedAt     time.Time   `json:"updated_at"`
	FiredAt       *time.Time  `json:"fired_at"`
	NextAt        *time.Time  `json:"next_at"`
	Next          []time.Time `json:"next"`
}

func TestASchedulesLife(t *testing.T) {
	url := serveSchedules(t, true)
	var put, got scheduleDoc
	const spec = `{"plugin":"p","cron":"30 2 * * *","zone":"Europe/Berlin","input":{"a":"<b>"},"priority":7}`
	ask(t, "PUT", url+"/nightly", spec).into(t, http.StatusOK, &put)
	if put.Name != "nightly" || put.Spec.Cron != "30 2 * * *" || string(put.Spec.Input) != `{"a":"<b>"}` || put.NextAt == nil || put.FiredAt != nil || put.CreatedAt.IsZero() || put.Next != nil {
		t.Errorf("put is %+v", put)
	}
	again := ask(t, "GET", url+"/nightly", "")
	var raw struct{ Spec json.RawMessage }
	again.into(t, http.StatusOK, &raw)
	ask(t, "PUT", url+"/nightly", string(raw.Spec)).into(t, http.StatusOK, &got)
	if !got.UpdatedAt.Equal(put.UpdatedAt) {
		t.Error("what was put as it was read is another schedule")
	}
	ask(t, "GET", url+"/nightly?next=3", "").into(t, http.StatusOK, &got)
	if len(got.Next) != 3 || !got.Next[0].Equal(*put.NextAt) || !got.Next[1].After(got.Next[0]) || got.Next[0].Location() != time.UTC {
		t.Errorf("next are %v", got.Next)
	}
	ask(t, "PUT", url+"/nightly", `{"plugin":"p","every_ms":60000,"paused":true}`).into(t, http.StatusOK, &put)
	if !put.CreatedAt.Equal(got.CreatedAt) || !put.UpdatedAt.After(got.UpdatedAt) {
		t.Errorf("changed it is %+v", put)
	}
	put = scheduleDoc{}
	ask(t, "GET", url+"/nightly", "").into(t, http.StatusOK, &put)
	if put.NextAt != nil || !put.Spec.Paused || put.Spec.Cron != "" {
		t.Errorf("paused it is %+v", put)
	}
	ask(t, "PUT", url+"/other", `{"plugin":"q","cron":"@daily","input":"`+strings.Repeat("x", 100_000)+`"}`).into(t, http.StatusOK, &put)
	var list struct{ Schedules []scheduleDoc }
	r := ask(t, "GET", url, "")
	r.into(t, http.StatusOK, &list)
	if len(list.Schedules) != 2 || list.Schedules[0].Name != "nightly" || list.Schedules[1].Name != "other" || len(r.text) > 2000 {
		t.Errorf("listed are %.500s", r.text)
	}
	ask(t, "GET", url+"?plugin=q", "").into(t, http.StatusOK, &list)
	if len(list.Schedules) != 1 || list.Schedules[0].Name != "other" {
		t.Errorf("of q there are %+v", list)
	}
	var deleted struct{ Deleted bool }
	if ask(t, "DELETE", url+"/nightly", "").into(t, http.StatusOK, &deleted); !deleted.Deleted {
		t.Error("it does not say that it is deleted")
	}
	ask(t, "GET", url+"/nightly", "").refused(t, http.StatusNotFound, task.KindNotFound, `no schedule "nightly"`)
	ask(t, "DELETE", url+"/nightly", "").refused(t, http.StatusNotFound, task.KindNotFound, `no schedule "nightly"`)
	ask(t, "DELETE", url+"/other", "").into(t, http.StatusOK, &deleted)
	if r := ask(t, "GET", url, ""); strings.TrimSpace(r.text) != `{"schedules":[]}` {
		t.Errorf("of none there is %s", r.text)
	}
}

func TestWhatIsNoScheduleIsRefused(t *testing.T) {
	url := serveSchedules(t, true)
	for _, tt := range []struct {
		method, path, body string
		status             int
		kind               task.Kind
		says               string
	}{
		{"PUT", "/a", `{"plugin":"p"}`, 400, task.KindInvalid, "neither cron nor every_ms"},
		{"PUT", "/a", `{"plugin":"p","cron":"* * *","zone":"Mars"}`, 400, task.KindInvalid, "Mars"},
		{"PUT", "/a", `{"plugin":"p","cron":"@daily","when":1}`, 400, task.KindInvalid, `"when"`},
		{"PUT", "/a", ``, 400, task.KindInvalid, "cannot be read"},
		{"PUT", "/A", `{"plugin":"p","cron":"@daily"}`, 400, task.KindInvalid, "cannot name a schedule"},
		{"PUT", "/a", `{"plugin":"absent","cron":"@daily"}`, 404, task.KindNotFound, `no plugin "absent"`},
		{"PUT", "/a", `{"plugin":"p","cron":"@daily","input":"` + strings.Repeat("x", 2<<20) + `"}`, 413, task.KindTooLarge, "2MiB"},
		{"PUT", "/a?paused=true", `{"plugin":"p","cron":"@daily"}`, 400, task.KindInvalid, "paused"},
		{"GET", "/a?next=101", ``, 400, task.KindInvalid, "100 at most"},
		{"GET", "/a?next=x", ``, 400, task.KindInvalid, "next"},
		{"POST", "/a", ``, 405, task.KindInvalid, "POST is not possible"},
	} {
		ask(t, tt.method, url+tt.path, tt.body).refused(t, tt.status, tt.kind, tt.says)
	}
	ask(t, "GET", serveSchedules(t, false), "").refused(t, http.StatusNotFound, task.KindNotFound, "nothing at /v1/schedules")
}
