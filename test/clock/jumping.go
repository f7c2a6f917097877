// Package clock has a wall clock that tests can turn.
package clock

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Jumping builds a sidecar whose wall clock is yesterday's, today's or
// tomorrow's, another one at nearly each look at it. Only the monotonic clock
// is as it should be. No machine's clock is touched: one line of the standard
// library is another one in this build.
func Jumping(t *testing.T) string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", "env", "GOROOT").Output()
	must(err)
	original := filepath.Join(strings.TrimSpace(string(out)), "src", "time", "time.go")
	b, err := os.ReadFile(original)
	must(err)
	const call = "	sec, nsec, mono := runtimeNow()\n	if mono == 0 {"
	if strings.Count(string(b), call) != 1 {
		t.Fatalf("time.Now of this Go is another one; read %s", original)
	}
	dir := t.TempDir()
	replaced := strings.Replace(string(b), call, strings.Replace(call, "\n", "\n	sec += (mono>>10%3 - 1) * 86400\n", 1), 1)
	must(os.WriteFile(filepath.Join(dir, "time.go"), []byte(replaced), 0o644))
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: filepath.Join(dir, "time.go")}})
	must(err)
	must(os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644))
	built := filepath.Join(dir, "sidecar")
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", built, "logging.taco/sidecar")
	if b, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return built
}
