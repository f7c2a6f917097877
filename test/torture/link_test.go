package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestLinksAreNoticedByEvents appends to files behind links. The slow look, of
// one a second, would have to be made once for each line.
func TestLinksAreNoticedByEvents(t *testing.T) {
	for _, c := range []struct {
		title string
		links func(dir string) // in dir/logs, to dir/far/a.log
		paths []string
	}{
		{"a link into another folder", func(dir string) {
			must(t, os.Symlink("../far/a.log", dir+"/logs/a.log"))
		}, []string{"logs/a.log"}},
		{"a link to a link", func(dir string) {
			must(t, os.Mkdir(dir+"/between", 0o755))
			must(t, os.Symlink(dir+"/between/a.log", dir+"/logs/a.log"))
			must(t, os.Symlink("../far/a.log", dir+"/between/a.log"))
		}, []string{"logs/*.log"}},
		{"two links to one file", func(dir string) {
			must(t, os.Symlink("../far/a.log", dir+"/logs/a.log"))
			must(t, os.Symlink("../far/a.log", dir+"/logs/b.log"))
		}, []string{"logs/*.log"}},
		{"a folder under many names", func(dir string) {
			for i := range 20 {
				must(t, os.Symlink("../far", fmt.Sprintf("%s/logs/near%d", dir, i)))
			}
		}, []string{"far/*.log", "logs/**/*.log"}},
	} {
		t.Run(c.title, func(t *testing.T) {
			dir, err := filepath.EvalSymlinks(t.TempDir())
			must(t, err)
			must(t, os.Mkdir(dir+"/logs", 0o755))
			must(t, os.Mkdir(dir+"/far", 0o755))
			l := create(t, dir+"/far/a.log")
			c.links(dir)
			address := freeAddress(t)
			args := []string{"--metrics", address}
			for _, p := range c.paths {
				args = append(args, filepath.Join(dir, p))
			}
			a := stream(t, args...)
			l.write("a 000000\n")
			a.untilLines(1)
			const lines = 12
			looks := 0.0
			for i := 1; i < lines; i++ {
				before := metric(t, address, "taco_looks_total") // and by now it waits for events again
				l.write(fmt.Sprintf("a %06d\n", i))
				a.untilLines(i + 1)
				looks += metric(t, address, "taco_looks_total") - before
			}
			if looks > lines/2 {
				t.Errorf("%v looks for %d lines", looks, lines-1)
			}
			equal(t, a.stop(), text(numbered("a", 0, lines)))
		})
	}
}

// linked is a file in one folder and a link to it in another, which is what is followed.
func linked(t *testing.T) (l *log, link, state string) {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"logs", "far"} {
		must(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	link = filepath.Join(dir, "logs", "current")
	must(t, os.Symlink("../far/a.log", link))
	return create(t, filepath.Join(dir, "far", "a.log")), link, filepath.Join(dir, "state")
}

// TestTargetRotatedTwiceWhileNobodyLooks: whole generations come and go behind a link.
func TestTargetRotatedTwiceWhileNobodyLooks(t *testing.T) {
	l, link, _ := linked(t)
	a := stream(t, link)
	l.write("a 1\n")
	a.untilLines(1)
	a.freeze()
	l.write("a 2\n")
	for i := range 3 {
		for n := i; n > 0; n-- {
			must(t, os.Rename(fmt.Sprintf("%s.%d", l.name, n), fmt.Sprintf("%s.%d", l.name, n+1)))
		}
		l.rotate(l.name + ".1")
		l.write(fmt.Sprintf("a %d\n", i+3))
	}
	a.thaw()
	a.untilLines(5)
	equal(t, a.stop(), "a 1\na 2\na 3\na 4\na 5\n")
}

func TestTargetCopiedAndTruncated(t *testing.T) {
	l, link, _ := linked(t)
	a := stream(t, link)
	l.write("a 1\n")
	a.untilLines(1)
	a.freeze()
	l.write("a 2\n")
	l.copytruncate(l.name + ".1")
	l.write("a 3\n")
	a.thaw()
	a.untilLines(3)
	equal(t, a.stop(), "a 1\na 2\na 3\n")
}

func TestTargetRotatedWhileDown(t *testing.T) {
	l, link, state := linked(t)
	l.write("a 1\n")
	a := stream(t, "--state", state, link)
	a.untilLines(1)
	out := a.stop()
	l.write("a 2\n")
	l.rotate(l.name + ".1")
	l.write("a 3\n")
	a = stream(t, "--state", state, link)
	a.untilLines(2)
	equal(t, out+a.stop(), "a 1\na 2\na 3\n")
}

// TestRetargetedBesideOlderFiles: what stands beside the new target and was
// never behind the link is not read.
func TestRetargetedBesideOlderFiles(t *testing.T) {
	l, link, _ := linked(t)
	l.write("a 1\n")
	b := create(t, filepath.Join(filepath.Dir(l.name), "b.log"))
	b.write("b 1\n")
	b.rotate(b.name + ".1")
	b.write("b 2\n")
	a := stream(t, link)
	a.untilLines(1)
	must(t, os.Symlink(b.name, link+".new"))
	must(t, os.Rename(link+".new", link))
	a.untilLines(2)
	b.write("b 3\n")
	a.untilLines(3)
	equal(t, a.stop(), "a 1\nb 2\nb 3\n")
}
