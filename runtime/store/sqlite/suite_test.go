package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/store/storetest"
)

// kept is a database and where it is.
type kept struct {
	*sqlite.DB
	path    string
	options sqlite.Options
}

func keep(t *testing.T, path string, o sqlite.Options) *kept {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return &kept{db, path, o}
}

func TestTasksAreKept(t *testing.T) {
	for name, o := range map[string]sqlite.Options{"synced": {}, "synced now and then": {SyncEvery: time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) storetest.Store {
				return keep(t, filepath.Join(t.TempDir(), "prismrt.db"), o)
			}, storetest.Reopen(func(t *testing.T, s storetest.Store) storetest.Store {
				k := s.(*kept)
				if err := k.Close(); err != nil {
					t.Fatal(err)
				}
				return keep(t, k.path, k.options)
			}))
		})
	}
}
