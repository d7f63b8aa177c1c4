package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

type eventsCmd struct {
	Follow bool     `short:"f" help:"Go on with what happens, until interrupted; over broken connections and restarts of the server, too."`
	Type   []string `placeholder:"TYPE" help:"Only events of this type, such as version.live, or of all types that begin so, such as version. May be given several times."`
	Plugin string   `placeholder:"NAME" help:"Only events of this plugin."`
	Of     int      `name:"version" placeholder:"N" help:"Only events of this version of the plugin."`
	Since  string   `placeholder:"ID" help:"Only events after the one with this id, which --json shows; \"now\" for those to come."`
}

// Help is shown by "prismrt events --help".
func (*eventsCmd) Help() string {
	return `The server keeps the last events in memory: some thousands, of its present life. With
--json there is an object a line.

Examples:

  prismrt events
  prismrt events -f --type version --type canary --plugin normalise`
}

// Run prints events.
func (e *eventsCmd) Run(ctx context.Context, t *terminal, g *globals) error {
	server, err := g.client()
	if err != nil {
		return err
	}
	options := client.EventOptions{Types: e.Type, Plugin: e.Plugin, Version: e.Of, Since: e.Since, Follow: e.Follow}
	for event, err := range server.Events(ctx, options) {
		if err != nil {
			return err
		}
		if g.JSON {
			err = json.NewEncoder(t.out).Encode(event)
		} else {
			err = t.printf("%s\n", eventLine(&event))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shownData is how many bytes of an event's data fit on a line for people.
const shownData = 200

// eventLine is an event for people: when, what, of what, and what there is to say. What
// follows a line end in a message, and data that is long, are left to --json.
func eventLine(e *client.Event) string {
	about := orDash(e.Plugin)
	if e.Version != 0 {
		about = fmt.Sprintf("%s/%d", e.Plugin, e.Version)
	}
	var says []string
	if e.Kind != "" {
		says = append(says, string(e.Kind)+":")
	}
	if message, _, _ := strings.Cut(e.Message, "\n"); message != "" {
		says = append(says, message)
	}
	switch {
	case e.Type == client.EventGap:
		says = append(says, fmt.Sprintf("(%d missed)", e.Count))
	case e.Count > 1:
		says = append(says, fmt.Sprintf("(%d times)", e.Count))
	}
	if e.RequestID != "" {
		says = append(says, "request "+e.RequestID)
	}
	if len(e.Data) > 0 && len(e.Data) <= shownData {
		says = append(says, string(e.Data))
	}
	return strings.TrimSpace(fmt.Sprintf("%s  %-17s  %-16v  %s", e.Time.Local().Format(time.DateTime+".000"), e.Type, about, strings.Join(says, " ")))
}
