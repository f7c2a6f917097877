package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"
)

// command runs an offline command and gives back what it wrote.
func command(t *testing.T, in string, args ...string) (out, errs string, status int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	o := offline{program: "injector", in: strings.NewReader(in), out: &stdout, err: &stderr}
	switch args[0] {
	case "inject":
		status = o.inject(args[1:])
	case "uninject":
		status = o.uninject(args[1:])
	case "explain":
		status = o.explain(args[1:])
	}
	return stdout.String(), stderr.String(), status
}

const (
	plainDocument = "# kept  as it is\nkind:   ConfigMap\napiVersion: v1\n\ndata: {a: b}   # really\n"
	goodPod       = `apiVersion: v1
kind: Pod
metadata:
  name: good
  annotations:
    logging.taco/paths: /var/log/app.log
spec:
  containers:
  - name: app
    image: busybox
`
	badPod = `apiVersion: v1
kind: Pod
metadata:
  name: bad
  annotations:
    logging.taco/paths: app.log
spec:
  containers:
  - name: app
    image: busybox
`
)

func TestInjectCommand(t *testing.T) {
	in := plainDocument + "---\n" + goodPod + "---\n" + plainDocument
	out, errs, status := command(t, in, "inject", "-f", "-")
	if status != 0 || !strings.Contains(out, "taco-logs") || !strings.HasPrefix(out, plainDocument+"---\n") || !strings.HasSuffix(out, "---\n"+plainDocument) {
		t.Fatalf("status %d, errors %s, output\n%s", status, errs, out)
	}
	if !strings.Contains(errs, "standard input:7: Pod good: warning: ") {
		t.Errorf("the warnings are %q", errs)
	}
	twice, _, _ := command(t, out, "inject", "-f", "-")
	if twice != out {
		t.Errorf("twice is\n%s\nnot\n%s", twice, out)
	}
	back, errs, status := command(t, out, "uninject", "-f", "-")
	if back != in || status != 0 || errs != "" {
		t.Errorf("status %d, errors %s, uninjected is\n%s\nnot\n%s", status, errs, back, in)
	}
}

func TestDeniedPrintsNothing(t *testing.T) {
	out, errs, status := command(t, goodPod+"---\n"+badPod+"---\n"+badPod, "inject", "-f", "-")
	if status != 1 || out != "" {
		t.Errorf("status %d, output %q", status, out)
	}
	if n := strings.Count(errs, `Pod bad: denied: logging.taco/paths: "app.log": item 1: not an absolute path`); n != 2 {
		t.Errorf("%d denials in %s", n, errs)
	}
}

func TestUntouchedByteForByte(t *testing.T) {
	for _, in := range []string{"", "\n", plainDocument, "---\n---\n", "a: 1", strings.ReplaceAll(plainDocument, "\n", "\r\n"), "{}\n", "- x\n"} {
		for _, name := range []string{"inject", "uninject"} {
			out, errs, status := command(t, in, name, "-f", "-")
			if out != in || errs != "" || status != 0 {
				t.Errorf("%s %q: status %d, errors %q, output %q", name, in, status, errs, out)
			}
		}
	}
}

func TestExplainCommand(t *testing.T) {
	out, errs, status := command(t, goodPod, "explain", "-f", "-", "--namespace", "shop")
	if status != 0 || errs != "" {
		t.Errorf("status %d, errors %q", status, errs)
	}
	for _, want := range []string{"Pod/good in namespace shop", "injected with taco-logs", "/var/log/app.log", "taco-var-log", "taco-state", "FolderCovered", "UserUnset", "requests cpu 5m, memory 16Mi"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	out, _, status = command(t, goodPod+"---\n"+badPod, "explain", "-f", "-")
	if status != 1 || !strings.Contains(out, "injected with") || !strings.Contains(out, "Pod/bad in namespace default (standard input, line 12): denied\n  why\n    InvalidValue  logging.taco/paths: \"app.log\"") {
		t.Errorf("status %d, output\n%s", status, out)
	}
	out, _, status = command(t, goodPod, "explain", "-f", "-", "--namespace", "kube-system")
	if status != 0 || !strings.Contains(out, "left alone: ") {
		t.Errorf("status %d, output\n%s", status, out)
	}
	out, _, status = command(t, plainDocument, "explain", "-f", "-")
	if status != 0 || out != "no pods and no pod templates here\n" {
		t.Errorf("status %d, output\n%s", status, out)
	}
}

// The example that ships needs a profile with an output; explain says where the
// records go, and with which Secret.
// What inject finds about a pod, explain says, each in its place.
func TestExplainSaysAll(t *testing.T) {
	files, err := filepath.Glob("inject/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden cases: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"explain", "-f", "-"}
		for line := range strings.Lines(string(archive.Comment)) {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && key == "namespace" {
				args = append(args, "-namespace", value)
			} else if ok && key == "kubernetes" {
				args = append(args, "-kubernetes-version", value)
			}
		}
		in, report := "", ""
		for _, f := range archive.Files {
			switch f.Name {
			case "profile.yaml":
				config := filepath.Join(t.TempDir(), "profile.yaml")
				if err := os.WriteFile(config, f.Data, 0o666); err != nil {
					t.Fatal(err)
				}
				args = append(args, "-config", config)
			case "input.yaml":
				in = string(f.Data)
			case "report":
				report = string(f.Data)
			}
		}
		if !strings.HasPrefix(report, "injected") || !strings.Contains(in, "kind: Pod") {
			continue
		}
		out, errs, _ := command(t, in, args...)
		for line := range strings.Lines(report) {
			words := strings.Fields(line)
			if words[0] != "info" && words[0] != "warning" {
				continue
			}
			// In the end is the message, or the end of one that has colons itself.
			parts := strings.Split(strings.Join(words[2:], " "), ": ")
			if !strings.Contains(out, parts[len(parts)-1]) {
				t.Errorf("%s: %s\nis not in\n%s%s", file, line, out, errs)
			}
		}
	}
}

// Who pipes an explanation into a full disk has to know that it is not whole.
func TestExplainIntoNothing(t *testing.T) {
	var stderr bytes.Buffer
	full, writer := io.Pipe()
	full.CloseWithError(syscall.ENOSPC)
	o := offline{program: "injector", in: strings.NewReader(goodPod), out: writer, err: &stderr}
	if status := o.explain([]string{"-f", "-"}); status != exitFailed || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("status %d, errors %q", status, stderr.String())
	}
}

func TestShipExample(t *testing.T) {
	const example = "../examples/ship.yaml"
	if out, _, status := command(t, "", "explain", "-f", example); status != 1 || !strings.Contains(out, "the profile has no outputs") {
		t.Errorf("without an output: status %d, output\n%s", status, out)
	}
	file := filepath.Join(t.TempDir(), "profile.yaml")
	if err := os.WriteFile(file, []byte("outputs: {search: {to: 'https://es.logging:9200', credentials: {secret: writer}}}\ndefault-output: search\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	out, errs, status := command(t, "", "explain", "-f", example, "--config", file)
	for _, want := range []string{"injected with taco-ship", "output  search", "https://es.logging:9200", "logstash-%Y.%m.%d", "Secret writer",
		"taco-credentials", "HeldBounded", "none to the node's container log"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if status != 0 || errs != "" || strings.Contains(out, "a second time") {
		t.Errorf("status %d, errors %q, output\n%s", status, errs, out)
	}
	before, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	after, _, _ := command(t, "", "inject", "-f", example, "--config", file)
	if back, errs, status := command(t, after, "uninject", "-f", "-"); back != string(before) || status != 0 {
		t.Errorf("status %d, errors %q, uninjected is\n%s", status, errs, back)
	}
}

func TestFormats(t *testing.T) {
	list := "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n- " + strings.ReplaceAll(strings.TrimSpace(goodPod), "\n", "\n  ") + "\n"
	in := "# nothing\n---\n" + plainDocument + "---\n" + list + "---\n" + goodPod
	decode := func(text string) (all []any) {
		t.Helper()
		for d := json.NewDecoder(strings.NewReader(text)); ; {
			var v any
			if err := d.Decode(&v); errors.Is(err, io.EOF) {
				return all
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			all = append(all, v)
		}
	}
	fromYAML := func(text string) (all []any) {
		t.Helper()
		for part := range strings.SplitSeq(text, "\n---\n") {
			var v any
			if err := yaml.Unmarshal([]byte(part), &v); err != nil {
				t.Fatal(err)
			}
			if v != nil {
				all = append(all, v)
			}
		}
		return all
	}
	inYAML, _, _ := command(t, in, "inject", "-f", "-", "-o", "yaml")
	inJSON, _, status := command(t, in, "inject", "-f", "-", "-o", "json")
	if status != 0 || !reflect.DeepEqual(decode(inJSON), fromYAML(inYAML)) || len(decode(inJSON)) != 3 {
		t.Errorf("status %d, as JSON\n%s\nas YAML\n%s", status, inJSON, inYAML)
	}
	if back, _, _ := command(t, inJSON, "uninject", "-f", "-", "-o", "json"); !reflect.DeepEqual(decode(back), fromYAML(in)) {
		t.Errorf("uninjected\n%s", back)
	}

	// The patches are of the objects that people know, not of the list.
	patches, errs, status := command(t, in, "inject", "-f", "-", "-o", "patch")
	if status != 0 || strings.Count(patches, "\n") != 2 || !strings.Contains(errs, "warning") {
		t.Fatalf("status %d, patches\n%s", status, patches)
	}
	raw, err := yaml.YAMLToJSON([]byte(goodPod))
	if err != nil {
		t.Fatal(err)
	}
	want := fromYAML(inYAML)
	for line := range strings.Lines(patches) {
		patch, err := jsonpatch.DecodePatch([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		after, err := patch.Apply(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(string(after)); !reflect.DeepEqual(got[0], want[2]) {
			t.Errorf("patched to\n%s", after)
		}
	}
	workload := manifests(1)
	patches, _, _ = command(t, workload, "inject", "-f", "-", "-o", "patch")
	if !strings.Contains(patches, `"path":"/spec/template/spec/initContainers"`) {
		t.Errorf("patch %s", patches)
	}
	for _, c := range [][]string{{goodPod, "uninject"}, {plainDocument, "inject"}, {"", "inject"}} {
		if out, _, status := command(t, c[0], c[1], "-f", "-", "-o", "patch"); out != "" || status != 0 {
			t.Errorf("%s: status %d, %q", c[1], status, out)
		}
	}
	for _, format := range []string{"json", "patch"} {
		if out, _, status := command(t, goodPod+"---\n"+badPod, "inject", "-f", "-", "-o", format); status != 1 || out != "" {
			t.Errorf("status %d, %q", status, out)
		}
	}
}

// Colours are for a terminal, and for people who want them.
func TestColours(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer terminal.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	if !coloured(terminal) || coloured(file) {
		t.Errorf("a terminal %t, a file %t", coloured(terminal), coloured(file))
	}
	t.Setenv("TERM", "dumb")
	if coloured(terminal) {
		t.Error("colours on a dumb terminal")
	}
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	if coloured(terminal) {
		t.Error("colours although NO_COLOR says none")
	}

	plain := func(text string) string { return regexp.MustCompile("\x1b\\[[0-9]+m").ReplaceAllString(text, "") }
	for _, args := range [][]string{{"explain", "-f", "-"}, {"inject", "-f", "-"}} {
		for _, in := range []string{goodPod, badPod} {
			want, wantErrs, _ := command(t, in, args...)
			var stdout, stderr bytes.Buffer
			o := offline{program: "injector", in: strings.NewReader(in), out: &stdout, err: &stderr, outColours: true, errColours: true}
			if args[0] == "explain" {
				o.explain(args[1:])
			} else {
				o.inject(args[1:])
			}
			if out := stdout.String(); plain(out) != want || args[0] == "explain" && out == want {
				t.Errorf("%q: in colours\n%q", args, out)
			}
			if errs := stderr.String(); plain(errs) != wantErrs || errs == wantErrs && errs != "" || strings.Contains(want, "\x1b") {
				t.Errorf("%q: in colours\n%q", args, errs)
			}
		}
	}
}

// A link named kubectl-taco is a plugin of kubectl, and speaks as one.
func TestProgramName(t *testing.T) {
	for path, want := range map[string]string{"/bin/injector": "injector", "injector.test": "injector", "/usr/local/bin/kubectl-taco": "kubectl taco", "kubectl-taco": "kubectl taco"} {
		if got := programName(path); got != want {
			t.Errorf("%s is called %s", path, got)
		}
	}
	var stdout, stderr bytes.Buffer
	o := offline{program: "kubectl taco", in: strings.NewReader(""), out: &stdout, err: &stderr}
	if status := o.inject([]string{"-f", "-", "rest"}); status != 2 || !strings.HasPrefix(stderr.String(), `kubectl taco inject: "rest"`) || !strings.Contains(stderr.String(), "usage: kubectl taco inject") {
		t.Errorf("status %d: %s", status, &stderr)
	}
}

// A profile is checked as a whole, without any manifest.
func TestExplainProfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "profile.yaml")
	explain := func(text string) (out, errs string, status int) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return command(t, "", "explain", "--config", file)
	}
	out, errs, status := explain(`
image: mirror/sidecar:v7
allowed-images: [try/sidecar]
redact: [a, b]
outputs: {search: {to: 'https://es.logging:9200', credentials: {secret: writer}}, other: {to: 'http://x'}}
default-output: search
namespaces:
  team-*: {allowed-outputs: [search], allow-root: false, max: {memory: 64Mi}}
  os-*: {set-run-as-user: false}
`)
	if status != 0 || errs != "" {
		t.Errorf("status %d, errors %q", status, errs)
	}
	for _, want := range []string{"is a valid profile\n", "tags of mirror/sidecar, try/sidecar\n", "a, b\n", "https://es.logging:9200, index logstash-%Y.%m.%d, Secret writer; the default\n",
		"no Secret\n", "in namespaces team-*\n", "memory 64Mi", "no Secret; not for these pods\n", "never root\n", "given by the platform\n", "namespaces logging-taco, kube-system\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	out, errs, status = explain("image: a b\n\nnamespaces:\n  team:\n    emit: xml\n    max: {memory: 1Mi}\n")
	if status != 2 || out != "" || !strings.Contains(errs, file+": line 1: image") || !strings.Contains(errs, file+": line 5: namespaces.team.emit") {
		t.Errorf("status %d, errors %q, output %q", status, errs, out)
	}
	if _, errs, status = command(t, "", "inject", "--config", file); status != 2 || !strings.Contains(errs, "name the manifests") {
		t.Errorf("status %d, errors %q", status, errs)
	}
}

// A long list is changed as documents of their own are.
func TestList(t *testing.T) {
	out, errs, status := command(t, listed(40), "inject", "-f", "-")
	alone, _, _ := command(t, manifests(40), "inject", "-f", "-")
	lines := func(text string) (all []string) {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if line != "---" && line != "apiVersion: v1" && line != "kind: List" && line != "items:" && !strings.HasPrefix(line, "- # item") {
				all = append(all, line)
			}
		}
		return all
	}
	if status != 0 || strings.Count(out, "name: taco-logs") != 40 || !slices.Equal(lines(out), lines(alone)) {
		t.Errorf("status %d, errors %.300s, output\n%.3000s", status, errs, out)
	}
	if back, errs, status := command(t, out, "uninject", "-f", "-"); back != listed(40) || status != 0 {
		t.Errorf("status %d, errors %s, uninjected is\n%.3000s", status, errs, back)
	}
}

// A pod with both kinds of sidecar has both kinds of cost.
func TestExplainMixed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "profile.yaml")
	if err := os.WriteFile(file, []byte("outputs: {search: {to: 'https://es.logging:9200'}}\ndefault-output: search\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	in := strings.Replace(goodPod, "spec:", "    logging.taco/config: |\n      - paths: /var/log/audit.log\n        mode: ship\nspec:", 1)
	out, errs, status := command(t, in, "explain", "-f", "-", "--config", file)
	for _, want := range []string{"injected with taco-logs, taco-ship", "is streamed is written a second time", "every other one goes over", "requests cpu 15m, memory 48Mi"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if status != 0 || errs != "" {
		t.Errorf("status %d, errors %q", status, errs)
	}
}

// The likeliest mistake: annotations on the Deployment reach no pod.
func TestMisplacedAnnotation(t *testing.T) {
	in := `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations: {logging.taco/paths: /var/log/app.log}
spec:
  template:
    spec:
      containers: [{name: app}]
`
	out, errs, status := command(t, in, "inject", "-f", "-")
	if out != in || status != 0 || !strings.Contains(errs, "belongs to the pod template") {
		t.Errorf("status %d, errors %q, output\n%s", status, errs, out)
	}
	if out, _, _ = command(t, in, "explain", "-f", "-"); !strings.Contains(out, "belongs to the pod template") {
		t.Errorf("explained as\n%s", out)
	}
}

// Who takes the annotations out of an injected manifest, or opts out there, still has
// the sidecar, and is told.
func TestLeftInjected(t *testing.T) {
	injected, _, _ := command(t, goodPod, "inject", "-f", "-")
	const paths = "    logging.taco/paths: /var/log/app.log\n"
	for _, instead := range []string{"", paths + "    logging.taco/inject: \"false\"\n"} {
		in := strings.Replace(injected, paths, instead, 1)
		out, errs, status := command(t, in, "inject", "-f", "-")
		if out != in || status != 0 || !strings.Contains(errs, "Pod good: warning: it was injected before, and keeps its sidecar") {
			t.Errorf("status %d, errors %q, output\n%s", status, errs, out)
		}
		if out, _, _ := command(t, in, "explain", "-f", "-"); !strings.Contains(out, "uninject takes that out") {
			t.Errorf("explain says\n%s", out)
		}
	}
}

// A kind of somebody else's is not ours to change; that it is annotated is no
// reason to be silent.
func TestUnknownKind(t *testing.T) {
	const rollout = `apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: r}
spec:
  template:
    metadata: {annotations: {%s: /a/b}}
    spec: {containers: [{name: app}]}
`
	annotated := strings.Replace(rollout, "%s", "logging.taco/paths", 1)
	out, errs, status := command(t, goodPod+"---\n"+annotated, "inject", "-f", "-")
	if status != 0 || !strings.HasSuffix(out, "---\n"+annotated) || !strings.Contains(errs, "standard input:12: Rollout r: warning: logging.taco/paths is in the template of a kind that is not known here") {
		t.Errorf("status %d, %q, output\n%s", status, errs, out)
	}
	out, _, status = command(t, annotated, "explain", "-f", "-")
	if status != 0 || !strings.HasPrefix(out, "Rollout/r (standard input, line 1): left alone: ") || strings.Contains(out, "no pods") {
		t.Errorf("status %d, explain says\n%s", status, out)
	}
	if _, errs, _ := command(t, strings.Replace(rollout, "%s", "other/paths", 1), "inject", "-f", "-"); errs != "" {
		t.Errorf("of other annotations: %q", errs)
	}
}

func TestKubernetesVersionAndProfile(t *testing.T) {
	out, _, _ := command(t, goodPod, "inject", "-f", "-", "--kubernetes-version", "1.28")
	if strings.Contains(out, "initContainers") || strings.Contains(out, "restartPolicy") {
		t.Errorf("a native sidecar on 1.28:\n%s", out)
	}
	file := filepath.Join(t.TempDir(), "profile.yaml")
	if err := os.WriteFile(file, []byte("image: mirror/sidecar:v7\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	out, _, _ = command(t, goodPod, "inject", "-f", "-", "--kubernetes-version", "1.28", "--config", file)
	if strings.Contains(out, "initContainers") || !strings.Contains(out, "image: mirror/sidecar:v7\n") {
		t.Errorf("profile and version:\n%s", out)
	}
	if err := os.WriteFile(file, []byte("emit: raw\nimagee: x\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, errs, status := command(t, goodPod, "inject", "-f", "-", "--config", file)
	if status != 2 || !strings.Contains(errs, file+": line 2: ") {
		t.Errorf("status %d, errors %q", status, errs)
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{
		{"inject"}, {"explain", "-f", ""}, {"inject", "-f", "-", "rest"}, {"uninject", "--config", "x"}, {"inject", "--nonsense"},
		{"inject", "-f", "-", "--kubernetes-version", "latest"}, {"inject", "-f", "-", "-o", "xml"}, {"explain", "-f", "-", "-o", "json"}, {"explain", "-f", "-", "--config", "/nowhere"},
	} {
		out, errs, status := command(t, goodPod, args...)
		if status != 2 || out != "" || errs == "" {
			t.Errorf("%q: status %d, errors %q, output %q", args, status, errs, out)
		}
		if !strings.Contains(errs, "usage: ") && !strings.Contains(errs, "/nowhere") {
			t.Errorf("%q says %q", args, errs)
		}
	}
	for _, args := range [][]string{{"inject", "-f", "/nowhere"}, {"explain", "-f", "/nowhere"}, {"uninject", "-f", "-"}} {
		out, errs, status := command(t, "a: b: c", args...)
		if status != 1 || out != "" || !strings.HasPrefix(errs, "injector ") {
			t.Errorf("%q: status %d, errors %q, output %q", args, status, errs, out)
		}
	}
	if _, errs, status := command(t, "", "inject", "-h"); status != 0 || !strings.Contains(errs, "-f FILE") {
		t.Errorf("-h: status %d, %q", status, errs)
	}
}
