package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/task"
)

func lease(t testing.TB, db *sqlite.DB, most int) []store.Lease {
	t.Helper()
	leases, err := db.Lease(context.Background(), []store.Want{{Lane: laneOf(0), Most: most}}, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return leases
}

func finish(t testing.TB, db *sqlite.DB, outcomes ...store.Outcome) {
	t.Helper()
	answers, err := db.Finish(context.Background(), outcomes)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range answers {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestOfChangesWrittenTogetherTheFaultyOneFailsAlone has many submit at once, some of them
// an id that another task has.
func TestOfChangesWrittenTogetherTheFaultyOneFailsAlone(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "prismrt.db"))
	defer db.Close()
	taken := plain(0)
	submit(t, db, taken)
	const callers, each = 32, 20
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			for n := range each {
				tasks := []store.Task{plain(n % 3), plain(g % 3)}
				// Some of them are of a plugin that nobody else knows, and never will.
				faulty := n%4 == 0 && g%2 == 0
				if faulty {
					tasks[0].Plugin = fmt.Sprintf("odd-%d", g)
					tasks[1].ID = taken.ID
				}
				if _, err := db.Submit(context.Background(), tasks); (err != nil) != faulty {
					t.Errorf("faulty %v: %v", faulty, err)
				}
				if there := read(t, db, tasks[0].ID).ID != ""; there == faulty {
					t.Errorf("faulty %v, and it is there: %v", faulty, there)
				}
			}
		})
	}
	wg.Wait()
	waiting := int64(0)
	for _, b := range db.Backlog() {
		if strings.HasPrefix(b.Plugin, "odd") {
			t.Errorf("%s is left behind", b.Plugin)
		}
		waiting += b.Waiting
	}
	if want := int64(1 + 2*(callers*each-callers/2*each/4)); waiting != want {
		t.Errorf("%d wait, want %d", waiting, want)
	}
}

// TestWhoGivesUpHasChangedNothingOrIsAnswered cancels contexts at any time.
func TestWhoGivesUpHasChangedNothingOrIsAnswered(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "prismrt.db"))
	defer db.Close()
	var wg sync.WaitGroup
	var mu sync.Mutex
	given, done := 0, 0
	for range 16 {
		wg.Go(func() {
			for range 50 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(2000))*time.Microsecond)
				tk := plain(0)
				_, err := db.Submit(ctx, []store.Task{tk})
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				if there := read(t, db, tk.ID).ID != ""; there != (err == nil) {
					t.Errorf("it is there: %v, and the answer %v", there, err)
				}
				mu.Lock()
				if err != nil {
					given++
				} else {
					done++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d given up, %d done", given, done)
}

// TestTheLogBeginsAnewUnderLoad writes many times what the log may have.
func TestTheLogBeginsAnewUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prismrt.db")
	db := open(t, path)
	defer db.Close()
	const written = 80 << 20
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range written / 4 / (200 << 10) {
				tk := plain(0)
				tk.Input = make([]byte, 200<<10)
				submit(t, db, tk)
			}
		})
	}
	wg.Wait()
	if n := size(path + "-wal"); n > written/2 {
		t.Errorf("of %d MiB written, the log has %d", written>>20, n>>20)
	}
}

func TestLargeBodiesAreFilesAsLongAsTheyAreNeeded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prismrt.db")
	db := open(t, path)
	defer func() { db.Close() }()
	now := time.Now()
	want := func(n int, when string) {
		t.Helper()
		if got := files(t, path); got != n {
			t.Errorf("%s there are %d files, want %d", when, got, n)
		}
	}
	first, second := plain(0), plain(0)
	first.Input, second.Input = large(1), large(2)
	first.Key, first.KeyUntil = "key", now.Add(time.Hour)
	submit(t, db, first, second)
	want(2, "submitted,")

	again := plain(0)
	again.Input, again.Key = large(3), "key"
	for _, print := range []string{"", "other"} {
		again.Fingerprint = print
		if r, err := db.Submit(t.Context(), []store.Task{again}); err != nil || r[0].ID != first.ID {
			t.Errorf("%+v, %v", r, err)
		}
	}
	want(2, "with a key that is taken,")

	leases := lease(t, db, 2)
	o := succeeded(leases[0])
	o.Output = large(4)
	lost := succeeded(leases[0])
	lost.Attempt, lost.Output = 7, large(5)
	dead := store.Outcome{ID: leases[1].ID, Attempt: 1, State: task.Dead, Last: store.Attempt{Ended: now, Kind: task.KindTrap}, Expires: now}
	if answers, err := db.Finish(t.Context(), []store.Outcome{lost, o, dead}); err != nil || !errors.Is(answers[0], store.ErrLost) || answers[1] != nil {
		t.Fatal(answers, err)
	}
	want(3, "finished,")
	if r := read(t, db, first.ID); !bytes.Equal(r.Output, o.Output) || r.OutputBytes != int64(len(o.Output)) || !bytes.Equal(r.Input, first.Input) {
		t.Error("what was read is something else")
	}

	if answers, err := db.Revive(t.Context(), []store.Revival{{ID: second.ID, Input: new(large(6))}}); err != nil || answers[0] != nil {
		t.Fatal(answers, err)
	}
	want(3, "with another input")
	if l := lease(t, db, 1); !bytes.Equal(l[0].Input, large(6)) {
		t.Error("it is run on what it had before")
	}

	if n, err := db.Forget(t.Context(), now.Add(100*time.Hour), 0, 10); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	want(1, "forgotten,")

	// What a crash left is swept, and what is not ours stays.
	for _, name := range []string{"0123456789abcdef", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(path+"-bodies", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	db = open(t, path)
	want(2, "after a crash")
	if r := read(t, db, second.ID); !bytes.Equal(r.Input, large(6)) {
		t.Error("the input is gone")
	}
}

// zoo has a task in every state.
func zoo(t *testing.T, db *sqlite.DB) map[task.ID]task.State {
	t.Helper()
	now := time.Now()
	due := plain(0)
	due.Due = now.Add(time.Hour)
	tasks := []store.Task{plain(0), plain(0), plain(0), plain(0), plain(0), plain(0), plain(0), due}
	submit(t, db, tasks...)
	fault := store.Attempt{Number: 1, Begun: now, Ended: now, Kind: task.KindTrap, Message: "unreachable"}
	for _, l := range lease(t, db, 4) {
		switch l.ID {
		case tasks[0].ID:
			finish(t, db, succeeded(l))
		case tasks[1].ID:
			finish(t, db, store.Outcome{ID: l.ID, Attempt: 1, State: task.Failed, Last: fault, Due: now.Add(time.Minute)})
		case tasks[2].ID:
			finish(t, db, store.Outcome{ID: l.ID, Attempt: 1, State: task.Dead, Last: fault, Expires: now.Add(time.Hour)})
		}
	}
	// One failed once, and runs again; one was sent again, and waits.
	again := lease(t, db, 1)[0]
	finish(t, db, store.Outcome{ID: again.ID, Attempt: 1, State: task.Failed, Last: fault, Due: now})
	if n, _, err := db.Promote(t.Context(), now, 10); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	cancel := []task.ID{tasks[5].ID, tasks[6].ID}
	if _, err := db.Cancel(t.Context(), cancel, now, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Revive(t.Context(), []store.Revival{{ID: tasks[5].ID}}); err != nil {
		t.Fatal(err)
	}
	if l := lease(t, db, 1); l[0].ID != again.ID {
		t.Fatal("another is first")
	}
	return map[task.ID]task.State{
		tasks[0].ID: task.Succeeded, tasks[1].ID: task.Failed, tasks[2].ID: task.Dead, tasks[3].ID: task.Running,
		again.ID: task.Running, tasks[5].ID: task.Queued, tasks[6].ID: task.Canceled, due.ID: task.Scheduled,
	}
}

func TestTheListShowsPeopleWhatReadTells(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prismrt.db")
	db := open(t, path)
	defer db.Close()
	want := zoo(t, db)
	type row struct {
		ID, Namespace, Plugin, State, Created, Due, Ended, Message string
		Attempts                                                   int
	}
	show := func(rows []row) {
		t.Helper()
		if len(rows) != len(want) {
			t.Errorf("%d tasks, want %d", len(rows), len(want))
		}
		for _, r := range rows {
			record := read(t, db, task.ID(r.ID))
			if record.State != want[record.ID] || string(record.State) != r.State {
				t.Errorf("%s is %s, %s in the list, want %s", r.ID, record.State, r.State, want[record.ID])
			}
			if r.Namespace != "default" || r.Plugin != "plugin-0" || r.Attempts != len(record.Attempts) {
				t.Errorf("%+v of %+v", r, record)
			}
			if r.Created != record.Created.Format("2006-01-02T15:04:05.000Z") || (r.Ended == "") != record.Ended.IsZero() {
				t.Errorf("%+v of %+v", r, record)
			}
			if waits := record.State == task.Scheduled || record.State == task.Failed; (r.Due != "") != waits {
				t.Errorf("%s and due %q", r.State, r.Due)
			}
		}
	}
	columns := "SELECT id, namespace, plugin, state, created, coalesce(due, '') AS due, coalesce(ended, '') AS ended, coalesce(message, '') AS message, attempts FROM task_list ORDER BY id"

	plain, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	rows, err := plain.Query(columns) //nolint:sqlclosecheck // the handle is closed
	if err != nil {
		t.Fatal(err)
	}
	var all []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.ID, &r.Namespace, &r.Plugin, &r.State, &r.Created, &r.Due, &r.Ended, &r.Message, &r.Attempts); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	show(all)

	t.Run("sqlite3", func(t *testing.T) {
		program, err := exec.LookPath("sqlite3")
		if err != nil {
			t.Skip("the program sqlite3 is not installed")
		}
		out, err := exec.Command(program, "-readonly", "-json", path, columns).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var all []row
		if err := json.Unmarshal(out, &all); err != nil {
			t.Fatal(err)
		}
		show(all)
	})
}

// TestOnlyAttemptsThatWereCutOffAreCountedAsSuch opens a database anew in which one task of
// many that were leased together is still held, and the others came to all there is.
func TestOnlyAttemptsThatWereCutOffAreCountedAsSuch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prismrt.db")
	db := open(t, path)
	now := time.Now()
	tasks := []store.Task{plain(0), plain(0), plain(0), plain(0), plain(0), plain(0)}
	submit(t, db, tasks...)
	leases := lease(t, db, 6)
	fault := store.Attempt{Ended: now, Kind: task.KindTrap}
	failed := store.Outcome{ID: tasks[1].ID, Attempt: 1, State: task.Failed, Last: fault, Due: now}
	dead := store.Outcome{ID: tasks[2].ID, Attempt: 1, State: task.Dead, Last: fault, Expires: now.Add(time.Hour)}
	back := store.Outcome{ID: tasks[3].ID, Attempt: 1, State: task.Queued}
	finish(t, db, back)
	finish(t, db, failed, dead, succeeded(leases[4]))
	if n, _, err := db.Promote(t.Context(), now, 9); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if answers, err := db.Cancel(t.Context(), []task.ID{tasks[5].ID}, now, now); err != nil || answers[0] != nil {
		t.Fatal(answers, err)
	}
	if answers, err := db.Revive(t.Context(), []store.Revival{{ID: tasks[2].ID}, {ID: tasks[5].ID}}); err != nil || answers[0] != nil || answers[1] != nil {
		t.Fatal(answers, err)
	}
	db.Close()

	db = open(t, path)
	defer db.Close()
	for i, want := range []struct {
		state    task.State
		attempts int
		cutOff   bool
	}{
		{task.Queued, 1, true}, {task.Queued, 1, false}, {task.Queued, 1, false}, {task.Queued, 0, false}, {task.Succeeded, 1, false}, {task.Queued, 1, true},
	} {
		r := read(t, db, tasks[i].ID)
		if r.State != want.state || len(r.Attempts) != want.attempts || want.attempts > 0 && r.Attempts[0].CutOff != want.cutOff {
			t.Errorf("task %d is %s with attempts %+v, want %+v", i, r.State, r.Attempts, want)
		}
	}
	for _, l := range lease(t, db, 9) {
		if r := read(t, db, l.ID); l.Attempt != len(r.Attempts)+1 {
			t.Errorf("%s is leased as attempt %d after %+v", l.ID, l.Attempt, r.Attempts)
		}
	}
}

// TestADatabaseWithoutTasksIsMigrated opens one as it was before there were durable tasks.
func TestADatabaseWithoutTasksIsMigrated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prismrt.db")
	plainly, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	var before []byte
	for _, file := range []string{"schema.sql", "releases.sql"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, text...)
	}
	if _, err := plainly.Exec(string(before) + `
		INSERT INTO plugins VALUES ('default', 'resize', 1, 1000, 2000, '{}');
		INSERT INTO versions VALUES ('default', 'resize', 1, 'sha256:00', 42, 'prism', '{}', '{}', 1000);
		PRAGMA user_version = 2`); err != nil {
		t.Fatal(err)
	}
	plainly.Close()

	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := sqlite.Backup(t.Context(), path, copied, nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, copied} {
		db := open(t, path)
		if plugins, err := db.Plugins(t.Context()); err != nil || len(plugins) != 1 || plugins[0].Live != 1 {
			t.Errorf("plugins %+v, %v", plugins, err)
		}
		zoo(t, db)
		db.Close()
	}
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "prismrt.db"), sqlite.Options{SyncEvery: -1, Readers: -2})
	if err == nil || !strings.Contains(err.Error(), "sync every -1ns") || !strings.Contains(err.Error(), "readers are -2") {
		t.Errorf("%v names not all that is wrong", err)
	}
}

// TestAfterCloseNothingIsTaken closes under load, however often it syncs: what was answered
// is there.
func TestAfterCloseNothingIsTaken(t *testing.T) {
	for _, every := range []time.Duration{0, time.Microsecond, time.Millisecond, time.Hour} {
		t.Run(every.String(), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "prismrt.db")
			db, err := sqlite.Open(t.Context(), path, sqlite.Options{SyncEvery: every})
			if err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			var acknowledged []task.ID
			var wg sync.WaitGroup
			enough := make(chan struct{})
			for range 8 {
				wg.Go(func() {
					for {
						tk := plain(0)
						if _, err := db.Submit(context.Background(), []store.Task{tk}); err != nil {
							return
						}
						mu.Lock()
						if acknowledged = append(acknowledged, tk.ID); len(acknowledged) == 100 {
							close(enough)
						}
						mu.Unlock()
					}
				})
			}
			<-enough
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			wg.Wait()
			if err := db.Broken(); err != nil {
				t.Error(err)
			}
			db = open(t, path)
			defer db.Close()
			for _, id := range acknowledged {
				if read(t, db, id).ID == "" {
					t.Errorf("%s was acknowledged, and is not there", id)
				}
			}
		})
	}
}
