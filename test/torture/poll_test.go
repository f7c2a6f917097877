package torture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPollingAlone runs where the kernel has no inotify to give: in a user
// namespace whose limit is 0.
func TestPollingAlone(t *testing.T) {
	const enter = `echo 0 > /proc/sys/user/max_inotify_instances && exec "$0" "$@"`
	in := func(args ...string) *exec.Cmd {
		return exec.Command("unshare", append([]string{"--user", "--map-root-user", "sh", "-c", enter}, args...)...)
	}
	if out, err := in("true").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" && os.Getuid() == 0 {
			t.Fatalf("no user namespace: %v %s", err, out)
		}
		t.Skipf("no user namespace here: %v %s", err, out)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "a.log")
	l := create(t, name)
	cmd := in(binary, "stream", "--flush-timeout=200ms", filepath.Join(dir, "a.log*"))
	a := launch(t, cmd)
	var want []string
	for i := range 4 {
		lines := numbered("a", 10*i, 10)
		want = append(want, lines...)
		l.write(text(lines))
		a.untilLines(len(want))
		if i%2 == 0 {
			l.rotate(fmt.Sprintf("%s.%d", name, i))
		} else {
			l.copytruncate(fmt.Sprintf("%s.%d", name, i))
		}
	}
	l.write("a end\n")
	a.untilLines(len(want) + 1)
	equal(t, a.stop(), text(append(want, "a end")))
	if !strings.Contains(a.said(), "polling") {
		t.Errorf("that it polls is not said: %s", a.said())
	}
}
