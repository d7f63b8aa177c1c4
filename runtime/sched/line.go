package sched

import "time"

// MaxPriority is the highest; the lowest is 0. Others count as the nearest of these.
const MaxPriority = 9

// line is turns in the order in which they are served, and how fast that goes.
type line struct {
	turns    heap[*Turn]
	priority [MaxPriority + 1]int // how many there are of each
	began    time.Duration        // when it last stopped being empty
	last     time.Duration        // when one was last done with
	gap      average              // seconds between two of those while others wait
}

func (l *line) push(t *Turn, now time.Duration) {
	if len(l.turns) == 0 {
		l.began = now
	}
	l.turns.push(t)
	l.priority[t.priority]++
}

func (l *line) remove(t *Turn) {
	l.turns.remove(t)
	l.priority[t.priority]--
}

func (l *line) first() *Turn {
	if len(l.turns) == 0 {
		return nil
	}
	return l.turns[0]
}

// ahead is how many would be served before one that comes now.
func (l *line) ahead(priority int) (n int) {
	for p := priority; p <= MaxPriority; p++ {
		n += l.priority[p]
	}
	return n
}

// departed records that one of the line is done with: it began, or, of the long
// ones, which come back many times, it ended.
func (l *line) departed(now time.Duration) {
	if len(l.turns) > 0 {
		l.gap.add(max(0, now-max(l.last, l.began)).Seconds())
	}
	l.last = now
}

// wait is how long one that comes behind so many others will wait. Who has nobody
// ahead will see: somebody must, or an old measure would hold for ever.
func (l *line) wait(ahead int, now time.Duration) time.Duration {
	if ahead == 0 {
		return 0
	}
	gap := seconds(l.gap.mean)
	next := gap
	if len(l.turns) > 0 { // it may have come to a halt
		next = max(gap, now-max(l.last, l.began))
	}
	return time.Duration(ahead)*gap + next
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
