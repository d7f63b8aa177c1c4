package sqlite

import (
	"cmp"
	"database/sql/driver"
	"slices"

	"github.com/marketprism/prismrt/runtime/store"
)

// lane is what waits of one plugin and priority. In the database it is the rows of ready;
// those that nobody has leased begin with the window, and go on behind the horizon. The
// writer alone uses it, but for waiting.
type lane struct {
	store.Lane
	plugin *plugin

	window  []entry // by ord
	rest    bool    // more wait in the database, behind the horizon
	horizon int64   // the ord up to which the window has all
	last    int64   // the greatest ord that came in
	cursor  int64   // the greatest ord that was taken
	places  int64   // that were given to what was taken

	waiting int64 // guarded by DB.mu: how many can be leased
}

// entry is a task that can be leased.
type entry struct {
	ord, seq int64
	attempt  int64 // its next one
	callback bool

	// place counts what was taken from the lane. Between two of neighbouring places there is
	// nothing in ready. 0: it was not taken yet.
	place int64
}

func (e entry) compareOrd(ord int64) int { return cmp.Compare(e.ord, ord) }

// windowed is how many entries of a lane are in memory where more wait: some 40 bytes each.
const windowed = 512

// ordFor is the place of a task that comes into the lane: its seq, which needs no row to
// note it, unless something is there that is to go first.
func (l *lane) ordFor(seq int64) int64 {
	if seq > l.last {
		l.last = seq
		return seq
	}
	return l.end()
}

// end is a place behind all others.
func (l *lane) end() int64 {
	noteOrd(l.last)
	l.last = newOrd()
	return l.last
}

// add puts an entry where it belongs.
func (l *lane) add(e entry) {
	n := len(l.window)
	switch {
	case l.rest && e.ord > l.horizon:
		return
	case n == 0 || l.window[n-1].ord < e.ord:
		if n >= windowed && !l.rest {
			l.rest, l.horizon = true, l.window[n-1].ord
			return
		}
		l.window = append(l.window, e)
	default:
		at, _ := slices.BinarySearchFunc(l.window, e.ord, entry.compareOrd)
		l.window = slices.Insert(l.window, at, e)
	}
}

// remove takes out an entry that may be there, or behind the horizon.
func (l *lane) remove(ord int64) {
	if at, there := slices.BinarySearchFunc(l.window, ord, entry.compareOrd); there {
		l.window = slices.Delete(l.window, at, at+1)
	}
}

// reset has all be read from the database.
func (l *lane) reset() { l.window, l.rest, l.horizon = nil, true, -1 }

const readReady = `SELECT ord, seq, attempt, callback FROM ready WHERE plugin = ? AND priority = ? AND ord > ? ORDER BY ord LIMIT ?`

// take takes out the first, at most so many.
func (l *lane) take(x *tx, most int) ([]entry, error) {
	if len(l.window) < most && l.rest {
		if err := l.fill(x, most); err != nil {
			return nil, err
		}
	}
	n := min(most, len(l.window))
	taken := slices.Clone(l.window[:n])
	for i := range taken {
		e := &taken[i]
		switch {
		case e.place != 0:
		case e.ord > l.cursor:
			l.places++
			e.place, l.cursor = l.places, e.ord
		default: // it was there before: who knows what is beside it
			e.place = l.places + 2
			l.places = e.place + 1
		}
	}
	if l.window = l.window[n:]; len(l.window) == 0 {
		l.window = nil
	}
	return taken, nil
}

// fill reads on from the horizon.
func (l *lane) fill(x *tx, most int) error {
	if err := x.settle(); err != nil {
		return err
	}
	for l.rest && len(l.window) < most {
		limit, n := int64(max(windowed, most)), int64(0)
		err := x.query(readReady, func(row []driver.Value) error {
			n++
			e := entry{ord: row[0].(int64), seq: row[1].(int64), attempt: row[2].(int64), callback: row[3].(int64) != 0}
			l.horizon = e.ord
			if !x.db.holds(e.seq) {
				l.window = append(l.window, e)
			}
			return nil
		}, l.plugin.number, int64(l.Priority), l.horizon, limit)
		if err != nil {
			return err
		}
		l.rest = n == limit
	}
	return nil
}

// lane returns the lane of a plugin and a priority.
func (db *DB) lane(plugin int64, priority int) *lane {
	db.mu.Lock()
	defer db.mu.Unlock()
	at := laneKey{plugin, priority}
	l := db.lanes[at]
	if l == nil {
		p := db.plugins.number[plugin]
		n := p.name
		l = &lane{Lane: store.Lane{Namespace: n.namespace, Plugin: n.plugin, Priority: priority}, plugin: p}
		db.lanes[at] = l
	}
	return l
}

// laneKey is what a lane is known by.
type laneKey struct {
	plugin   int64
	priority int
}
