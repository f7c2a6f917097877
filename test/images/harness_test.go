package images

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// interrupted ends with ^C or a kill, so that the tests fail and clean up.
var interrupted = context.Background()

func TestMain(m *testing.M) {
	var stop func()
	interrupted, stop = signal.NotifyContext(interrupted, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	status := m.Run()
	stop()
	os.Exit(status)
}

// need skips the test where the machine cannot do it; CI has to.
func need(t *testing.T) {
	t.Helper()
	missing := ""
	for _, program := range []string{"buildah", "unshare"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = program + " is not installed; on Debian, as root: apt-get install -y buildah util-linux"
		}
	}
	if os.Geteuid() != 0 {
		missing = "images are built as root here; run the tests as root"
	}
	if missing == "" {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

// store is a place for images of its own. Commands run in mount, process and
// network namespaces of their own: no build can reach a network, and when a
// command ends, however it ends, the kernel ends what it has started and
// mounted. What remains is the folder.
type store struct {
	t   *testing.T
	dir string
	env []string
	// network is left on for builds from images of a registry.
	network bool
}

const folderPattern = "logging.taco-images-"

func newStore(t *testing.T) *store {
	sweep(t)
	dir, err := os.MkdirTemp("", folderPattern+"*")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	tidy := blobCache()
	t.Cleanup(func() {
		tidy()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
		lock.Close()
	})
	// The driver vfs copies where others mount: nothing can stay mounted, and
	// it works inside a container too. The images are small.
	conf := fmt.Sprintf("[storage]\ndriver = \"vfs\"\nrunroot = %q\ngraphroot = %q\n", dir+"/run", dir+"/root")
	write(t, dir+"/storage.conf", conf)
	if err := os.Mkdir(dir+"/tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	return &store{t: t, dir: dir, env: append(os.Environ(),
		"CONTAINERS_STORAGE_CONF="+dir+"/storage.conf", "STORAGE_DRIVER=vfs", "TMPDIR="+dir+"/tmp", "BUILDAH_ISOLATION=chroot")}
}

// on is the same store, whose faults are those of a subtest.
func (s *store) on(t *testing.T) *store {
	sub := *s
	sub.t = t
	return &sub
}

// sweep removes the folders of tests that were killed.
func sweep(t *testing.T) {
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPattern+"*"))
	for _, dir := range old {
		lock, err := os.Open(filepath.Join(dir, "lock"))
		if err != nil {
			continue // just being made
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			t.Logf("removing %s, which a killed test has left", dir)
			os.RemoveAll(dir)
		}
		lock.Close()
	}
}

// blobCache returns what removes the one file that buildah writes outside its
// store, unless it was there before.
func blobCache() (tidy func()) {
	const file = "/var/lib/containers/cache/blob-info-cache-v1.boltdb"
	if _, err := os.Stat(file); err == nil {
		return func() {}
	}
	return func() {
		os.Remove(file)
		os.Remove(filepath.Dir(file)) // only where it is empty
		os.Remove(filepath.Dir(filepath.Dir(file)))
	}
}

// run runs a command and returns what it says on stdout.
func (s *store) run(env []string, name string, args ...string) string {
	s.t.Helper()
	out, message, err := s.try(env, name, args...)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, message)
	}
	return out
}

func (s *store) try(env []string, name string, args ...string) (stdout, stderr string, err error) {
	// The death signal is tied to the thread that starts the command.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	wrap := []string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc"}
	if !s.network {
		wrap = append(wrap, "--net")
	}
	cmd := exec.CommandContext(interrupted, "unshare", append(append(wrap, name), args...)...)
	cmd.Env = append(s.env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, message bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &message
	err = cmd.Run()
	return out.String(), message.String(), err
}

// buildah runs it, and returns its answer without the newline.
func (s *store) buildah(args ...string) string {
	s.t.Helper()
	return strings.TrimSpace(s.run(nil, "buildah", args...))
}

// files lists the regular files of an image and where its root is.
func (s *store) files(image string) (names []string, root string, bytes int64) {
	s.t.Helper()
	container := s.buildah("from", "--pull-never", image)
	root = s.buildah("mount", container)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			names = append(names, strings.TrimPrefix(path, root))
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return names, root, bytes
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
