package manifests

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A query is what somebody asks Prometheus for, and the labels that its answer
// has to have.
type query struct {
	what   string // for a person: where it stands
	expr   string
	labels []string
}

// answered has promtool ask the queries of a Prometheus that has scraped the real
// programs for some time, while their counters grew. Each has to give something,
// with its labels.
func answered(t *testing.T, queries []query) {
	t.Helper()
	type series struct {
		Series string `json:"series"`
		Values string `json:"values"`
	}
	type sample struct {
		Labels string  `json:"labels"`
		Value  float64 `json:"value"`
	}
	type ask struct {
		Expr     string   `json:"expr"`
		EvalTime string   `json:"eval_time"`
		Want     []sample `json:"exp_samples"`
	}
	var scraped []series
	jobs := map[string]bool{}
	for _, e := range exportedMetrics(t) {
		value, err := strconv.ParseFloat(e.value, 64)
		if err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		step := "x60"
		if e.counter {
			step = "+1x60"
		}
		// What the two PodMonitors and the operator add. The sidecars differ in this.
		container := "injector"
		if e.job == jobSidecar {
			container = "taco-logs"
			if strings.HasPrefix(e.name, "taco_ship_") {
				container = "taco-ship"
			}
		}
		labels := fmt.Sprintf(`job=%q, namespace="shop", pod="shop-1", container=%q`, e.job, container)
		if e.labels != "" {
			labels += ", " + e.labels
		}
		one := series{e.name + "{" + labels + "}", strconv.FormatFloat(value, 'f', -1, 64) + step}
		if !slices.ContainsFunc(scraped, func(s series) bool { return s.Series == one.Series }) {
			scraped = append(scraped, one) // both sidecars have most of them
		}
		jobs[e.job] = true
	}
	for job := range jobs {
		scraped = append(scraped, series{fmt.Sprintf("up{job=%q}", job), "1x60"})
	}

	var asks []ask
	what := map[string]string{} // of each expression that is asked
	add := func(q query, expr, labels string) {
		what[expr] = q.what
		asks = append(asks, ask{expr, "50m", []sample{{labels, 1}}})
	}
	for _, q := range queries {
		add(q, "count("+q.expr+") > bool 0", "{}")
		for _, label := range q.labels {
			add(q, fmt.Sprintf(`count by (its) (label_replace(%s, "its", "there", %q, ".+")) > bool 0`, q.expr, label), `{its="there"}`)
		}
	}
	text, err := json.Marshal(map[string]any{
		"evaluation_interval": "1m",
		"tests":               []any{map[string]any{"interval": "1m", "input_series": scraped, "promql_expr_test": asks}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "queries.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	tool := command{path: promtool(t), home: t.TempDir()}
	stdout, stderr, err := tool.try(t, "test", "rules", file)
	if err != nil {
		for expr, where := range what {
			if strings.Contains(stdout+stderr, strconv.Quote(expr)) {
				t.Errorf("%s: no answer, or not with that label: %s", where, expr)
			}
		}
		t.Fatalf("promtool: %v\n%s%s", err, stdout, stderr)
	}
}

var (
	// What a query has besides metrics, in the order in which it is taken away.
	texts     = regexp.MustCompile(`"[^"]*"`)
	groupings = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	times     = regexp.MustCompile(`\[[^\]]*\]|\boffset\s+\w+`)
	operators = regexp.MustCompile(`\b(and|or|unless|bool)\b`)
	selector  = regexp.MustCompile(`\b([a-zA-Z_][a-zA-Z0-9_]*)\b\s*(\{[^}]*\})?(\s*\()?`)
)

// selectors are the metrics that a query looks at, with their matchers.
func selectors(expr string) (all []string) {
	// Texts are taken out, as they may have anything in them, and put back.
	var held []string
	expr = texts.ReplaceAllStringFunc(expr, func(s string) string {
		held = append(held, s)
		return fmt.Sprintf("‹%d›", len(held)-1)
	})
	for _, nothing := range []*regexp.Regexp{groupings, times, operators} {
		expr = nothing.ReplaceAllString(expr, " ")
	}
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		if m[3] != "" {
			continue // a function
		}
		one := m[1] + m[2]
		for i, s := range held {
			one = strings.ReplaceAll(one, fmt.Sprintf("‹%d›", i), s)
		}
		all = append(all, one)
	}
	return all
}

func TestSelectors(t *testing.T) {
	for expr, want := range map[string]string{
		`up`:                                 "up",
		`absent(up{job="a{b} by (c)"} == 1)`: `up{job="a{b} by (c)"}`,
		`histogram_quantile(0.99, sum by (le) (rate(a_bucket[5m])))`:                       "a_bucket",
		`a > bool 1e3 and on (b, c) (time() - (d > 0) > 900) or e{} unless e{} offset 15m`: "a d e{} e{}",
		`min_over_time(a[10m]) > max_over_time(a[10m] offset 20m)`:                         "a a",
		`topk(10, sum by (namespace, pod) (rate(a{x=~"y", z!="w"}[5m])))`:                  `a{x=~"y", z!="w"}`,
		`sum without (x) (a) / ignoring(y) group_left(z) b`:                                "a b",
	} {
		if have := strings.Join(selectors(expr), " "); have != want {
			t.Errorf("%s: have %s, want %s", expr, have, want)
		}
	}
}
