package sqlite

import (
	"errors"
	"os"
	"sync"
	"time"
)

// syncer syncs the log every now and then, where commits do not.
type syncer struct {
	mu    sync.Mutex
	timer *time.Timer // nil: all is synced

	// syncing is held while it does.
	syncing sync.Mutex
	log     *os.File // nil: commits sync. It is kept open, to be told of every error since then
}

func (db *DB) openSyncer() (err error) {
	if db.options.SyncEvery > 0 {
		db.syncer.log, err = os.Open(db.path + "-wal")
	}
	return err
}

func (db *DB) closeSyncer() error {
	s := &db.syncer
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	err := db.syncNow()
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if s.log != nil {
		err = errors.Join(err, s.log.Close())
		s.log = nil
	}
	return err
}

// syncLater has the log be synced within the interval.
func (db *DB) syncLater() {
	s := &db.syncer
	if db.options.SyncEvery == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		return
	}
	s.timer = time.AfterFunc(db.options.SyncEvery, func() {
		s.mu.Lock()
		s.timer = nil
		s.mu.Unlock()
		_ = db.syncNow() // whose error stays, in Broken
	})
}

// syncNow syncs the log, where commits do not.
func (db *DB) syncNow() error {
	s := &db.syncer
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if s.log == nil {
		return nil
	}
	if err := s.log.Sync(); err != nil {
		return db.failed(&syncError{err}) // whatever it is: what it lost was answered already
	}
	return nil
}
