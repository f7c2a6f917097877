package manifests

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

const dashboard = chart + "/files/dashboard.json"

type board struct {
	UID, Title string
	Panels     []struct {
		ID          int
		Type, Title string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ Expr, LegendFormat, RefID string }
		FieldConfig struct{ Defaults struct{ Unit string } }
		Datasource  struct{ UID string }
	}
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
}

func readBoard(t *testing.T) (b board) {
	t.Helper()
	text, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// Every query of the dashboard, its variables' too, gives something where the
// programs are scraped.
func TestDashboardAsksForWhatIsThere(t *testing.T) {
	t.Parallel()
	b := readBoard(t)
	filled := strings.NewReplacer("$__rate_interval", "5m", "$namespace", ".*", "$pod", ".*")
	var queries []query
	for _, p := range b.Panels {
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			q := query{what: "the panel " + p.Title, expr: filled.Replace(target.Expr)}
			if strings.Contains(q.expr, "$") {
				t.Errorf("%s has a variable that the dashboard has not: %s", p.Title, target.Expr)
			}
			for _, m := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				q.labels = append(q.labels, m[1])
			}
			queries = append(queries, q)
			for _, s := range selectors(q.expr) {
				queries = append(queries, query{what: q.what, expr: s})
			}
		}
	}
	variables := 0
	for _, v := range b.Templating.List {
		if m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(v.Definition); m != nil {
			queries = append(queries, query{"the variable " + v.Name, filled.Replace(m[1]), []string{m[2]}})
			variables++
		} else if v.Type != "datasource" {
			t.Errorf("the variable %s is defined as %q", v.Name, v.Definition)
		}
	}
	if len(queries) < 20 || variables < 2 {
		t.Fatalf("only %d queries and %d variables", len(queries), variables)
	}
	answered(t, queries)
}

// Grafana shows it as it is meant: panels have a place, a name and a unit each.
func TestDashboardIsLaidOut(t *testing.T) {
	b := readBoard(t)
	if b.UID != "logging-taco" || b.Title == "" {
		t.Errorf("it is called %q, %q", b.UID, b.Title)
	}
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range b.Panels {
		if p.ID == 0 || ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: no id or title, or not its own", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Type != "row" && (p.FieldConfig.Defaults.Unit == "" || p.Datasource.UID != "${datasource}") {
			t.Errorf("%s: unit %q, data source %q", p.Title, p.FieldConfig.Defaults.Unit, p.Datasource.UID)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies over %s, or beyond the right side", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
	}
}
