package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const trace = "2026 boom\njava.lang.IllegalStateException: x\n\tat a.B.c(D.java:1)\n\tat e.F.g(H.java:2)\n"

func TestMultilineRecordsAcrossARestart(t *testing.T) {
	dir := t.TempDir()
	name, state := filepath.Join(dir, "a.log"), filepath.Join(dir, "state")
	l := create(t, name)
	args := []string{"--state", state, "--flush-timeout=30s", "--multiline=java", "--emit=json", name}
	l.write("2026 one\n" + trace[:60])
	a := stream(t, args...)
	a.untilLines(1)
	eventually(t, "the checkpoint", func() bool { return offsetOf(t, state, name) == int64(len("2026 one\n")) })
	first := a.kill()
	l.write(trace[60:])
	a = stream(t, args...)
	l.write("2026 two\n")
	a.untilLines(1)
	second := a.stop() // the open record goes out at the end
	quoted := `{"log":"` + strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(strings.TrimSuffix(trace, "\n")) + `"`
	for i, want := range []string{`{"log":"2026 one"`, quoted, `{"log":"2026 two"`} {
		if lines := strings.Split(first+second, "\n"); !strings.HasPrefix(lines[i], want) {
			t.Errorf("record %d: %s\nwant %s…", i, lines[i], want)
		}
	}
}

func TestMultilineRecordAtARotation(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	l := create(t, name)
	a := stream(t, "--multiline=java", "--emit=json", name)
	eventually(t, "the file is open", func() bool { return opened(a, name) })
	l.write(trace)
	l.rotate(name + ".1")
	l.write("\tat the.top(Of.java:1)\n2026 next\n")
	a.untilLines(3)
	out := a.stop()
	for i, want := range []string{`{"log":"2026 boom\n`, `{"log":"\tat the.top(Of.java:1)"`, `{"log":"2026 next"`} {
		if lines := strings.Split(out, "\n"); !strings.HasPrefix(lines[i], want) {
			t.Errorf("record %d: %s\nwant %s…", i, lines[i], want)
		}
	}
}

func TestMultilineRawIsAsItWas(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	var content strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&content, "2026 line %d\n", i)
		if i%7 == 0 {
			content.WriteString(trace)
		}
	}
	create(t, name).write(content.String())
	for _, rule := range []string{"java", "^2026 "} {
		a := stream(t, "--once", "--multiline", rule, name)
		a.exit()
		equal(t, a.output(), content.String())
	}
}

func TestCharsets(t *testing.T) {
	for charset, c := range map[string]struct{ in, want string }{
		"euc-kr":   {"ok\n\xbf\xc0\xb7\xf9 1\nbad \xff\n", "ok\n오류 1\nbad \uFFFD\n"},
		"utf-16le": {"\xff\xfea\x00\n\x00\n\x01\x0a\x00b\x00", "a\nĊ\nb\n"},
		"utf-16be": {"\x00a\x00\n\x0a\x0a\x00\n\x00b", "a\n\u0a0a\nb\n"},
	} {
		name := filepath.Join(t.TempDir(), "a.log")
		create(t, name).write(c.in)
		a := stream(t, "--once", "--charset", charset, name)
		a.exit()
		equal(t, a.output(), c.want)
	}
}

func TestSplitRecordsOfUTF16KeepTheirUnits(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.log")
	var in strings.Builder
	for range 3000 {
		in.WriteString("x\x00")
	}
	must(t, os.WriteFile(name, []byte(in.String()+"\n\x00"), 0o644))
	a := stream(t, "--once", "--charset=utf-16le", "--max-line=1025", name)
	a.exit()
	if got := strings.ReplaceAll(a.output(), "\n", ""); got != strings.Repeat("x", 3000) {
		t.Errorf("%d characters: %q", len(got), clip(got))
	}
}
