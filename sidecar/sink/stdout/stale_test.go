package stdout

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"logging.taco/sidecar/config"
	"logging.taco/sidecar/follow"
	"logging.taco/sidecar/record"
)

// TestTruncatedAfterItWasFound: none of the range goes out, by whatever way.
func TestTruncatedAfterItWasFound(t *testing.T) {
	for _, emit := range []config.Emit{config.EmitRaw, config.EmitJSON} {
		for _, kind := range []string{"pipe", "file"} {
			dir := t.TempDir()
			name := filepath.Join(dir, "a.log")
			write := func(content string) {
				t.Helper()
				if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			in, out, err := os.Pipe()
			if kind == "file" {
				if out, err = os.Create(filepath.Join(dir, "out")); err == nil {
					in, err = os.Open(out.Name())
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			defer out.Close()
			write("one\ntwo\n")
			f := follow.New(follow.Options{Sources: []follow.Source{{Patterns: []string{name}}}})
			f.Start()
			defer f.Close()
			s := New(int(out.Fd()), []Source{{Emit: emit, Framing: new(record.Framing)}})

			for _, change := range []func(){
				func() { write("") },
				func() { write("ONE\nTWO\n") },
				func() { write("ONE\nTWO\nthree\n") },
			} {
				write("one\ntwo\n")
				f.Look()
				r, ok := f.Collect()
				if !ok {
					t.Fatal("there is nothing")
				}
				change()
				batch := []follow.Range{r}
				if err := s.Deliver(batch); err != nil {
					t.Fatal(err)
				}
				if !batch[0].Stale {
					t.Errorf("%s to a %s: delivered", emit, kind)
				}
				f.Release(&batch[0])
			}
			fd := int(in.Fd())
			unix.SetNonblock(fd, true)
			var b [100]byte
			if n, _ := unix.Read(fd, b[:]); n > 0 {
				t.Errorf("%s to a %s: %q is out", emit, kind, b[:n])
			}
		}
	}
}
