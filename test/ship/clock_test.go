package ship

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestClock: with a wall clock that jumps by days, each line is stored once, in
// the index of the day that the clock had.
func TestClock(t *testing.T) {
	t.Parallel()
	s, b := shipToScript(t)
	s.args = append(s.args, "--credentials="+newSecret(t, map[string]string{"token": canaryPassword}).dir)
	address := freeAddress(t)
	want := padded("a", 1000)
	s.write("a.log", text(want))
	a := launchProgram(t, address, s.env, s.secrets, jumping(t), append(s.command("--batch-size=8KiB"), "--metrics="+address)...)
	a.untilDocuments(len(want))
	a.stop(0)
	eachOnce(t, texts(t, b), want)
	indices := map[string]bool{}
	for key, d := range b.Documents() {
		indices[d.Index] = true
		if day := strings.ReplaceAll(strings.TrimPrefix(d.Index, "logstash-"), ".", "-"); !strings.Contains(string(d.Source), `"@timestamp":"`+day+`T`) {
			t.Errorf("%s: %s", key, d.Source)
		}
	}
	if len(indices) < 2 {
		t.Errorf("the clock did not jump: %v", indices)
	}
}

// jumping builds a sidecar whose wall clock is yesterday's, today's or
// tomorrow's, another one at nearly each look at it. Only the monotonic clock
// is as it should be. No machine's clock is touched: one line of the standard
// library is another one in this build.
func jumping(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	must(t, err)
	original := filepath.Join(strings.TrimSpace(string(out)), "src", "time", "time.go")
	b, err := os.ReadFile(original)
	must(t, err)
	const call = "	sec, nsec, mono := runtimeNow()\n	if mono == 0 {"
	if strings.Count(string(b), call) != 1 {
		t.Fatalf("time.Now of this Go is another one; read %s", original)
	}
	dir := t.TempDir()
	replaced := strings.Replace(string(b), call, strings.Replace(call, "\n", "\n	sec += (mono>>10%3 - 1) * 86400\n", 1), 1)
	must(t, writeFile(filepath.Join(dir, "time.go"), replaced))
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: filepath.Join(dir, "time.go")}})
	must(t, err)
	must(t, writeFile(filepath.Join(dir, "overlay.json"), string(overlay)))
	built := filepath.Join(dir, "sidecar")
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", built, "logging.taco/sidecar")
	if b, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return built
}
