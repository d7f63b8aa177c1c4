package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/sqlite"
	"github.com/marketprism/prismrt/runtime/task"
)

func open(t *testing.T, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func version(name string, number int) store.Version {
	return store.Version{
		Ref:       task.Ref{Namespace: "default", Plugin: name, Version: number},
		Digest:    task.DigestOf([]byte(name)),
		Bytes:     42,
		ABI:       task.ABIPrism,
		Manifest:  []byte(`{"limits":{"memory":"1MiB"}}`),
		Facts:     []byte(`{"functions":["handle"]}`),
		CreatedAt: time.Date(2026, 11, 23, 20, 0, number, 123_000, time.UTC),
	}
}

func live(number int) *store.Release { return &store.Release{Live: number} }

func TestWhatWasAddedIsThereAfterReopening(t *testing.T) {
	if _, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "absent", "prismrt.db"), sqlite.Options{}); err == nil {
		t.Fatal("a database opened in a folder that is not there")
	}
	path := filepath.Join(t.TempDir(), "a file?with#odd names%20.db")
	db := open(t, path)
	one, two, other := version("resize", 1), version("resize", 2), version("crop", 1)
	for _, add := range []struct {
		v       store.Version
		release *store.Release
	}{{one, live(1)}, {two, nil}, {other, nil}} {
		if err := db.Add(t.Context(), add.v, add.release); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	db = open(t, path)
	defer db.Close()
	got, err := db.Plugins(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Plugin{
		{Namespace: "default", Name: "crop", CreatedAt: other.CreatedAt, UpdatedAt: other.CreatedAt, Versions: []store.Version{other}},
		{Namespace: "default", Name: "resize", Release: store.Release{Live: 1}, CreatedAt: one.CreatedAt, UpdatedAt: two.CreatedAt, Versions: []store.Version{one, two}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestANumberIsGivenOnceAndAFailedAddLeavesNothing(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "prismrt.db"))
	defer db.Close()
	if err := db.Add(t.Context(), version("resize", 1), live(1)); err != nil {
		t.Fatal(err)
	}
	again := version("resize", 1)
	again.CreatedAt = again.CreatedAt.Add(time.Hour)
	if err := db.Add(t.Context(), again, live(1)); err == nil {
		t.Error("version 1 was added twice")
	}
	plugins, _ := db.Plugins(t.Context())
	if p := plugins[0]; len(p.Versions) != 1 || !p.UpdatedAt.Equal(version("resize", 1).CreatedAt) {
		t.Errorf("the failed Add left %+v", p)
	}
}

func TestCallsGoOnlyToVersionsThatAreThere(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "prismrt.db"))
	defer db.Close()
	for n := range 2 {
		if err := db.Add(t.Context(), version("resize", n+1), live(n+1)); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	want := store.Release{
		Live: 1, Previous: 2, Canary: &store.Canary{Version: 2, Share: 0.1, Judge: true, Since: at},
		Takeover:   &store.Takeover{From: 2, To: 1, At: at, Reason: "it trapped"},
		LastCanary: &store.CanaryEnd{Version: 2, At: at, Reason: "it was slow"},
	}
	if err := db.SetRelease(t.Context(), "default", "resize", want, at); err != nil {
		t.Fatal(err)
	}
	absent := want
	absent.Canary = &store.Canary{Version: 9, Share: 0.1}
	for name, tt := range map[string]struct {
		namespace, plugin string
		release           store.Release
	}{
		"another version":   {"default", "resize", store.Release{Live: 9}},
		"another canary":    {"default", "resize", absent},
		"another plugin":    {"default", "crop", want},
		"another namespace": {"other", "resize", want},
	} {
		if err := db.SetRelease(t.Context(), tt.namespace, tt.plugin, tt.release, at); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
	plugins, _ := db.Plugins(t.Context())
	if p := plugins[0]; !reflect.DeepEqual(p.Release, want) || !p.UpdatedAt.Equal(at) {
		t.Errorf("release %+v, updated %v", p.Release, p.UpdatedAt)
	}
}

func TestADatabaseWithoutReleasesIsMigrated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prismrt.db")
	plain, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := os.ReadFile("schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Exec(string(schema) + `
		INSERT INTO plugins VALUES ('default', 'resize', 1, 1000, 2000);
		INSERT INTO versions VALUES ('default', 'resize', 1, 'sha256:00', 42, 'prism', '{}', '{}', 1000);
		PRAGMA user_version = 1`); err != nil {
		t.Fatal(err)
	}
	plain.Close()

	db := open(t, path)
	defer db.Close()
	plugins, err := db.Plugins(t.Context())
	if err != nil || len(plugins) != 1 || !reflect.DeepEqual(plugins[0].Release, *live(1)) {
		t.Fatalf("plugins %+v, %v", plugins, err)
	}
	if err := db.SetRelease(t.Context(), "default", "resize", store.Release{Live: 1, Previous: 1}, time.Now()); err != nil {
		t.Error(err)
	}
}

func TestDeleteForgetsAllVersions(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "prismrt.db"))
	defer db.Close()
	for _, v := range []store.Version{version("resize", 1), version("resize", 2), version("crop", 1)} {
		if err := db.Add(t.Context(), v, live(v.Ref.Version)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Delete(t.Context(), "default", "resize"); err != nil {
		t.Fatal(err)
	}
	if err := db.Delete(t.Context(), "default", "resize"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a second Delete: %v", err)
	}
	if plugins, _ := db.Plugins(t.Context()); len(plugins) != 1 || plugins[0].Name != "crop" {
		t.Errorf("left are %+v", plugins)
	}
	if err := db.Add(t.Context(), version("resize", 1), live(1)); err != nil {
		t.Errorf("versions were left behind: %v", err)
	}
}

func TestCommitsAreSyncedAndTheFileIsOrdinary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prismrt.db")
	defer open(t, path).Close()
	plain, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for pragma, want := range map[string]string{"journal_mode": "wal", "integrity_check": "ok", "user_version": "3"} {
		var got string
		if err := plain.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", pragma, got, err, want)
		}
	}
}

func TestADatabaseOfANewerPrismrtIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prismrt.db")
	open(t, path).Close()
	plain, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	plain.Close()
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("got %v", err)
	}
}

func TestWritersWaitForEachOther(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "prismrt.db"))
	defer db.Close()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 5 {
				name := string(rune('a' + g))
				if err := db.Add(context.Background(), version(name, n+1), live(n+1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	plugins, err := db.Plugins(t.Context())
	if err != nil || len(plugins) != 8 {
		t.Fatalf("%d plugins, %v", len(plugins), err)
	}
	for _, p := range plugins {
		if len(p.Versions) != 5 || p.Live != 5 {
			t.Errorf("%s has %d versions, live %d", p.Name, len(p.Versions), p.Live)
		}
	}
}
