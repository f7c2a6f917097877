package torture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestLogrotate runs the real logrotate while a program writes.
func TestLogrotate(t *testing.T) {
	tool, err := exec.LookPath("logrotate")
	if err != nil {
		if _, err = os.Stat("/usr/sbin/logrotate"); err != nil {
			without(t, "no logrotate: apt-get install logrotate")
		}
		tool = "/usr/sbin/logrotate"
	}
	for _, c := range []struct {
		title, directives, pattern string
		reopen                     bool // the program opens its file anew after a rotation
	}{
		{"create", "create", "a.log", true},
		{"create inside the glob", "create", "a.log*", true},
		{"the program goes on with the old file", "create\ndelaycompress", "a.log*", false},
		{"copytruncate", "copytruncate", "a.log", false},
		{"copytruncate inside the glob", "copytruncate", "a.log*", false},
		{"compress", "create\ncompress\ndelaycompress", "a.log*", true},
		{"copytruncate and compress", "copytruncate\ncompress\ndelaycompress", "a.log*", false},
		{"dateext", "create\ndateext\ndateformat -%Y%m%d-ROUND", "a.log*", true},
	} {
		t.Run(c.title, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, os.Chmod(dir, 0o755)) // logrotate refuses folders that others may write
			name, config := filepath.Join(dir, "a.log"), filepath.Join(dir, "logrotate.conf")
			l := create(t, name)
			a := stream(t, "--state", filepath.Join(dir, "state"), filepath.Join(dir, c.pattern))
			const rounds, each = 6, 500
			var want []string
			for round := range rounds {
				lines := numbered("a", round*each, each)
				want = append(want, lines...)
				for i := 0; i < each; i += 50 {
					l.write(text(lines[i : i+50]))
				}
				if c.directives == "copytruncate" || round == 0 {
					a.untilLines(len(want)) // what nobody has read of a truncated file cannot be told from its copy
				}
				directives := strings.ReplaceAll(c.directives, "ROUND", strconv.Itoa(round))
				must(t, os.WriteFile(config, fmt.Appendf(nil, "%s {\nrotate 4\nsize 1\nsu root root\n%s\n}\n", name, directives), 0o600))
				out, err := exec.Command(tool, "-s", filepath.Join(dir, "status"), config).CombinedOutput()
				if err != nil {
					t.Fatalf("logrotate: %v\n%s", err, out)
				}
				if c.reopen {
					l.f.Close()
					l.f = create(t, name).f
				}
				a.untilLines(len(want))
			}
			l.write("a end\n")
			a.untilLines(len(want) + 1)
			equal(t, a.stop(), text(append(want, "a end")))
		})
	}
}
