package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/task"
)

// The sources of seqs, newest first, of which each has an index to itself: ?1 is a bound
// below which they are, and ?2 how many at most.
const (
	pageAll       = `SELECT seq FROM tasks WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2`
	pagePlugin    = `SELECT seq FROM tasks WHERE plugin = ?3 AND seq < ?1 ORDER BY seq DESC LIMIT ?2`
	pageSchedule  = `SELECT seq FROM tasks WHERE schedule = ?3 AND seq < ?1 ORDER BY seq DESC LIMIT ?2`
	pageSucceeded = `SELECT seq FROM ends WHERE state = 4 AND seq < ?1 ORDER BY seq DESC LIMIT ?2`
	pageSuccess   = `SELECT t.seq FROM tasks t CROSS JOIN ends e ON e.seq = t.seq AND e.state = 4 WHERE t.plugin = ?3 AND t.seq < ?1 ORDER BY t.seq DESC LIMIT ?2`
	pageEnded     = `SELECT seq FROM ends WHERE state = ?4 AND state <> 4 AND plugin = ?3 AND seq < ?1 ORDER BY seq DESC LIMIT ?2`
	pageWaiting   = `SELECT seq FROM waits WHERE ord IS NULL AND failed = ?4 AND (?3 = 0 OR plugin = ?3) AND seq < ?1 ORDER BY seq DESC LIMIT ?2`
	pageMoved     = `SELECT seq FROM waits WHERE ord IS NOT NULL AND (?3 = 0 OR plugin = ?3) AND seq < ?1 ORDER BY seq DESC LIMIT ?2`
	pageReady     = `SELECT seq FROM ready WHERE plugin = ?3 AND priority = ?4 AND ord < ?1 AND ord = seq ORDER BY ord DESC LIMIT ?2`
)

// source is a statement with its parameters, or what is in memory.
type source struct {
	text   string
	args   []any   // the third and the fourth
	memory []int64 // instead of the statement
}

// Page implements store.Tasks.
func (db *DB) Page(ctx context.Context, q store.Query) ([]store.Record, error) {
	below := int64(math.MaxInt64)
	if seq, ok := seqOf(q.Before); ok {
		below = seq
	}
	sources := db.sources(&q)
	var found []store.Record
	for len(found) < q.Limit {
		wanted := q.Limit - len(found)
		seqs, err := db.below(ctx, sources, below, wanted)
		if err != nil {
			return nil, fmt.Errorf("page through tasks: %w", err)
		}
		if len(seqs) == 0 {
			break
		}
		below = seqs[len(seqs)-1]
		if err := db.records(ctx, seqs, 0, func(_ int64, r store.Record) {
			if chosen(&r, &q) {
				found = append(found, r)
			}
		}); err != nil {
			return nil, fmt.Errorf("page through tasks: %w", err)
		}
		if len(seqs) < wanted {
			break
		}
	}
	return found, ended(ctx)
}

// chosen tells whether a query chooses a task. Its sources give more than those: what
// another name or state has by now, and what the one that was taken does not know of.
func chosen(r *store.Record, q *store.Query) bool {
	return (q.Namespace == "" || q.Namespace == r.Namespace) &&
		(q.Plugin == "" || q.Plugin == r.Plugin) &&
		(q.State == "" || q.State == r.State) &&
		(q.Schedule == "" || q.Schedule == r.Terms.Schedule) &&
		(q.Before == "" || q.Before > r.ID)
}

// sources are what together gives all that a query chooses.
func (db *DB) sources(q *store.Query) (all []source) {
	if q.Schedule != "" {
		return []source{{text: pageSchedule, args: []any{q.Schedule}}}
	}
	plugins, every := db.chosenPlugins(q)
	each := func(text string, more ...any) {
		for _, plugin := range plugins {
			all = append(all, source{text: text, args: append([]any{plugin}, more...)})
		}
	}
	either := func(one, other string, more ...any) {
		if every {
			all = append(all, source{text: one, args: append([]any{int64(0)}, more...)})
		} else {
			each(other, more...)
		}
	}
	switch q.State {
	case "":
		either(pageAll, pagePlugin)
	case task.Succeeded:
		either(pageSucceeded, pageSuccess)
	case task.Dead:
		each(pageEnded, int64(dead))
	case task.Canceled:
		each(pageEnded, int64(canceled))
	case task.Scheduled:
		either(pageWaiting, pageWaiting, int64(0))
	case task.Failed:
		either(pageWaiting, pageWaiting, int64(1))
	case task.Running:
		all = append(all, source{memory: db.allRunning()})
	case task.Queued:
		either(pageMoved, pageMoved)
		all = append(all, db.waitingLanes(plugins)...)
	}
	return all
}

// chosenPlugins are the numbers of the plugins that a query chooses, and whether that is
// every one.
func (db *DB) chosenPlugins(q *store.Query) (plugins []int64, every bool) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for n, p := range db.plugins.name {
		if (q.Namespace == "" || q.Namespace == n.namespace) && (q.Plugin == "" || q.Plugin == n.plugin) {
			plugins = append(plugins, p.number)
		}
	}
	return plugins, len(plugins) == len(db.plugins.name)
}

// waitingLanes are the lanes of plugins in which something waits.
func (db *DB) waitingLanes(plugins []int64) (all []source) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for at, l := range db.lanes {
		if l.waiting > 0 && slices.Contains(plugins, at.plugin) {
			all = append(all, source{text: pageReady, args: []any{at.plugin, int64(at.priority)}})
		}
	}
	return all
}

// allRunning are the tasks that workers have, newest first.
func (db *DB) allRunning() []int64 {
	db.mu.Lock()
	seqs := make([]int64, 0, len(db.held))
	for seq := range db.held {
		seqs = append(seqs, seq)
	}
	db.mu.Unlock()
	slices.SortFunc(seqs, newestFirst)
	return seqs
}

// below returns the greatest seqs below a bound, at most so many.
func (db *DB) below(ctx context.Context, sources []source, bound int64, most int) (seqs []int64, err error) {
	for _, s := range sources {
		if s.text == "" {
			at, _ := slices.BinarySearchFunc(s.memory, bound-1, newestFirst)
			seqs = append(seqs, s.memory[at:min(len(s.memory), at+most)]...)
			continue
		}
		if seqs, err = db.appendSeqs(ctx, seqs, s.text, append([]any{bound, int64(most)}, s.args...)); err != nil {
			return nil, err
		}
	}
	if len(sources) > 1 {
		slices.SortFunc(seqs, newestFirst)
		seqs = slices.Compact(seqs)
	}
	return seqs[:min(len(seqs), most)], nil
}

func (db *DB) appendSeqs(ctx context.Context, seqs []int64, text string, args []any) ([]int64, error) {
	rows, err := db.selects[text].QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		if err := rows.Scan(&seq); err != nil {
			return nil, err
		}
		seqs = append(seqs, seq)
	}
	return seqs, rows.Err()
}

func newestFirst(a, b int64) int { return cmp.Compare(b, a) }
