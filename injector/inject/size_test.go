package inject_test

import (
	"fmt"
	"strings"
	"testing"

	"logging.taco/injector/inject"
)

// A pod whose sidecar could not be started, or whose annotations the API server
// would not take, is denied with what to do about it.
func TestTooLarge(t *testing.T) {
	var apart, split strings.Builder
	for i := range 20 {
		fmt.Fprintf(&apart, "- {paths: /srv/app/%d.log, multiline: ^%d}\n", i, i)
		fmt.Fprintf(&split, "- {paths: /srv/app/%d.log, split: true}\n", i)
	}
	long := strings.Repeat("x", 15<<10)
	for name, test := range map[string]struct {
		key   string // of the finding
		says  string
		pairs []string
	}{
		"one config":  {"logging.taco/config", "317 KiB for the sidecar taco-logs", []string{"paths", "/srv/app/a", "drop", long, "config", apart.String()}},
		"all configs": {"logging.taco/config", "318 KiB for 21 sidecars", []string{"paths", "/srv/app/a", "drop", long, "config", split.String()}},
		"a status":    {"logging.taco/status", "would have 256 KiB", []string{"paths", "/srv/a"}},
	} {
		pod := annotated(test.pairs...)
		if name == "a status" {
			pod.Annotations["other"] = strings.Repeat("x", 256<<10-100)
		}
		after, r := inject.Inject(pod, "default", shipping)
		if !r.Denied() || after != pod || len(r.Findings) != 1 && name != "a status" {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		f := r.Findings[len(r.Findings)-1]
		if f.Reason != inject.TooLarge || f.Key != test.key || !strings.Contains(f.Message, test.says) {
			t.Errorf("%s: %v", name, f)
		}
	}
	// What fits goes in: globs, and what all files share said once.
	if _, r := inject.Inject(annotated("paths", "/srv/*", "drop", long), "default", shipping); !r.Injected() {
		t.Error(r.Message())
	}
}
