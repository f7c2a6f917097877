package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRenameInsideTheGlob(t *testing.T) {
	for _, writes := range []bool{true, false} {
		dir := t.TempDir()
		name := filepath.Join(dir, "a.log")
		l := create(t, name)
		a := stream(t, filepath.Join(dir, "a.log*"))
		l.write("a 1\n")
		a.untilLines(1)
		old := l.f
		must(t, os.Rename(name, name+".1"))
		want := "a 1\n"
		if writes {
			_, err := old.WriteString("a 2\n")
			must(t, err)
			want += "a 2\n"
			a.untilLines(2)
		}
		create(t, name).write("a 3\n")
		want += "a 3\n"
		a.untilLines(strings.Count(want, "\n"))
		equal(t, a.stop(), want)
	}
}

func TestRenameIntoAnotherFolderThenAnAppend(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.log")
	must(t, os.Mkdir(filepath.Join(dir, "old"), 0o755))
	l := create(t, name)
	address := freeAddress(t)
	a := stream(t, "--metrics", address, name)
	l.write("a 1\n")
	a.untilLines(1)
	must(t, os.Rename(name, filepath.Join(dir, "old", "a.log")))
	eventually(t, "the rename is noticed", func() bool { return metric(t, address, "taco_rotations_total") == 1 })
	metric(t, address, "taco_generations_retired_total") // and what comes of it
	l.write("a 2\n")
	a.untilLines(2)
	equal(t, a.stop(), "a 1\na 2\n")
}

func TestThreeFilesThreeRotations(t *testing.T) {
	dir := t.TempDir()
	want := map[string][]string{}
	var logs []*log
	for _, n := range []string{"x", "y", "z"} {
		logs = append(logs, create(t, filepath.Join(dir, n+".log")))
		want[n] = numbered(n, 0, 9)
	}
	a := stream(t, filepath.Join(dir, "*.log"))
	for _, l := range logs {
		eventually(t, "the file is open", func() bool { return opened(a, l.name) })
	}
	for r := range 3 {
		for _, l := range logs {
			n := strings.TrimSuffix(filepath.Base(l.name), ".log")
			l.write(text(want[n][3*r : 3*r+3]))
			l.rotate(fmt.Sprintf("%s.%d", l.name, r))
		}
	}
	a.untilLines(27)
	inOrder(t, a.stop(), want)
}

func TestSlowMessagesWithRotations(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	l := create(t, name)
	a := stream(t, name)
	eventually(t, "the file is open", func() bool { return opened(a, name) })
	want := numbered("a", 0, 30)
	for i, line := range want {
		l.write(line + "\n")
		if i%10 == 9 {
			l.rotate(fmt.Sprintf("%s.%d", name, i))
		}
		time.Sleep(5 * time.Millisecond) // the pace of the writer, not a synchronisation
	}
	a.untilLines(30)
	equal(t, a.stop(), text(want))
}

func TestFiveFilesRotatedBySize(t *testing.T) {
	const lines, limit = 100_000, 256 << 10
	dir := t.TempDir()
	create(t, filepath.Join(dir, "ready.log")).write("ready 000000\n")
	a := stream(t, filepath.Join(dir, "*.log"))
	a.untilLines(1)
	want := map[string][]string{"ready": {"ready 000000"}}
	done := make(chan bool)
	for i := range 5 {
		n := fmt.Sprintf("f%d", i)
		want[n] = numbered(n, 0, lines)
		l := create(t, filepath.Join(dir, n+".log"))
		go func() {
			defer func() { done <- true }()
			size, rotations := 0, 0
			for from := 0; from < lines; from += 100 {
				s := text(want[n][from : from+100])
				l.write(s)
				if size += len(s); size >= limit {
					l.rotate(fmt.Sprintf("%s.%d", l.name, rotations))
					size, rotations = 0, rotations+1
				}
			}
		}()
	}
	for range 5 {
		<-done
	}
	a.untilLines(5*lines + 1)
	inOrder(t, a.stop(), want)
}

func TestRenamedInTheMiddleOfABigFile(t *testing.T) {
	const lines = 400_000
	name := filepath.Join(t.TempDir(), "a.log")
	want := numbered("a", 0, lines)
	l := create(t, name)
	a := stream(t, name)
	eventually(t, "the file is open", func() bool { return opened(a, name) })
	for from := 0; from < lines; from += 1000 {
		l.write(text(want[from : from+1000]))
		if from == lines/2 {
			must(t, os.Rename(name, name+".1")) // the writer goes on with the old file
		}
	}
	create(t, name).write("a last\n")
	a.untilLines(lines + 1)
	equal(t, a.stop(), text(append(want, "a last")))
}

func TestReaderSlowerThanTheRotation(t *testing.T) {
	const files, each = 6, 4000
	name := filepath.Join(t.TempDir(), "a.log")
	l := create(t, name)
	a := streamWith(t, []option{slowReader(3 * time.Millisecond)}, name)
	want := numbered("a", 0, files*each)
	for i := range files {
		l.write(text(want[i*each : (i+1)*each]))
		// Wait for the file to be found, not for its bytes to be read.
		eventually(t, "the file is open", func() bool { return opened(a, name) })
		must(t, os.Rename(name, fmt.Sprintf("%s.%d", name, i)))
		l.f.Close()
		if i > 0 {
			must(t, os.Remove(fmt.Sprintf("%s.%d", name, i-1)))
		}
		l = create(t, name)
	}
	a.untilLines(files * each)
	equal(t, a.stop(), text(want))
}

func TestSymlinks(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "current.log")
	a := stream(t, link)
	var want []string
	for i := range 30 {
		target := filepath.Join(dir, fmt.Sprintf("target.%d", i))
		line := fmt.Sprintf("a %06d", i)
		create(t, target).write(line + "\n")
		want = append(want, line)
		must(t, os.Symlink(target, link+".new"))
		must(t, os.Rename(link+".new", link))
		a.untilLines(i + 1)
	}
	must(t, os.Rename(link, link+".old"))
	create(t, link).write("a end\n")
	a.untilLines(31)
	equal(t, a.stop(), text(append(want, "a end")))
}

func TestUnlinkWithUnreadData(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	want := text(numbered("a", 0, 200_000)) // much more than the pipes hold
	l := create(t, name)
	a := streamWith(t, []option{slowReader(5 * time.Millisecond)}, name)
	l.write(want)
	eventually(t, "the file is open", func() bool { return opened(a, name) })
	must(t, os.Remove(name))
	l.f.Close()
	a.fast()
	a.untilLines(200_000)
	eventually(t, "the descriptor is closed", func() bool { return !opened(a, name+" (deleted)") })
	equal(t, a.stop(), want)
}

// TestRotatedTwiceWhileNobodyLooks stops the agent's threads for a while, so
// that whole generations come and go between two looks.
func TestRotatedTwiceWhileNobodyLooks(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	l := create(t, name)
	a := stream(t, name)
	l.write("a 1\n")
	a.untilLines(1)
	a.freeze()
	l.write("a 2\n")
	for i := range 3 {
		for n := i; n > 0; n-- {
			must(t, os.Rename(fmt.Sprintf("%s.%d", name, n), fmt.Sprintf("%s.%d", name, n+1)))
		}
		l.rotate(name + ".1")
		l.write(fmt.Sprintf("a %d\n", i+3))
	}
	a.thaw()
	a.untilLines(5)
	equal(t, a.stop(), "a 1\na 2\na 3\na 4\na 5\n")
}

func TestRandomPausesBetweenRotations(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	name := filepath.Join(dir, "a.log")
	l := create(t, name)
	a := stream(t, name)
	eventually(t, "the file is open", func() bool { return opened(a, name) })
	var want []string
	for i := range 200 {
		line := fmt.Sprintf("a %06d", i)
		want = append(want, line)
		l.write(line + "\n")
		switch rnd.IntN(6) {
		case 0:
			l.rotate(fmt.Sprintf("%s.%d", name, i))
		case 1:
			time.Sleep(time.Duration(rnd.IntN(3000)) * time.Microsecond)
		}
	}
	a.untilLines(len(want))
	equal(t, a.stop(), text(want))
}
