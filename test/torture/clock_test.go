package torture

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"logging.taco/test/clock"
)

// TestJumpingClock: lines, their time-outs and the ends of files know nothing
// of the time of day.
func TestJumpingClock(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the sidecar with another standard library")
	}
	t.Parallel()
	built := clock.Jumping(t)
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	l := create(t, name)
	const flush = 500 * time.Millisecond
	args := []string{"stream", "--state", state, "--flush-timeout", flush.String(), "--linger=15s", "--emit=json", filepath.Join(dir, "a.log*")}
	start := func() *agent { return launch(t, exec.Command(built, args...)) }

	a := start()
	l.write("a 000000\nhalf")
	written := time.Now()
	a.untilLines(2)
	if d := time.Since(written); d < flush {
		t.Errorf("the half line came after %v, before the flush time-out of %v", d, flush)
	}
	days := map[string]bool{}
	lines := 2
	for i := range 6 {
		l.write(fmt.Sprintf("a %06d\n", lines))
		if i%2 == 0 {
			l.rotate(fmt.Sprintf("%s.%d", name, i))
		} else {
			a.untilLines(lines + 1)
			l.copytruncate(fmt.Sprintf("%s.%d", name, i))
		}
		l.write(fmt.Sprintf("a %06d\n", lines+1))
		lines += 2
		a.untilLines(lines)
	}
	eventually(t, "the checkpoint", func() bool { return offsetOf(t, state, name) == sizeOf(t, name) })
	out := a.kill()

	l.write("a deleted\n")
	a = start()
	a.untilLines(1)
	must(t, os.Remove(name))
	l.f.Close()
	eventually(t, "the deleted file is closed", func() bool { return !opened(a, name+" (deleted)") })
	l = create(t, name)
	must(t, a.cmd.Process.Signal(syscall.SIGTERM))
	for i := range 20 { // it follows on until the files are quiet
		l.write(fmt.Sprintf("a %06d\n", lines+i))
		a.untilLines(2 + i)
	}
	if code := a.exit(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	out += a.output()

	var got []string
	for line := range strings.Lines(out) {
		var record struct{ Log, Time string }
		must(t, json.Unmarshal([]byte(line), &record))
		got = append(got, record.Log)
		day, _, _ := strings.Cut(record.Time, "T")
		days[day] = true
	}
	want := append([]string{"a 000000", "half"}, numbered("a", 2, lines-2)...)
	want = append(append(want, "a deleted"), numbered("a", lines, 20)...)
	equal(t, text(got), text(want))
	if len(days) < 2 {
		t.Errorf("the clock did not jump: %v", days)
	}
}
