package manifests

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const alerts = chart + "/files/alerts.yaml"

type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	text, err := os.ReadFile(alerts)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

// TestAlerts has promtool check the rules, and try them in alerts_test.yaml.
func TestAlerts(t *testing.T) {
	t.Parallel()
	tool := command{path: promtool(t), home: t.TempDir()}
	tool.run(t, "check", "rules", alerts)
	tool.run(t, "test", "rules", "alerts_test.yaml")
}

// Each alert is tried, both ways; it says what is wrong and what to do, and with
// labels that it has.
func TestAlertsAreWhole(t *testing.T) {
	text, err := os.ReadFile("alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tried struct {
		Tests []struct {
			Expressions []struct {
				Expr    string
				Samples []struct{ Labels string } `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		}
	}
	if err := yaml.Unmarshal(text, &tried); err != nil {
		t.Fatal(err)
	}
	for _, r := range rules(t) {
		t.Run(r.Alert, func(t *testing.T) {
			var silent bool
			var labels string // when it fires
			for _, test := range tried.Tests {
				for _, e := range test.Expressions {
					mine := strings.Contains(e.Expr, `alertname="`+r.Alert+`"`)
					silent = silent || mine && len(e.Samples) == 0
					for _, s := range e.Samples {
						if strings.Contains(s.Labels, `alertname="`+r.Alert+`"`) {
							labels, silent = s.Labels, silent || !mine // a test of several alerts begins without any
						}
					}
				}
			}
			if !silent || labels == "" {
				t.Errorf("alerts_test.yaml does not try it both ways: silent %v, firing %v", silent, labels != "")
			}
			if !slices.Contains([]string{"warning", "critical"}, r.Labels["severity"]) {
				t.Errorf("severity %q", r.Labels["severity"])
			}
			for _, key := range []string{"summary", "description", "runbook"} {
				if strings.TrimSpace(r.Annotations[key]) == "" {
					t.Errorf("it has no %s", key)
				}
			}
			if !strings.HasPrefix(r.Annotations["runbook"], "1. ") || strings.Contains(strings.TrimSpace(r.Annotations["summary"]), "\n") {
				t.Error("the runbook has no steps, or the summary is more than a line")
			}
			for key, value := range r.Annotations {
				for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(value, -1) {
					if !strings.Contains(labels, m[1]+"=") {
						t.Errorf("%s names the label %s, which the alert has not when it fires: %s", key, m[1], labels)
					}
				}
			}
		})
	}
}

// The alerts look at metrics that the programs have, with labels and values that
// these have.
func TestAlertsLookAtWhatIsThere(t *testing.T) {
	t.Parallel()
	var queries []query
	for _, r := range rules(t) {
		found := selectors(r.Expr)
		if len(found) == 0 {
			t.Errorf("%s looks at nothing", r.Alert)
		}
		for _, s := range found {
			queries = append(queries, query{what: r.Alert, expr: s})
		}
	}
	answered(t, queries)
}

// README's list is whole.
func TestReadmeListsTheAlerts(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var have, want []string
	for _, m := range regexp.MustCompile("`(Taco[A-Z]\\w+)`").FindAllSubmatch(readme, -1) {
		have = append(have, string(m[1]))
	}
	for _, r := range rules(t) {
		want = append(want, r.Alert)
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("README has\n%q, the rules have\n%q", have, want)
	}
}

// The runbooks send nobody to a metric that is not there.
func TestRunbooksNameMetricsThatAreThere(t *testing.T) {
	t.Parallel()
	all := exportedMetrics(t)
	for _, r := range rules(t) {
		for _, name := range regexp.MustCompile(`\btaco_\w+`).FindAllString(r.Annotations["runbook"]+r.Annotations["description"], -1) {
			if !slices.ContainsFunc(all, func(e exported) bool { return e.name == name }) {
				t.Errorf("%s names %s, which no program has", r.Alert, name)
			}
		}
	}
}
