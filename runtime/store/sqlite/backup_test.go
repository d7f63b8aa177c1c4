package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/task"
)

func submit(t testing.TB, db *sqlite.DB, tasks ...store.Task) {
	t.Helper()
	receipts, err := db.Submit(context.Background(), tasks)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range receipts {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}

func read(t testing.TB, db *sqlite.DB, id task.ID) store.Record {
	t.Helper()
	records, err := db.Read(context.Background(), []task.ID{id}, store.WithInput|store.WithOutput)
	if err != nil {
		t.Fatal(err)
	}
	return records[0]
}

// large is a body that is a file.
func large(seed int) []byte {
	return bytes.Repeat([]byte{byte(seed), byte(seed >> 8), 7, 9}, 80<<10)
}

func files(t testing.TB, path string) int {
	t.Helper()
	entries, err := os.ReadDir(path + "-bodies")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestABackupIsWholeWhileTasksComeAndGo copies a database again and again in which tasks
// with bodies of all sizes are submitted, end and are forgotten. What was there before a copy
// began and is not forgotten is in it, and nothing in it lacks its body.
func TestABackupIsWholeWhileTasksComeAndGo(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "prismrt.db")
	db := open(t, path)
	defer db.Close()
	stays := plain(9)
	stays.Input = large(1)
	submit(t, db, stays)

	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				tk := plain(g)
				if n%2 == 0 {
					tk.Input = large(n)
				} else {
					tk.Input = fmt.Appendf(nil, "task %d of %d", n, g)
				}
				submit(t, db, tk)
				leases, err := db.Lease(context.Background(), []store.Want{{Lane: laneOf(g), Most: 1}}, time.Now().Add(time.Hour))
				if err != nil || len(leases) != 1 {
					t.Error(len(leases), err)
					return
				}
				o := succeeded(leases[0])
				o.Output, o.Expires = leases[0].Input, time.Now()
				if _, err := db.Finish(context.Background(), []store.Outcome{o}); err != nil {
					t.Error(err)
				}
				if n%4 == 3 {
					if _, err := db.Forget(context.Background(), time.Now(), 0, 100); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for n := range 8 {
		var last, of int64
		to := filepath.Join(dir, fmt.Sprintf("copy-%d.db", n))
		if err := sqlite.Backup(t.Context(), path, to, func(done, total int64) { last, of = done, total }); err != nil {
			t.Fatal(err)
		}
		if last != of || of < 4096 {
			t.Errorf("the last that progress was told is %d of %d", last, of)
		}
		wholeCopy(t, to, stays)
	}
	stop()
	wg.Wait()
}

func wholeCopy(t *testing.T, path string, stays store.Task) {
	t.Helper()
	db := open(t, path)
	defer db.Close()
	if r := read(t, db, stays.ID); !bytes.Equal(r.Input, stays.Input) {
		t.Error("what was there has another input in the copy")
	}
	all, err := db.Page(t.Context(), store.Query{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, r := range all {
		whole := read(t, db, r.ID)
		if int64(len(whole.Input)) != r.InputBytes || int64(len(whole.Output)) != r.OutputBytes {
			t.Errorf("%s has other bodies than its row says", r.ID)
		}
		for _, body := range [][]byte{whole.Input, whole.Output} {
			if len(body) > 256<<10 {
				named++
			}
		}
		if r.State == task.Succeeded && !bytes.Equal(whole.Input, whole.Output) {
			t.Errorf("%s came to something else", r.ID)
		}
	}
	if n := files(t, path); n != named {
		t.Errorf("the copy has %d files, and needs %d", n, named)
	}
}

func TestABackupThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "prismrt.db")
	db := open(t, path)
	defer db.Close()
	tk := plain(0)
	tk.Input = large(1)
	submit(t, db, tk)
	for range 30 { // which are some pieces
		tk := plain(1)
		tk.Input = large(2)[:100<<10]
		submit(t, db, tk)
	}
	before := names(t, dir)

	ctx, cancel := context.WithCancel(t.Context())
	to := filepath.Join(dir, "copy.db")
	if err := sqlite.Backup(ctx, path, to, func(_, _ int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if err := sqlite.Backup(t.Context(), path, path, nil); err == nil {
		t.Error("it was copied over itself")
	}
	if err := sqlite.Backup(t.Context(), filepath.Join(dir, "absent.db"), to, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	if err := os.Mkdir(to+"-bodies", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := sqlite.Backup(t.Context(), path, to, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("into a folder that is there: %v", err)
	}
	if err := os.Remove(to + "-bodies"); err != nil {
		t.Error("the folder that was there is gone")
	}
	if got := names(t, dir); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("left is %v, before it was %v", got, before)
	}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
