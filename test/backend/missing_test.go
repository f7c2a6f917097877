package backend_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"logging.taco/test/backend"
)

// Without Java a test is skipped and says what to install; with CI=true it fails.
func TestMissingJava(t *testing.T) {
	if os.Getenv("TACO_BACKEND_MISSING") != "" {
		backend.Start(t, backend.OpenSearch)
		return
	}
	for ci, want := range map[string]string{"": "--- SKIP", "true": "--- FAIL"} {
		tests := exec.Command(os.Args[0], "-test.run=^TestMissingJava$", "-test.v")
		tests.Env = append(os.Environ(), "TACO_BACKEND_MISSING=1", "PATH=/nowhere", "CI="+ci)
		out, err := tests.CombinedOutput()
		if text := string(out); !strings.Contains(text, want) || !strings.Contains(text, "not installed: java; on Debian: apt-get install") || (err != nil) != (ci == "true") {
			t.Errorf("CI=%s: %v\n%s", ci, err, text)
		}
	}
}
