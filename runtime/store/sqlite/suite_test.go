package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/store/storetest"
)

// kept is a database and where it is.
type kept struct {
	*sqlite.DB
	path string
}

func keep(t *testing.T, path string) *kept {
	t.Helper()
	db := open(t, path)
	t.Cleanup(func() { db.Close() })
	return &kept{db, path}
}

func TestTasksAreKept(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		return keep(t, filepath.Join(t.TempDir(), "prismrt.db"))
	}, storetest.Reopen(func(t *testing.T, s storetest.Store) storetest.Store {
		k := s.(*kept)
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		return keep(t, k.path)
	}))
}
