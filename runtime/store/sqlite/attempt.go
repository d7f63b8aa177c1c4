package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/marketprism/prismrt/runtime/store"
)

const (
	readTries  = `SELECT attempts FROM tries WHERE seq = ?`
	writeTries = `INSERT INTO tries (seq, attempts) VALUES (?, ?) ON CONFLICT DO UPDATE SET attempts = excluded.attempts`
)

// note remembers an attempt that is over.
func (x *tx) note(seq int64, a store.Attempt) error {
	var attempts []store.Attempt
	if a.Number > 1 {
		var err error
		if attempts, err = x.tries(seq); err != nil {
			return err
		}
	}
	text, err := json.Marshal(remember(attempts, a))
	if err != nil {
		panic("sqlite: " + err.Error()) // it has nothing that could not be
	}
	_, err = x.exec(writeTries, seq, string(text))
	return err
}

// tries are the attempts that tries has of a task.
func (x *tx) tries(seq int64) (attempts []store.Attempt, err error) {
	err = x.query(readTries, func(row []driver.Value) error {
		attempts, err = attemptsOf(row[0].(string))
		return err
	}, seq)
	return attempts, err
}

// attemptsOf reads what tries has.
func attemptsOf(text string) (attempts []store.Attempt, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &attempts); err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	return attempts, nil
}

// remember adds an attempt to what is remembered: the first one and the last ones.
func remember(attempts []store.Attempt, a store.Attempt) []store.Attempt {
	if len(attempts) >= store.PastKept {
		attempts = slices.Delete(attempts, 1, len(attempts)-store.PastKept+2)
	}
	if !a.Begun.IsZero() {
		a.Begun = exact(a.Begun)
	}
	if !a.Ended.IsZero() {
		a.Ended = exact(a.Ended)
	}
	return append(attempts, a)
}

// cutOff is an attempt of which no more is known.
func cutOff(number int64) store.Attempt { return store.Attempt{Number: int(number), CutOff: true} }
