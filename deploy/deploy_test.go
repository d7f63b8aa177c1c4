package deploy

import (
	"encoding/json"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

var promQL = parser.NewParser(parser.Options{})

// metric is one that prismrt tells, with its labels.
type metric struct {
	kind   string
	labels []string
}

// metrics reads the table that a test of cmd/prismrt compares with a running server.
func metrics(t *testing.T) map[string]metric {
	t.Helper()
	b, err := os.ReadFile("metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]metric{"up": {kind: "gauge"}} // Prometheus' own
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		name := strings.Trim(cells[1], " `")
		m := metric{kind: strings.TrimSpace(cells[2]), labels: strings.FieldsFunc(cells[3], func(r rune) bool { return r == ' ' || r == ',' })}
		all[name] = m
		if m.kind == "histogram" || m.kind == "summary" {
			all[name+"_sum"], all[name+"_count"] = m, m
			m.labels = append(slices.Clone(m.labels), "le")
			all[name+"_bucket"] = m
		}
	}
	if len(all) < 50 {
		t.Fatalf("only %d metrics are in the table", len(all))
	}
	return all
}

// check parses an expression and looks for all that it asks for among the metrics.
func check(t *testing.T, all map[string]metric, where, text string) {
	t.Helper()
	expr, err := promQL.ParseExpr(text)
	if err != nil {
		t.Errorf("%s: %v in %s", where, err, text)
		return
	}
	known := []string{"instance", "job", model.MetricNameLabel}
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		s, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		m, there := all[s.Name]
		if !there {
			t.Errorf("%s: there is no metric %q", where, s.Name)
			return nil
		}
		for _, matcher := range s.LabelMatchers {
			if !slices.Contains(m.labels, matcher.Name) && !slices.Contains(known, matcher.Name) {
				t.Errorf("%s: %s has no label %q", where, s.Name, matcher.Name)
			}
		}
		counts := m.kind == "counter" || strings.HasSuffix(s.Name, "_bucket") || strings.HasSuffix(s.Name, "_count") || strings.HasSuffix(s.Name, "_sum")
		if rated := isRated(path); counts != rated && s.Name != "up" {
			t.Errorf("%s: %s is a %s and is rated: %v", where, s.Name, m.kind, rated)
		}
		for _, above := range path {
			if a, ok := above.(*parser.AggregateExpr); ok {
				for _, label := range a.Grouping {
					if !slices.Contains(m.labels, label) && !slices.Contains(known, label) {
						t.Errorf("%s: %s is summed by %q and has no such label", where, s.Name, label)
					}
				}
			}
		}
		return nil
	})
}

// isRated reports whether something on the way makes a rate of a counter.
func isRated(path []parser.Node) bool {
	return slices.ContainsFunc(path, func(n parser.Node) bool {
		c, ok := n.(*parser.Call)
		return ok && slices.Contains([]string{"rate", "irate", "increase"}, c.Func.Name)
	})
}

func TestAlertRulesAreValidAndAskForWhatThereIs(t *testing.T) {
	groups, errs := rulefmt.ParseFile("prometheus/alerts.yaml", false, model.LegacyValidation, promQL, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil {
		t.FailNow()
	}
	all := metrics(t)
	seen := map[string]bool{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || seen[r.Alert] {
				t.Errorf("rule %q has no name of its own", r.Alert)
			}
			seen[r.Alert] = true
			if s := r.Labels["severity"]; s != "page" && s != "ticket" {
				t.Errorf("%s: severity is %q, which is neither page nor ticket", r.Alert, s)
			}
			if time.Duration(r.For) < time.Minute {
				t.Errorf("%s: for is %v; a moment is no reason to call somebody", r.Alert, r.For)
			}
			if r.Annotations["summary"] == "" || len(r.Annotations["description"]) < 40 {
				t.Errorf("%s does not say what is wrong and what to do", r.Alert)
			}
			check(t, all, r.Alert, r.Expr)
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d rules", len(seen))
	}
}

// dashboard is what is looked at of one.
type dashboard struct {
	UID, Title string
	Panels     []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ H, W, X, Y int }
		Targets []struct{ RefID, Expr, LegendFormat string }
	}
	Templating struct {
		List []struct {
			Name, Type string
			Query      json.RawMessage
		}
	}
}

var (
	labelValues = regexp.MustCompile(`^label_values\((.*), ([a-z]+)\)$`)
	legendLabel = regexp.MustCompile(`\{\{(\w+)\}\}`)
)

func TestTheDashboardAsksForWhatThereIs(t *testing.T) {
	b, err := os.ReadFile("grafana/prismrt.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	all := metrics(t)
	// As Grafana fills them in.
	fill := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$namespace", ".*", "$plugin", ".*")
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
		if v.Type != "query" {
			continue
		}
		var q struct{ Query string }
		if err := json.Unmarshal(v.Query, &q); err != nil {
			t.Fatal(err)
		}
		parts := labelValues.FindStringSubmatch(q.Query)
		if parts == nil {
			t.Errorf("variable %s: %s", v.Name, q.Query)
			continue
		}
		expr := fill.Replace(parts[1])
		check(t, all, "variable "+v.Name, expr)
		name, _, _ := strings.Cut(expr, "{")
		if parts[2] != "instance" && !slices.Contains(all[name].labels, parts[2]) {
			t.Errorf("variable %s: %s has no label %s", v.Name, name, parts[2])
		}
	}
	if want := []string{"datasource", "instance", "namespace", "plugin"}; !slices.Equal(variables, want) {
		t.Errorf("variables %q, want %q", variables, want)
	}
	seen := map[int]bool{}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		if seen[p.ID] {
			t.Errorf("%s: the id %d is another panel's", p.Title, p.ID)
		}
		seen[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s sticks out", p.Title)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other := taken[at]; other != "" {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			check(t, all, p.Title, fill.Replace(target.Expr))
			// What a legend names, the expression must have left.
			for _, label := range legendLabel.FindAllStringSubmatch(target.LegendFormat, -1) {
				if !regexp.MustCompile(`by \([^)]*\b` + label[1] + `\b`).MatchString(target.Expr) {
					t.Errorf("%s: the legend names %s, which the expression does not keep", p.Title, label[1])
				}
			}
		}
	}
}
