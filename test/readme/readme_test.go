// Package readme holds README.md to the code: the tables of annotations, flags,
// defaults and metrics are whole and right, its YAML is valid, and what it
// tells people to run or to open is there.
package readme

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"logging.taco/injector/annotation"
	"logging.taco/injector/profile"
	"logging.taco/sidecar/config"
)

func TestAnnotations(t *testing.T) {
	var keys []string
	for _, row := range table(t, "key") {
		keys = append(keys, annotation.Prefix+row[0])
	}
	same(t, "annotations", keys, annotation.Keys)
}

// TestDefaults compares what is said of a pod that asks for nothing, and of the
// most that it may ask for, with the profile that nobody has changed.
func TestDefaults(t *testing.T) {
	p := profile.Default()
	quoted := func(q resource.Quantity) string { return "`" + q.String() + "`" }
	cpu, memory, limit := p.Requests[corev1.ResourceCPU], p.Requests[corev1.ResourceMemory], p.Limits[corev1.ResourceMemory]
	shipCPU, shipMemory, shipLimit := p.ShipRequests[corev1.ResourceCPU], p.ShipRequests[corev1.ResourceMemory], p.ShipLimits[corev1.ResourceMemory]
	want := map[string]string{
		"mode":         string(p.Settings.Mode),
		"native":       string(p.Native),
		"cpu":          quoted(cpu) + "; " + quoted(shipCPU) + " where it ships",
		"memory":       quoted(memory) + ", limit " + quoted(limit) + "; " + quoted(shipMemory) + ", limit " + quoted(shipLimit) + " where it ships",
		"run-as-user":  fmt.Sprintf("that of the container that writes the files; `%d` where it has none or is root", p.User),
		"size-limit":   p.SizeLimit.String(),
		"metrics-port": fmt.Sprintf("`%d`; none on the node's network", p.MetricsPort),
	}
	for _, row := range table(t, "key") {
		if text, ok := want[row[0]]; ok && strings.Trim(row[2], "`") != strings.Trim(text, "`") {
			t.Errorf("README says that the default of %s is %s; it is %s", row[0], row[2], text)
		}
		delete(want, row[0])
	}
	if len(want) > 0 {
		t.Errorf("there is no row for %v", want)
	}
	text := strings.Join(strings.Fields(read(t)), " ")
	for _, sentence := range []string{
		quoted(p.MaxCPU) + " CPU, " + quoted(p.MaxMemory) + " of memory, " + quoted(p.MaxSizeLimit) + " of a volume",
		"In a pod of the Guaranteed class a sidecar has " + quoted(p.GuaranteedCPU) + " CPU",
	} {
		if !strings.Contains(text, sentence) {
			t.Errorf("README does not say %q", sentence)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		tables  []string
		program string
		command string
		dashes  string
	}{
		{[]string{"flag of stream and ship", "flag of stream"}, "./sidecar", "stream", "--"},
		{[]string{"flag of stream and ship", "flag of ship"}, "./sidecar", "ship", "--"},
		{[]string{"flag of serve"}, "./injector", "serve", "-"},
		{[]string{"flag of inject and explain", "flag of inject and uninject"}, "./injector", "inject", "-"},
		{[]string{"flag of inject and explain"}, "./injector", "explain", "-"},
	} {
		t.Run(c.command, func(t *testing.T) {
			var rows [][]string
			for _, head := range c.tables {
				rows = append(rows, table(t, head)...)
			}
			out, err := exec.Command("go", "run", c.program, c.command, "--help").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			has := flags(string(out))
			var names, want []string
			for name := range has {
				want = append(want, name)
			}
			for _, row := range rows {
				name := strings.TrimPrefix(row[0], c.dashes)
				names = append(names, name)
				if value, ok := has[name]; ok && value != "" && value != row[2] {
					t.Errorf("README says that the default of %s is %q; it is %q", row[0], row[2], value)
				} else if ok && value == "" && strings.Contains(row[2], "`") {
					t.Errorf("README says that the default of %s is %q; it has none", row[0], row[2])
				}
			}
			same(t, "flags", names, want)
		})
	}
}

var (
	flagLine    = regexp.MustCompile(`(?m)^  --?([a-z-]+)`)
	defaultText = regexp.MustCompile(`\(default "?(.*?)"?\)\n`)
)

// flags reads a help text: the default of each flag, "" where it has none.
func flags(help string) map[string]string {
	all := map[string]string{}
	starts := flagLine.FindAllStringSubmatchIndex(help, -1)
	for i, at := range starts {
		end := len(help)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		value := ""
		if m := defaultText.FindStringSubmatch(help[at[0]:end] + "\n"); m != nil {
			value = m[1]
		}
		all[help[at[2]:at[3]]] = value
	}
	return all
}

func TestMetrics(t *testing.T) {
	name := regexp.MustCompile(`\btaco_[a-z_]+`)
	text := name.FindAllString(read(t), -1)
	var code []string
	for _, tree := range []string{"sidecar", "injector"} {
		sources(t, tree, func(source string) {
			for _, quoted := range regexp.MustCompile(`"taco_[a-z_]+"`).FindAllString(source, -1) {
				code = append(code, strings.Trim(quoted, `"`))
			}
		})
	}
	same(t, "metrics", text, code)
}

// Every block of YAML is one that its reader takes.
func TestYAML(t *testing.T) {
	taken := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(read(t), -1) {
		text := []byte(block[1])
		var err error
		switch {
		case strings.HasPrefix(block[1], "metadata:"):
			var pod struct {
				Metadata struct{ Annotations map[string]string }
			}
			if err = yaml.Unmarshal(text, &pod); err == nil && strings.Count(block[1], "\n") > 5 {
				t.Errorf("README promises five lines:\n%s", text)
			}
			for key := range pod.Metadata.Annotations {
				if !slices.Contains(annotation.Keys, key) {
					t.Errorf("there is no annotation %s", key)
				}
			}
		case strings.HasPrefix(block[1], "annotations:"):
			var metadata struct{ Annotations map[string]string }
			if err = yaml.Unmarshal(text, &metadata); err == nil {
				pod := &corev1.Pod{}
				pod.Annotations = metadata.Annotations
				_, _, err = annotation.Parse(pod)
			}
		case strings.HasPrefix(block[1], "# profile.yaml"):
			_, err = profile.Decode("profile.yaml", text)
		case strings.HasPrefix(block[1], "sources:"):
			_, err = config.Decode("config", text)
		default:
			t.Errorf("nobody reads this:\n%s", text)
		}
		if err != nil {
			t.Errorf("%v:\n%s", err, text)
		}
		taken++
	}
	if taken < 3 {
		t.Errorf("only %d blocks of YAML", taken)
	}
}

// Commands that need nothing but what is in the repository do what README says.
func TestCommands(t *testing.T) {
	text := read(t)
	bin := filepath.Join(t.TempDir(), "bin")
	out, err := exec.Command("go", "build", "-o", bin+"/", "./sidecar", "./injector").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	top, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(top, "examples"), filepath.Join(bin, "..", "examples")); err != nil {
		t.Fatal(err)
	}
	sh := func(command string) string {
		t.Helper()
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = filepath.Dir(bin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s\n%v\n%s", command, err, out)
		}
		return string(out)
	}
	last, ran := "", 0
	for _, command := range regexp.MustCompile(`(?m)^\$ (bin/injector .*)$`).FindAllStringSubmatch(text, -1) {
		last = sh(command[1])
		ran++
	}
	if original, err := os.ReadFile("examples/counter.yaml"); err != nil || ran < 3 || last != string(original) {
		t.Errorf("%v; %d commands of bin/injector, and in the end the original should be there again, not\n%s", err, ran, last)
	}

	// The access log, of whose line README shows the record.
	shown := regexp.MustCompile(`(?m)^\$ (bin/sidecar stream) (.* )(/var/log/nginx/access\.log)\n(\{"log":("(?:[^"\\]|\\.)*").*\n)`).FindStringSubmatch(text)
	if shown == nil {
		t.Fatal("README shows no record of an access log")
	}
	line, err := strconv.Unquote(shown[5])
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(log, []byte(line+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := sh(shown[1]+" --once "+shown[2]+log), strings.ReplaceAll(shown[4], shown[3], log); got != want {
		t.Errorf("README shows\n%sand it is\n%s", want, got)
	}
}

func TestWhatItNamesIsThere(t *testing.T) {
	text := read(t)
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(link[1]); err != nil {
			t.Error(err)
		}
	}
	for _, path := range regexp.MustCompile("(?:test|examples|manifests|injector|sidecar)/[a-z][a-z./-]*[a-z]").FindAllString(text, -1) {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range regexp.MustCompile("[`#$] ?make ([a-z-]+)").FindAllStringSubmatch(text, -1) {
		if !regexp.MustCompile(`(?m)^` + target[1] + `:`).Match(makefile) {
			t.Errorf("there is no make %s", target[1])
		}
	}
}

// table is the table whose first column has this head, backquotes left out;
// each row has its cells without those around a single word.
func table(t *testing.T, head string) [][]string {
	t.Helper()
	var rows [][]string
	in := false
	for line := range strings.Lines(read(t)) {
		line = strings.TrimSpace(line)
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		first := strings.ReplaceAll(strings.TrimSpace(cells[0]), "`", "")
		switch {
		case !strings.HasPrefix(line, "|"):
			in = false
		case first == head:
			in = true
		case in && !strings.HasPrefix(first, "---"):
			for i, c := range cells {
				c = strings.TrimSpace(c)
				if strings.Count(c, "`") == 2 {
					c = strings.TrimPrefix(strings.TrimSuffix(c, "`"), "`")
				}
				cells[i] = c
			}
			rows = append(rows, cells)
		}
	}
	if len(rows) == 0 {
		t.Fatalf("README has no table whose first column is called %q", head)
	}
	return rows
}

// same compares names as sets and tells what is on one side alone.
func same(t *testing.T, what string, readme, code []string) {
	t.Helper()
	for _, name := range readme {
		if !slices.Contains(code, name) {
			t.Errorf("%s: README has %s, the code has not", what, name)
		}
	}
	for _, name := range code {
		if !slices.Contains(readme, name) {
			t.Errorf("%s: the code has %s, README has not", what, name)
		}
	}
}

// read returns README.md, with the repository's top as working folder. It looks
// at all sources, so that `go test` takes no result from its cache when they
// have changed.
func read(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("README.md"); err != nil {
		t.Chdir("../..")
		for _, tree := range []string{"sidecar", "injector"} {
			sources(t, tree, func(string) {})
		}
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func sources(t *testing.T, tree string, each func(source string)) {
	t.Helper()
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		each(string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
