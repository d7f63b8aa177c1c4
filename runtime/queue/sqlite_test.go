package queue_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/queue"
	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/task"
)

// On a real disk: the queue ends in the midst of its work and another one goes on with it.
func TestOnSQLiteNothingIsLostOrRunTwiceAcrossRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	var ids []task.ID
	runs := map[task.ID]int{}
	for life := 0; ; life++ {
		db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, echo(200*time.Microsecond), func(o *queue.Options) { o.Store = db })
		w.setPolicy("p", queue.Policy{Concurrency: 1})
		if life < 3 {
			batch := make([]queue.Submission, 500)
			for i := range batch {
				batch[i].Input = fmt.Append(nil, len(ids)+i)
			}
			ids = append(ids, w.submit(batch...)...)
		}
		w.start()
		if life < 3 {
			time.Sleep(30 * time.Millisecond)
		} else {
			w.ends(ids...)
		}
		if err := w.stop(); err != nil {
			t.Error(err)
		}
		for _, b := range w.runner.runs() {
			runs[b.ID]++
		}
		if life < 3 {
			db.Close()
			continue
		}
		defer db.Close()
		for i, id := range ids {
			got, err := db.Read(t.Context(), []task.ID{id}, store.WithOutput)
			if err != nil {
				t.Fatal(err)
			}
			r := got[0]
			if r.State != task.Succeeded || string(r.Output) != fmt.Sprint("ran ", i) || len(r.Attempts) != 1 || runs[id] != 1 {
				t.Fatalf("task %d is %v with %q after %d attempts and %d runs", i, r.State, r.Output, len(r.Attempts), runs[id])
			}
		}
		return
	}
}
