package torture

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// disk is a small file system that can be made to fail: what lies behind the
// end of its image cannot be read.
type disk struct {
	t     *testing.T
	image string
	dir   string // where it is mounted
	whole []byte // the image, while it is cut
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	asRoot(t, "mount a disk")
	dir := t.TempDir()
	d := &disk{t: t, image: filepath.Join(dir, "image"), dir: filepath.Join(dir, "mounted")}
	must(t, os.Mkdir(d.dir, 0o755))
	must(t, os.WriteFile(d.image, nil, 0o644))
	must(t, os.Truncate(d.image, 8<<20))
	if out, err := exec.Command("mke2fs", "-q", "-F", "-t", "ext2", "-b", fmt.Sprint(block), "-m", "0", d.image).CombinedOutput(); err != nil {
		d.cannot("make a file system", err, out)
	}
	d.mount()
	t.Cleanup(func() { syscall.Unmount(d.dir, syscall.MNT_DETACH) })
	return d
}

func (d *disk) cannot(what string, err error, out []byte) {
	d.t.Helper()
	without(d.t, fmt.Sprintf("%s: %v %s", what, err, out))
}

func (d *disk) mount() {
	d.t.Helper()
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput(); err != nil {
		d.cannot("mount", err, out)
	}
}

// block is what the disk is made of.
const block = 4096

// fill takes all space but the last so many blocks on the disk: what is written
// next stands behind everything else.
func (d *disk) fill(but int) {
	d.t.Helper()
	name := func(i int) string { return filepath.Join(d.dir, fmt.Sprint(i)) }
	filler := make([]byte, block)
	for n := 0; ; n++ {
		copy(filler, fmt.Sprintf("filler %06d", n))
		if err := os.WriteFile(name(n), filler, 0o644); err != nil {
			break
		}
	}
	d.sync()
	image, err := os.ReadFile(d.image)
	must(d.t, err)
	for at := len(image) - block; but > 0 && at > 0; at -= block {
		var n int
		if _, err := fmt.Sscanf(string(image[at:at+20]), "filler %06d", &n); err == nil {
			must(d.t, os.Remove(name(n)))
			but--
		}
	}
	d.sync()
}

func (d *disk) sync() {
	d.t.Helper()
	f, err := os.Open(d.dir)
	must(d.t, err)
	defer f.Close()
	must(d.t, unix.Syncfs(int(f.Fd())))
}

// forget empties the kernel's cache of the disk, while nothing is open there.
func (d *disk) forget() {
	d.t.Helper()
	must(d.t, syscall.Unmount(d.dir, 0))
	d.mount()
}

// fail makes unreadable what begins with the content, a block's, and all that
// was written later. What the kernel has in its cache stays readable.
func (d *disk) fail(content []byte) {
	d.t.Helper()
	var err error
	d.whole, err = os.ReadFile(d.image)
	must(d.t, err)
	at := bytes.Index(d.whole, content)
	if at < 0 || at%block != 0 {
		d.t.Fatalf("the block is at %d of the image", at)
	}
	must(d.t, os.Truncate(d.image, int64(at)))
}

// mend makes all readable again.
func (d *disk) mend() {
	d.t.Helper()
	st, err := os.Stat(d.image)
	must(d.t, err)
	f, err := os.OpenFile(d.image, os.O_WRONLY, 0)
	must(d.t, err)
	defer f.Close()
	_, err = f.WriteAt(d.whole[st.Size():], st.Size())
	must(d.t, err)
}

// evict drops a file's bytes from the kernel's cache.
func evict(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	must(t, err)
	defer f.Close()
	must(t, f.Sync())
	must(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}

// TestFailingDisk: blocks in the middle of a file cannot be read for a while.
// Nothing of it goes out twice, and another file goes on.
func TestFailingDisk(t *testing.T) {
	for _, c := range []struct {
		title string
		lines string // the file's
		args  []string
		torn  bool // the record is longer than what is read before any of it goes out
	}{
		{"raw", text(numbered("a", 0, 80_000)), nil, false},
		{"prefix", text(numbered("a", 0, 80_000)), []string{"--emit=prefix"}, false},
		{"a long line", strings.Repeat("0123456789abcdef", 45_000) + "\n", []string{"--max-line=4MiB"}, true},
	} {
		t.Run(c.title, func(t *testing.T) {
			t.Parallel()
			d := newDisk(t)
			const from, to = 320 << 10, 400 << 10
			name, other, address := filepath.Join(d.dir, "a.log"), filepath.Join(t.TempDir(), "b.log"), freeAddress(t)
			content := []byte(c.lines)
			copy(content[from:], "the first of the blocks that fail")
			f, err := os.Create(name)
			must(t, err)
			write := func(from, to int) {
				_, err := f.WriteAt(content[from:to], int64(from))
				must(t, err)
				must(t, f.Sync())
			}
			write(0, from)
			write(to, len(content))
			d.fill((to - from) / block)
			write(from, to) // at the disk's end
			f.Close()
			d.forget()
			// Where the blocks lie is read before it is lost.
			f, err = os.Open(name)
			must(t, err)
			must(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM))
			_, err = f.ReadAt(make([]byte, 10), int64(len(content)-10))
			must(t, err)
			f.Close()
			d.fail(content[from : from+block])

			l := create(t, other)
			a := stream(t, append(c.args, "--metrics", address, name, other)...)
			eventually(t, "the fault is said", func() bool { return strings.Contains(a.said(), "cannot be read") })
			for range 2 {
				errors := metric(t, address, "taco_read_errors_total")
				l.write("b\n")
				eventually(t, "another attempt", func() bool { return metric(t, address, "taco_read_errors_total") > errors })
			}
			a.until("the other file", func(out string) bool { return strings.Count(out, "b\n") == 2 })
			d.mend()
			plain := func(out string) string { // its first file's lines
				return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(out, name+": ", ""), other+": ", ""), "b\n", "")
			}
			a.until("all of the file", func(out string) bool { return strings.HasSuffix(plain(out), string(content)) })
			out := plain(a.stop())
			if torn, again := strings.CutSuffix(out, string(content)); again && torn != "" && strings.HasPrefix(string(content), strings.TrimSuffix(torn, "\n")) && c.torn {
				out = string(content) // once is what cannot be avoided
			}
			equal(t, out, string(content))
			if n := strings.Count(a.said(), "cannot be read"); n != 1 {
				t.Errorf("said %d times, want once:\n%s", n, a.said())
			}
		})
	}
}

// TestDeliveredBytesThatCannotBeRead: they identify the file, and have to be
// read before it goes on; as long as they cannot, it waits.
func TestDeliveredBytesThatCannotBeRead(t *testing.T) {
	for _, restart := range []bool{false, true} {
		d := newDisk(t)
		dir := t.TempDir()
		name, state, address := filepath.Join(d.dir, "a.log"), filepath.Join(dir, "state"), freeAddress(t)
		line := strings.Repeat("delivered before ", 241)[:4095] + "\n"
		must(t, os.WriteFile(name, []byte(line), 0o644))
		start := func() *agent { return stream(t, "--state", state, "--metrics", address, name) }
		a := start()
		a.untilLines(1)
		eventually(t, "the checkpoint", func() bool { return offsetOf(t, state, name) == int64(len(line)) })
		if restart {
			a.stop()
		}
		evict(t, name)
		d.fail([]byte(line))
		if restart {
			a = start()
		} else {
			must(t, os.Chtimes(name, time.Time{}, time.Now()))
		}
		eventually(t, "that is said", func() bool { return strings.Contains(a.said(), "cannot be read") })
		d.mend()
		l := create(t, name)
		l.write("new\n")
		a.until("the new line", func(out string) bool { return strings.HasSuffix(out, "new\n") })
		want := line + "new\n"
		if restart {
			want = "new\n"
		}
		equal(t, a.stop(), want)
	}
}
