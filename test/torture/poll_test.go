package torture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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
		without(t, fmt.Sprintf("no user namespace here: %v %s", err, out))
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

// TestWhatNoEventTells writes behind the back of an overlay, as other machines
// do with a network file system: the slow look finds it.
func TestWhatNoEventTells(t *testing.T) {
	asRoot(t, "mount an overlay")
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		must(t, os.Mkdir(in(d), 0o755))
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", in("lower"), in("upper"), in("work"))
	if err := syscall.Mount("overlay", in("merged"), "overlay", 0, options); err != nil {
		without(t, fmt.Sprintf("mount an overlay: %v", err))
	}
	t.Cleanup(func() { syscall.Unmount(in("merged"), syscall.MNT_DETACH) })
	l := create(t, in("upper/a.log"))
	l.write("a 000000\n")
	address := freeAddress(t)
	a := stream(t, "--metrics", address, in("merged/*.log"))
	a.untilLines(1)
	for i := 1; i < 3; i++ {
		// The looks that follow a change are over.
		looks := metric(t, address, "taco_looks_total")
		eventually(t, "a slow look", func() bool { return metric(t, address, "taco_looks_total") > looks+1 })
		l.write(fmt.Sprintf("a %06d\n", i))
		a.untilLines(i + 1)
	}
	equal(t, a.stop(), text(numbered("a", 0, 3)))
}
