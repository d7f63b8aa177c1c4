package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/task"
)

// children are what this binary does in processes of its own, which tests kill or torment:
// with the path of a database, telling on standard output what they were answered.
var children = map[string]func(path string) error{"work": workUntilKilled, "full": fillUp, "submit": submitSome, "relaxed": submitRelaxed}

const childVariable, pathVariable = "SQLITE_TEST_CHILD", "SQLITE_TEST_PATH"

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childVariable)]; child != nil {
		if err := child(os.Getenv(pathVariable)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// command is a child, with a program and its arguments before it.
func command(child, path string, before ...string) *exec.Cmd {
	before = append(before, os.Args[0])
	cmd := exec.Command(before[0], before[1:]...)
	cmd.Env = append(os.Environ(), childVariable+"="+child, pathVariable+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// body is an input or output that can be told from its name: a short one, or now and then a
// large one.
func body(name string) []byte {
	h := fnv.New64a()
	io.WriteString(h, name)
	n := 1 + h.Sum64()%20
	if h.Sum64()%64 == 0 {
		n = 20_000
	}
	return bytes.Repeat([]byte(name), int(n))
}

// tell writes a line, in one piece.
func tell(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }

var onlyLane = store.Lane{Namespace: "default", Plugin: "plugin", Priority: 4}

// workUntilKilled submits, leases and ends tasks in every way.
func workUntilKilled(path string) error {
	db, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		return err
	}
	last, err := db.Last(context.Background())
	if err != nil {
		return err
	}
	task.IDsAfter(last)
	failures := make(chan error)
	for range 4 {
		go func() { failures <- submitForever(db) }()
		go func() { failures <- leaseForever(db) }()
	}
	go func() { failures <- promoteForever(db) }()
	return <-failures
}

func submitForever(db *sqlite.DB) error {
	for {
		tasks := make([]store.Task, 1+rand.IntN(10))
		for i := range tasks {
			id := task.NewID()
			tasks[i] = store.Task{ID: id, Namespace: onlyLane.Namespace, Plugin: onlyLane.Plugin, Priority: onlyLane.Priority, Created: time.Now(), Input: body(string(id))}
			if rand.IntN(10) == 0 {
				tasks[i].Due = time.Now()
			}
		}
		if _, err := db.Submit(context.Background(), tasks); err != nil {
			return err
		}
		for _, t := range tasks {
			tell("submitted %s", t.ID)
		}
		if id := tasks[0].ID; rand.IntN(4) == 0 {
			tell("ending %s 0 canceled", id)
			answers, err := db.Cancel(context.Background(), []task.ID{id}, time.Now(), time.Now().Add(time.Hour))
			if err != nil {
				return err
			}
			if answers[0] == nil {
				tell("ended %s 0 canceled", id)
			}
		}
	}
}

func leaseForever(db *sqlite.DB) error {
	outcomes := []task.State{
		task.Succeeded, task.Succeeded, task.Succeeded, task.Succeeded, task.Succeeded, task.Succeeded,
		task.Failed, task.Dead, task.Queued, "",
	}
	for {
		arrived := db.Arrived()
		leases, err := db.Lease(context.Background(), []store.Want{{Lane: onlyLane, Most: 1 + rand.IntN(20)}}, time.Now().Add(time.Hour))
		if err != nil {
			return err
		}
		if len(leases) == 0 {
			<-arrived
			continue
		}
		var all []store.Outcome
		for _, l := range leases {
			tell("leased %s %d", l.ID, l.Attempt)
			if !bytes.Equal(l.Input, body(string(l.ID))) {
				return fmt.Errorf("%s was leased with another input", l.ID)
			}
			o := store.Outcome{ID: l.ID, Attempt: l.Attempt, State: outcomes[rand.IntN(len(outcomes))], Due: time.Now(), Expires: time.Now().Add(time.Hour)}
			o.Last = store.Attempt{Number: l.Attempt, Ended: time.Now(), Fuel: int64(l.Attempt)}
			switch o.State {
			case "":
				continue // it is held until the end
			case task.Succeeded:
				o.Output = body(fmt.Sprint(l.ID, l.Attempt))
			default:
				o.Last.Kind = task.KindTrap
			}
			tell("ending %s %d %s", o.ID, o.Attempt, o.State)
			all = append(all, o)
		}
		answers, err := db.Finish(context.Background(), all)
		if err != nil {
			return err
		}
		for i, o := range all {
			if answers[i] == nil {
				tell("ended %s %d %s", o.ID, o.Attempt, o.State)
			}
		}
	}
}

func promoteForever(db *sqlite.DB) error {
	for {
		if _, _, err := db.Promote(context.Background(), time.Now(), 100); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// ledger is what children told.
type ledger struct {
	tasks map[string]*told
	lines int
}

// told is what was told of a task: by its attempts, where they came to.
type told struct {
	submitted     bool
	leased        int // the last attempt
	ending, ended map[int]task.State
}

func (l *ledger) read(line string) error {
	l.lines++
	words := strings.Fields(line)
	if len(words) < 2 || !strings.HasSuffix(line, words[len(words)-1]) {
		return fmt.Errorf("a line is %q", line)
	}
	t := l.tasks[words[1]]
	if t == nil {
		t = &told{ending: map[int]task.State{}, ended: map[int]task.State{}}
		l.tasks[words[1]] = t
	}
	attempt := 0
	if len(words) > 2 {
		attempt, _ = strconv.Atoi(words[2])
	}
	switch words[0] {
	case "submitted":
		t.submitted = true
	case "leased":
		for n, s := range t.ended {
			if s.Ended() && n != 0 {
				return fmt.Errorf("%s was leased after attempt %d had ended it as %s", words[1], n, s)
			}
		}
		if s := t.ending[attempt]; attempt <= t.leased && s != task.Queued {
			return fmt.Errorf("%s was leased as attempt %d after attempt %d", words[1], attempt, t.leased)
		}
		t.leased = attempt
		delete(t.ending, attempt)
	case "ending":
		t.ending[attempt] = task.State(words[3])
	case "ended":
		t.ended[attempt] = task.State(words[3])
	}
	return nil
}

// account compares what was told with what is there.
func (l *ledger) account(t *testing.T, db *sqlite.DB) {
	t.Helper()
	all, err := db.Page(t.Context(), store.Query{Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[string]bool, len(all))
	counts := make(map[task.State]int64)
	for _, r := range all {
		there[string(r.ID)] = true
		counts[r.State]++
		whole := read(t, db, r.ID)
		if !bytes.Equal(whole.Input, body(string(r.ID))) {
			t.Errorf("%s has another input", r.ID)
		}
		if said := l.tasks[string(r.ID)]; said != nil {
			if err := said.allows(&whole); err != nil {
				t.Errorf("%s: %v", r.ID, err)
			}
		} else if r.State.Ended() {
			t.Errorf("%s is %s, and nobody was told that it is there", r.ID, r.State)
		}
	}
	for id, said := range l.tasks {
		if said.submitted && !there[id] {
			t.Errorf("%s was acknowledged, and is not there", id)
		}
	}
	got, err := db.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range got {
		if counts[c.State] != c.Tasks {
			t.Errorf("%d are counted as %s, and %d are", c.Tasks, c.State, counts[c.State])
		}
	}
	waiting := int64(0)
	for _, b := range db.Backlog() {
		waiting += b.Waiting
	}
	if waiting != counts[task.Queued] {
		t.Errorf("%d wait in lanes, and %d are queued", waiting, counts[task.Queued])
	}
}

// allows tells whether a task may be as it is after a crash.
func (s *told) allows(r *store.Record) error {
	last := 0
	for _, a := range r.Attempts {
		if a.Number <= last {
			return fmt.Errorf("attempt %d is remembered after attempt %d", a.Number, last)
		}
		last = a.Number
	}
	switch r.State {
	case task.Running:
		return fmt.Errorf("it runs, and nobody is there")
	case task.Succeeded:
		if s.ending[last] != task.Succeeded {
			return fmt.Errorf("it succeeded by attempt %d, which says otherwise", last)
		}
		if !bytes.Equal(r.Output, body(fmt.Sprint(r.ID, last))) {
			return fmt.Errorf("it came to another output")
		}
	case task.Canceled:
		if s.ending[0] != task.Canceled {
			return fmt.Errorf("nobody canceled it")
		}
	}
	for n, end := range s.ended {
		if end.Ended() && r.State != end {
			return fmt.Errorf("it was told to be %s by attempt %d, and is %s", end, n, r.State)
		}
		if n > 0 && end != task.Queued && n > last && r.State != task.Canceled {
			return fmt.Errorf("attempt %d is forgotten, of %v", n, r.Attempts)
		}
	}
	// An attempt that was leased is counted, unless it may have been given back.
	if s.leased > last && s.ending[s.leased] != task.Queued {
		return fmt.Errorf("attempt %d was cut off, and is not counted", s.leased)
	}
	return nil
}

// TestNothingIsLostWhenTheProcessIsKilled kills a process again and again that works as fast
// as it can, and accounts for all that it told.
func TestNothingIsLostWhenTheProcessIsKilled(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	path := filepath.Join(t.TempDir(), "prismrt.db")
	l := ledger{tasks: map[string]*told{}}
	for round := range rounds {
		cmd := command("work", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var once sync.Once
		lines := bufio.NewScanner(out)
		before := l.lines
		for lines.Scan() {
			once.Do(func() {
				time.AfterFunc(time.Duration(rand.IntN(300))*time.Millisecond, func() { cmd.Process.Kill() })
			})
			if err := l.read(lines.Text()); err != nil {
				t.Error(err)
			}
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
			t.Fatalf("round %d: the process ended by itself: %v", round, err)
		}
		t.Logf("round %d: %d lines, %d tasks", round, l.lines-before, len(l.tasks))
		checked(t, path)
		db := open(t, path)
		l.account(t, db)
		db.Close()
		if t.Failed() {
			return
		}
	}
}

// checked has SQLite check the file, as another program would.
func checked(t *testing.T, path string) {
	t.Helper()
	plain, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	var verdict string
	if err := plain.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity check: %s, %v", verdict, err)
	}
}
