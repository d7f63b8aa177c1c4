package plugins_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/marketprism/prismrt/runtime/event"
)

// news are the events that were published since the last look, a line each.
func news(r *event.Reader) (lines []string) {
	for e, ok := r.Take(); ok; e, ok = r.Take() {
		if e.Type == event.VersionUploaded {
			e.Data = nil
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %d %s %s", e.Type, e.Ref.Version, e.Data, e.Message)))
	}
	return lines
}

func TestEachChangeIsPublishedOnceItHolds(t *testing.T) {
	dir := t.TempDir()
	c, r := open(t, dir)
	events := r.events.Follow(event.ID{}, event.Filter{Namespace: "default", Plugin: "up"})
	expect := func(what string, want ...string) {
		t.Helper()
		if got := news(events); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s is published as\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
	live := func(version int) {
		t.Helper()
		if _, err := c.SetLive(t.Context(), ref(version)); err != nil {
			t.Fatal(err)
		}
	}
	add(t, c, upload("up", "one"))
	expect("the first upload", "version.uploaded 1", `version.live 1 {"previous":0}`)
	add(t, c, upload("up", "one"))
	expect("the same again")
	if _, _, err := c.Add(t.Context(), upload("up", "sick")); err == nil {
		t.Fatal("a sick module was taken")
	}
	expect("an upload that failed")
	two := upload("up", "two")
	two.Live = false
	add(t, c, two)
	expect("an upload that is stored only", "version.uploaded 2")
	live(2)
	expect("going forward", `version.live 2 {"previous":1}`)
	live(2)
	expect("what is so already")
	if _, err := c.SetLive(t.Context(), ref(7)); err == nil {
		t.Fatal("version 7 is live")
	}
	expect("a version that is not there")

	share1(t, c, 1, 0.1, false)
	expect("a canary", `canary.started 1 {"live":2,"share":0.1,"judge":false}`)
	share1(t, c, 1, 0.5, false)
	expect("another share", `canary.started 1 {"live":2,"share":0.5,"judge":false}`)
	c.TakeOver(t.Context(), ref(1), "it trapped")
	expect("a canary that is fenced", `canary.ended 1 {"live":false} it trapped`)
	share1(t, c, 1, 0.5, true)
	c.TakeOver(t.Context(), ref(2), "it trapped")
	expect("a live version that is fenced beside a judged canary", `canary.started 1 {"live":2,"share":0.5,"judge":true}`,
		`canary.ended 1 {"live":true} the live version was fenced: it trapped`, `version.live 1 {"previous":2}`)

	failover := upload("up", "three")
	yes := true
	failover.Manifest.Health.Failover = &yes
	share1(t, c, 2, 0.5, false)
	add(t, c, failover)
	expect("an upload beside a canary", `canary.started 2 {"live":1,"share":0.5,"judge":false}`, "version.uploaded 3",
		`canary.ended 2 {"live":false} version 3 was made live`, `version.live 3 {"previous":1}`)
	c.TakeOver(t.Context(), ref(3), "it trapped")
	expect("a takeover", `version.took_over 1 {"from":3} version 3 failed: it trapped`, `version.live 1 {"previous":3}`)
	if err := c.Delete(t.Context(), "default", "up"); err != nil {
		t.Fatal(err)
	}
	expect("deleting it", `plugin.deleted 0 {"versions":3}`)
}

func TestAVersionThatDoesNotLoadIsPublished(t *testing.T) {
	dir := t.TempDir()
	c, _ := open(t, dir)
	stored(t, c, 2)
	share1(t, c, 1, 0.5, false)
	for _, tt := range []struct {
		sick int
		want []string
	}{
		{1, []string{"version.failed 1  while it started, the guest trapped", `canary.ended 1 {"live":false} it could not be loaded: while it started, the guest trapped`}},
		{2, []string{
			"version.failed 2  while it started, the guest trapped",
			`version.took_over 1 {"from":2} version 2 failed: it could not be loaded: while it started, the guest trapped`,
			`version.live 1 {"previous":2}`,
		}},
	} {
		c, r := open(t, dir)
		r.sick = map[int]bool{tt.sick: true}
		c.Load(t.Context(), 1)
		if got := news(r.events.Follow(event.ID{}, event.Filter{})); strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
			t.Errorf("version %d does not load:\n\t%s\nwant\n\t%s", tt.sick, strings.Join(got, "\n\t"), strings.Join(tt.want, "\n\t"))
		}
	}
}
