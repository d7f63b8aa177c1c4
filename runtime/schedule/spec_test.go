package schedule_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/schedule"
	"github.com/marketprism/prismrt/runtime/store/volatile"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestWhatIsNoScheduleIsRefusedWithAllThatIsWrong(t *testing.T) {
	for text, says := range map[string][]string{
		`{}`:                               {"plugin is missing", "neither cron nor every_ms"},
		`{"plugin":"p"`:                    {"unexpected EOF"},
		`{"plugin":"p","cron":"@daily"} x`: {"more after it"},
		`{"plugin":"p","cron":"@daily","often":1}`:       {`unknown field "often"`},
		`{"plugin":"p","cron":"@daily","every_ms":1000}`: {"say one of them"},
		`{"cron":"99 * * * *","zone":"Mars/Phobos","missed":"twice","late_ms":-1,"input":1,"input_base64":"eA=="}`: {
			"plugin is missing", "99", "Mars/Phobos", "skip, once or all", "late_ms is -1", "input and input_base64",
		},
		`{"plugin":"p","cron":"@daily","zone":"Local"}`:                   {"IANA"},
		`{"plugin":"p","cron":"@daily","zone":"../etc/passwd"}`:           {"IANA"},
		`{"plugin":"p","cron":"0 0 30 2 *"}`:                              {"never comes"},
		`{"plugin":"p","every_ms":999}`:                                   {"from 1000 to"},
		`{"plugin":"p","every_ms":9223372036854775807}`:                   {"from 1000 to"},
		`{"plugin":"p","every_ms":1000,"zone":"Europe/Berlin"}`:           {"leave it out"},
		`{"plugin":"p","every_ms":1000,"timeout_ms":9223372036854775807}`: {"timeout_ms"},
		`{"plugin":"p","every_ms":1000,"input_base64":"?"}`:               {"base64"},
	} {
		_, err := schedule.ParseSpec([]byte(text))
		f := task.FaultOf(err)
		if f == nil || f.Kind != task.KindInvalid {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for _, s := range says {
			if !strings.Contains(f.Message, s) {
				t.Errorf("%s: %s; it does not say %q", text, f.Message, s)
			}
		}
	}
}

func TestPutChecksNameTaskAndNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k, err := schedule.Open(t.Context(), schedule.Options{Store: w.store, Queue: w.tasks, Most: 2, Check: func(_ context.Context, s queue.Submission) error {
			if s.Plugin == "absent" {
				return task.Faultf(task.KindNotFound, "there is no plugin")
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		for n, tt := range []struct {
			name, plugin string
			kind         task.Kind
		}{{"A", "p", task.KindInvalid}, {"a/b", "p", task.KindInvalid}, {"", "p", task.KindInvalid}, {strings.Repeat("a", 64), "p", task.KindInvalid}, {"a", "absent", task.KindNotFound}, {"a", "p", ""}, {"b", "p", ""}, {"c", "p", task.KindConflict}, {"b", "q", ""}} {
			_, created, err := k.Put(t.Context(), "default", tt.name, spec(t, `{"plugin":"`+tt.plugin+`","cron":"@daily"}`))
			if tt.kind == "" && (err != nil || created != (n < 8)) || tt.kind != "" && (err == nil || task.FaultOf(err).Kind != tt.kind) {
				t.Errorf("%q of %q: created %v, %v", tt.name, tt.plugin, created, err)
			}
		}
		if all := k.List("default"); len(all) != 2 || all[0].Name != "a" || all[1].Spec.Plugin != "q" || len(k.List("other")) != 0 {
			t.Errorf("there are %+v", all)
		}
	})
}

func FuzzParseSpec(f *testing.F) {
	f.Add([]byte(`{"plugin":"p","cron":"*/5 2 * * mon","zone":"Europe/Berlin","input":{"a":[1,"<"]}}`))
	f.Add([]byte(`{"plugin":"p","every_ms":1000,"missed":"all","late_ms":5,"input_base64":"AAE="}`))
	f.Add([]byte(`{"plugin":"p","cron":"0 0 29 2 */7"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := schedule.ParseSpec(text)
		if err != nil {
			if task.FaultOf(err).Kind != task.KindInvalid {
				t.Fatal(err)
			}
			return
		}
		k, err := schedule.Open(t.Context(), schedule.Options{Store: volatile.New(), Queue: newTasks()})
		if err != nil {
			t.Fatal(err)
		}
		put, _, err := k.Put(t.Context(), "default", "s", s)
		if err != nil || put.Failure != "" {
			t.Fatalf("%s was read and is refused: %v %s", text, err, put.Failure)
		}
		if _, created, err := k.Put(t.Context(), "default", "s", put.Spec); err != nil || created {
			t.Fatalf("%s is not what it was: %v", text, err)
		}
		last := put.Updated
		for _, next := range put.NextN(5) {
			if !next.After(last) {
				t.Fatalf("%s: %v after %v", text, next, last)
			}
			last = next
		}
	})
}
