package inject_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"logging.taco/injector/inject"
	"logging.taco/injector/profile"
)

var defaultProfile = profile.Default()

func TestReport(t *testing.T) {
	denied, skipped := inject.Finding{Severity: inject.Denied, Reason: inject.InvalidValue, Key: "k", Value: "v", Message: "m"},
		inject.Finding{Severity: inject.Skipped, Reason: inject.OptedOut, Message: "skip"}
	warning, windows := inject.Finding{Severity: inject.Warning, Reason: inject.ShortGrace, Message: "warn"},
		inject.Finding{Severity: inject.Skipped, Reason: inject.WindowsPod, Message: "win"}
	for _, test := range []struct {
		findings                  []inject.Finding
		denied, skipped, injected bool
		message                   string
		warnings, reasons         []string
	}{
		{nil, false, false, true, "", nil, nil},
		{[]inject.Finding{warning, warning}, false, false, true, "", []string{"warn", "warn"}, []string{"ShortGrace"}},
		{[]inject.Finding{skipped}, false, true, false, "skip", nil, []string{"OptedOut"}},
		{[]inject.Finding{windows}, false, true, false, "win", []string{"win"}, []string{"WindowsPod"}},
		{[]inject.Finding{warning, denied, skipped, denied}, true, false, false, `k: "v": m; k: "v": m`, []string{"warn"}, []string{"InvalidValue"}},
	} {
		r := inject.Report{Findings: test.findings}
		if r.Denied() != test.denied || r.Skipped() != test.skipped || r.Injected() != test.injected || r.Message() != test.message ||
			!slices.Equal(r.Warnings(), test.warnings) || !slices.Equal(r.Reasons(), test.reasons) {
			t.Errorf("%v: %v %v %v %q %q %q", test.findings, r.Denied(), r.Skipped(), r.Injected(), r.Message(), r.Warnings(), r.Reasons())
		}
	}
	if got := inject.UnresolvedSubPath.Label(); got != "unresolved_sub_path" {
		t.Errorf("label %q", got)
	}
}

// Every reason is used, documented by a case, and named as it is written.
func TestReasons(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var golden strings.Builder
	cases, _ := filepath.Glob("testdata/*.txtar")
	for _, c := range cases {
		text, err := os.ReadFile(c)
		if err != nil {
			t.Fatal(err)
		}
		golden.Write(text)
	}
	// Only Uninject, readmission and very large pods find these; tests of their own have them.
	elsewhere := []string{"TooLarge", "NotInjected", "UnreadableStatus", "Removed", "Unchanged"}
	seen := 0
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) == 0 {
			return true
		}
		name, value := v.Names[0].Name, strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`)
		seen++
		if name != value {
			t.Errorf("%s is written %s", name, value)
		}
		if !regexp.MustCompile(`(?m)^(info|warning|skipped|denied) +`+name+` `).MatchString(golden.String()) && !slices.Contains(elsewhere, name) {
			t.Errorf("no golden case finds %s", name)
		}
		return true
	})
	if seen < 30 {
		t.Errorf("only %d reasons", seen)
	}
}

// The message of a pod with very many faults stays readable.
func TestManyFaults(t *testing.T) {
	_, r := inject.Inject(annotated("paths", strings.Repeat("x,", 49)+"x"), "default", defaultProfile)
	if m := r.Message(); strings.Count(m, "absolute") != 20 || !strings.HasSuffix(m, "; and 30 more") {
		t.Errorf("%s", m)
	}
}

// The API server may cut a warning that is longer.
func TestWarningsAreShort(t *testing.T) {
	const most = 256
	cases, _ := filepath.Glob("testdata/*.txtar")
	for _, c := range cases {
		text, _ := os.ReadFile(c)
		for line := range strings.Lines(string(text)) {
			if w, ok := strings.CutPrefix(line, "warning  "); ok && len(w[18:]) > most && !strings.Contains(c, "split-glob") {
				t.Errorf("%s: %d bytes: %s", c, len(w[18:]), w)
			}
		}
	}
}

func TestUninjectReports(t *testing.T) {
	pod := injected(t, annotated())
	if _, r := inject.Inject(pod, "default", defaultProfile); r.Findings[len(r.Findings)-1].Reason != inject.Unchanged {
		t.Error("a second injection does not say that nothing changes")
	}
	if _, r := inject.Uninject(annotated()); !r.Skipped() || r.Reasons()[0] != "NotInjected" {
		t.Errorf("%+v", r)
	}
	for _, status := range []string{"", "{}", "[]", `{"version":1}{}`, `{"version":2}`, "null"} {
		if got, r := inject.Uninject(annotated("status", status)); !r.Denied() || r.Reasons()[0] != "UnreadableStatus" || got.Annotations["logging.taco/status"] != status {
			t.Errorf("%s: %+v", status, r)
		}
	}
	_, r := inject.Uninject(pod)
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Value)
	}
	if want := []string{"container taco-logs", "volume taco-state", "volume taco-var-log", "mount /var/log of container app", "annotation logging.taco/status"}; !slices.Equal(got, want) {
		t.Errorf("removed %q, not %q", got, want)
	}
	_, r = inject.Uninject(injected(t, annotated("mode", "ship")))
	var volumes []string
	for _, f := range r.Findings {
		if name, ok := strings.CutPrefix(f.Value, "volume "); ok {
			volumes = append(volumes, name)
		}
	}
	if want := []string{"taco-state", "taco-pod", "taco-credentials", "taco-var-log"}; !slices.Equal(volumes, want) {
		t.Errorf("removed volumes %q, not %q", volumes, want)
	}
}
