package blob_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/runtime/store/blob"
	"github.com/marketprism/prismrt/runtime/task"
)

func open(t *testing.T) (*blob.Dir, string) {
	path := filepath.Join(t.TempDir(), "modules")
	d, err := blob.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d, path
}

func TestContentComesBackByItsDigest(t *testing.T) {
	d, _ := open(t)
	content := []byte("\x00asm")
	digest := task.DigestOf(content)
	for range 2 { // the second time it is there already
		if err := d.Put(digest, content); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := d.Get(digest); err != nil || string(got) != string(content) {
		t.Errorf("got %q, %v", got, err)
	}
	for range 2 {
		if err := d.Remove(digest); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Get(digest); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}

func TestDamageIsNoticedAndMendedByPut(t *testing.T) {
	d, path := open(t)
	content := []byte("a whole module")
	digest := task.DigestOf(content)
	file := filepath.Join(path, digest.Hex()+".wasm")
	if err := os.WriteFile(file, content[:5], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Get(digest); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("half a module: %v", err)
	}
	if err := d.Put(digest, content); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Get(digest); err != nil {
		t.Errorf("after Put: %v", err)
	}
}

func TestSweepKeepsWhatIsKnown(t *testing.T) {
	d, path := open(t)
	known, unknown := []byte("known"), []byte("unknown")
	for _, c := range [][]byte{known, unknown} {
		if err := d.Put(task.DigestOf(c), c); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{".writing-123", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(path, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Sweep(func(g task.Digest) bool { return g == task.DigestOf(known) }); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(path)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := task.DigestOf(known).Hex() + ".wasm notes.txt"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("left are %q, want %q", got, want)
	}
}

func TestWhatIsNoDigestNeverBecomesAPath(t *testing.T) {
	d, _ := open(t)
	defer func() {
		if recover() == nil {
			t.Error("a path was taken for a digest")
		}
	}()
	_, _ = d.Get("sha256:../../etc/passwd")
}

func TestACopyHasTheContentAndNothingElse(t *testing.T) {
	d, path := open(t)
	one, two := []byte("one"), []byte("two")
	if err := d.Put(task.DigestOf(one), one); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, ".writing-123"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "deep", "copy")
	for range 2 { // the second time there is more
		if err := blob.Copy(path, to); err != nil {
			t.Fatal(err)
		}
		if err := d.Put(task.DigestOf(two), two); err != nil {
			t.Fatal(err)
		}
	}
	copied, err := blob.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range [][]byte{one, two} {
		if got, err := copied.Get(task.DigestOf(content)); err != nil || string(got) != string(content) {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if entries, _ := os.ReadDir(to); len(entries) != 2 {
		t.Errorf("the copy has %v", entries)
	}
	if err := blob.Copy(filepath.Join(path, "absent"), to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no folder: %v", err)
	}
}
