package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/task"
)

// lines runs a child until it ends, and returns what it told.
func lines(t *testing.T, cmd *exec.Cmd) (all []string) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(out); s.Scan(); {
		all = append(all, s.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v, after %d lines, the last of them %q", err, len(all), all[max(0, len(all)-3):])
	}
	return all
}

// fillUp submits tasks to a disk that becomes full, by a limit on the size of files, and has
// room again.
func fillUp(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	db, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		return err
	}
	limit := syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	return fill(db, func(full bool) error {
		l := limit
		if full {
			l.Cur = 1 << 20
		}
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)
	})
}

// fill submits until there is no room, has some made, and goes on.
func fill(db *sqlite.DB, room func(full bool) error) error {
	ctx := context.Background()
	var acknowledged []task.ID
	submit := func(size int) error {
		id := task.NewID()
		t := store.Task{ID: id, Namespace: onlyLane.Namespace, Plugin: onlyLane.Plugin, Priority: onlyLane.Priority, Created: time.Now(), Input: make([]byte, size)}
		if _, err := db.Submit(ctx, []store.Task{t}); err != nil {
			return err
		}
		acknowledged = append(acknowledged, id)
		return nil
	}
	for range 8 {
		if err := submit(100); err != nil {
			return err
		}
	}
	held, err := db.Lease(ctx, []store.Want{{Lane: onlyLane, Most: 8}}, time.Now().Add(time.Hour))
	if err != nil {
		return err
	}
	if err := room(true); err != nil {
		return err
	}
	refused := 0
	for n := 0; refused < 10; n++ {
		size := 50_000
		if n%5 == 0 {
			size = 300_000 // a file
		}
		if err := submit(size); errors.Is(err, store.ErrFull) {
			refused++
		} else if err != nil {
			return fmt.Errorf("the disk is full, and the answer %w", err)
		}
		if n == 10_000 {
			return errors.New("the disk is never full")
		}
	}
	// What is there can be read, and taken back is what could not be leased.
	if err := consistent(db, acknowledged); err != nil {
		return err
	}
	leases, err := db.Lease(ctx, []store.Want{{Lane: onlyLane, Most: 5}}, time.Now().Add(time.Hour))
	if err == nil && len(leases) == 0 || err != nil && !errors.Is(err, store.ErrFull) {
		return fmt.Errorf("%d leases, %w", len(leases), err)
	}
	leased := len(leases)
	outcomes := make([]store.Outcome, len(held))
	for i, l := range held {
		outcomes[i] = succeeded(l)
		outcomes[i].Output = make([]byte, 200_000)
	}
	if _, err := db.Finish(ctx, outcomes); !errors.Is(err, store.ErrFull) {
		return fmt.Errorf("finished on a full disk: %w, want ErrFull", err)
	}
	if err := room(false); err != nil {
		return err
	}
	answers, err := db.Finish(ctx, outcomes)
	if err = errors.Join(append(answers, err)...); err != nil || len(answers) != len(held) {
		return fmt.Errorf("finished with room again: %w", err)
	}
	if err := submit(50_000); err != nil {
		return fmt.Errorf("there is room again, and the answer %w", err)
	}
	if err := consistent(db, acknowledged); err != nil {
		return err
	}
	leases, err = db.Lease(ctx, []store.Want{{Lane: onlyLane, Most: 100_000}}, time.Now().Add(time.Hour))
	leased += len(held)
	if err != nil || leased+len(leases) != len(acknowledged) || leases[0].ID != acknowledged[leased] {
		return fmt.Errorf("%d of %d tasks leased, %w", leased+len(leases), len(acknowledged), err)
	}
	tell("acknowledged %d", len(acknowledged))
	return db.Close()
}

// consistent compares what was acknowledged with what is there.
func consistent(db *sqlite.DB, acknowledged []task.ID) error {
	all, err := db.Page(context.Background(), store.Query{Limit: 1_000_000})
	if err != nil {
		return err
	}
	if len(all) != len(acknowledged) {
		return fmt.Errorf("%d tasks are acknowledged, and %d there", len(acknowledged), len(all))
	}
	for i, r := range all {
		if r.ID != acknowledged[len(acknowledged)-1-i] {
			return fmt.Errorf("%s is there instead of %s", r.ID, acknowledged[i])
		}
	}
	return nil
}

func TestAFullDiskRefusesAndRecovers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prismrt.db")
	if got := lines(t, command("full", path)); len(got) != 1 {
		t.Errorf("it told %q", got)
	}
	checked(t, path)
}

func TestADiskWithoutSpaceRefusesAndRecovers(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skip("a small disk takes the right to mount one: ", err)
	}
	defer syscall.Unmount(dir, 0)
	path, filler := filepath.Join(dir, "prismrt.db"), filepath.Join(dir, "filler")
	db := open(t, path)
	if err := fill(db, func(full bool) error {
		if full {
			return os.WriteFile(filler, make([]byte, 8<<20), 0o600)
		}
		return os.Remove(filler)
	}); err != nil {
		t.Error(err)
	}
	db.Close()
	checked(t, path)
}

// submitSome submits tasks until that fails, and then tries whatever else writes.
func submitSome(path string) error {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	acknowledged := 0
	for n := 1; err == nil; n++ { // first a small one, then one that is a file
		if n == 500 {
			return errors.New("the disk never failed")
		}
		tk := plain(0)
		if n%2 == 0 {
			tk.Input = large(n)
		}
		if _, err = db.Submit(ctx, []store.Task{tk}); err == nil {
			acknowledged++
			tell("%s", tk.ID)
		}
	}
	for what, call := range map[string]func() error{
		"that submission": func() error { return err },
		"another one":     func() error { _, err := db.Submit(ctx, []store.Task{plain(0)}); return err },
		"a lease": func() error {
			_, err := db.Lease(ctx, []store.Want{{Lane: laneOf(0), Most: 1}}, time.Now())
			return err
		},
		"an upload":  func() error { return db.Add(ctx, version("resize", 1), nil) },
		"a schedule": func() error { return db.PutSchedule(ctx, store.Schedule{Namespace: "default", Name: "nightly"}) },
		"health":     db.Broken,
	} {
		if err := call(); !errors.Is(err, store.ErrBroken) {
			return fmt.Errorf("%s: %w, want ErrBroken", what, err)
		}
	}
	if all, err := db.Page(ctx, store.Query{Limit: 1000}); err != nil || len(all) != acknowledged {
		return fmt.Errorf("%d tasks can be read of %d: %w", len(all), acknowledged, err)
	}
	return nil
}

// strace is the program by which system calls are counted, or made to fail.
func strace(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("make testtools installs strace, by which syncs fail")
	}
	return path
}

// TestADiskThatFailsToSyncIsUsedNoMore has syncs fail: those of SQLite are fdatasync, those
// of files and folders fsync. strace counts them by thread.
func TestADiskThatFailsToSyncIsUsedNoMore(t *testing.T) {
	for name, which := range map[string]struct{ of, inject string }{
		"all, after some":      {"", "fsync,fdatasync:error=EIO:when=20+"},
		"one of the log":       {"-wal", "fdatasync:error=EIO:when=25"},
		"of the log":           {"-wal", "fdatasync:error=EIO:when=15+"},
		"of the database":      {"", "fdatasync:error=EIO:when=40+"},
		"one of a file":        {"", "fsync:error=EIO:when=3"},
		"one of the folder":    {"-bodies", "fsync:error=EIO:when=2"},
		"all of the folder":    {"-bodies", "fsync:error=EIO:when=1+"},
		"of files and folders": {"", "fsync:error=EIO:when=10+"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "prismrt.db")
			before := []string{strace(t), "-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=" + which.inject}
			if which.of != "" {
				before = append(before, "-P", path+which.of)
			}
			acknowledged := lines(t, command("submit", path, before...))
			checked(t, path)
			db := open(t, path)
			defer db.Close()
			for _, id := range acknowledged {
				if read(t, db, task.ID(id)).ID == "" {
					t.Errorf("%s was acknowledged, and is not there", id)
				}
			}
			submit(t, db, plain(0))
		})
	}
}

const relaxedTasks = 20

// submitRelaxed submits tasks one after another, to a database that syncs every hour if the
// path says so, and dies.
func submitRelaxed(path string) error {
	var o sqlite.Options
	if strings.Contains(path, "hour") {
		o.SyncEvery = time.Hour
	}
	db, err := sqlite.Open(context.Background(), path, o)
	if err != nil {
		return err
	}
	tell("open")
	for range relaxedTasks {
		tk := plain(0)
		if _, err := db.Submit(context.Background(), []store.Task{tk}); err != nil {
			return err
		}
		tell("%s", tk.ID)
	}
	tell("submitted")
	os.Exit(0) // without Close, which syncs
	return nil
}

// TestCommitsAreSyncedAsOftenAsOptionsSay counts the syncs between the first task and the
// last. Also without any, nothing is lost when the process dies.
func TestCommitsAreSyncedAsOftenAsOptionsSay(t *testing.T) {
	for name, least := range map[string]int{"always": relaxedTasks, "hour": 0} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, trace := filepath.Join(dir, name+".db"), filepath.Join(dir, "trace")
			told := lines(t, command("relaxed", path, strace(t), "-f", "-o", trace, "-e", "trace=fsync,fdatasync,write"))
			text, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			_, after, _ := strings.Cut(string(text), `"open\n"`)
			between, _, ended := strings.Cut(after, `"submitted\n"`)
			if !ended {
				t.Fatal("the trace does not have what was told")
			}
			if n := strings.Count(between, "sync("); n < least || least == 0 && n > 0 {
				t.Errorf("%d syncs for %d tasks", n, relaxedTasks)
			}
			db := open(t, path)
			defer db.Close()
			for _, id := range told[1 : len(told)-1] {
				if read(t, db, task.ID(id)).ID == "" {
					t.Errorf("%s was acknowledged, and is not there", id)
				}
			}
		})
	}
}
