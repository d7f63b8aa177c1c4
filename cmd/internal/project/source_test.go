package project_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/project"
)

func TestSourceTellsWhatWasWrittenFromWhatWasChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "greet")
	p, _, err := project.New(dir, "greet", project.Lookup("c"), "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "main.c")
	write := func(name, text string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	source := func(before *project.Source) *project.Source {
		t.Helper()
		s, err := p.Source(before)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	at := time.Now()
	write(path, "one", at)
	one := source(nil)
	if again := source(one); !again.Untouched(one) {
		t.Error("nothing was written, and it is not untouched")
	}
	write(path, "two", at) // so soon after that its time is the same
	two := source(one)
	if two.Equal(one) {
		t.Error("one and two are equal")
	}
	write(path, "two", at.Add(time.Millisecond))
	if again := source(two); !again.Equal(two) || again.Untouched(two) {
		t.Errorf("written again as it was: equal %v, untouched %v", again.Equal(two), again.Untouched(two))
	}
	for _, made := range []string{"plugin.wasm", ".main.c.swp", "main.c~", "serve.log", "main.test"} {
		write(filepath.Join(dir, made), made, at)
	}
	write(path, "two", at)
	if again := source(two); !again.Untouched(two) {
		t.Error("what builds and others make counts as source")
	}

	// What lies outside and is linked to is source; what cannot be read ends nothing.
	outside := filepath.Join(t.TempDir(), "outside.h")
	write(outside, "a", at)
	for name, to := range map[string]string{"linked.h": outside, "dangling.h": filepath.Join(dir, "nowhere")} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	linked := source(two)
	write(outside, "b", at)
	if linked.Equal(two) || source(linked).Equal(linked) {
		t.Error("a header that is linked to is not source")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if source(two).Equal(two) {
		t.Error("a file that is gone changes nothing")
	}
}

func TestAProjectThatIsLinkedToIsTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "greet")
	p, _, err := project.New(dir, "greet", project.Lookup("python"), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, project.Manifest)); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "moin")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	linked, err := project.Open(link)
	if err != nil || linked.Name != "moin" {
		t.Fatalf("%+v, %v", linked, err)
	}
	of, err := linked.Source(nil)
	if err != nil {
		t.Fatal(err)
	}
	if is, err := p.Source(nil); err != nil || !is.Equal(of) {
		t.Errorf("its source is not what it links to: %v", err)
	}
}
