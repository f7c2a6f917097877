package inject_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"logging.taco/injector/inject"
	"logging.taco/injector/profile"
)

var update = flag.Bool("update", false, "write testdata's outputs anew; read the diff before you keep it")

// A golden case is one file: a title, perhaps "namespace NAME" and "kubernetes
// VERSION" in lines of their own, then the sections profile.yaml (optional) and
// input.yaml, which people write, and report, patch.json and output.yaml, which
// -update writes. Output is left out where it is the input.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 30 {
		t.Fatalf("only %d golden cases: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	want, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, namespace := profile.Default(), "default"
	title := true
	for line := range strings.Lines(string(want.Comment)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case title:
			title = false
			if key == "" {
				t.Fatal("a case begins with its title")
			}
		case key == "namespace":
			namespace = value
		case key == "kubernetes":
			if p.Kubernetes, err = profile.ParseVersion(value); err != nil {
				t.Fatal(err)
			}
		case key != "":
			t.Fatalf("unknown line %q after the title", line)
		}
	}
	sections := map[string][]byte{}
	for _, f := range want.Files {
		sections[f.Name] = f.Data
	}
	if text, ok := sections["profile.yaml"]; ok {
		version := p.Kubernetes
		if p, err = profile.Decode("profile.yaml", text); err != nil {
			t.Fatal(err)
		}
		p.Kubernetes = version
	}
	raw, err := yaml.YAMLToJSON(sections["input.yaml"])
	if err != nil {
		t.Fatal(err)
	}
	pod := decode(t, raw)
	after, report := inject.Inject(pod, namespace, p)
	if !reflect.DeepEqual(pod, decode(t, raw)) {
		t.Error("the input was changed")
	}
	ops, err := inject.Patch(pod, after)
	if err != nil {
		t.Fatal(err)
	}

	got := &txtar.Archive{Comment: want.Comment}
	for _, name := range []string{"profile.yaml", "input.yaml"} {
		if text, ok := sections[name]; ok {
			got.Files = append(got.Files, txtar.File{Name: name, Data: text})
		}
	}
	got.Files = append(got.Files, txtar.File{Name: "report", Data: []byte(show(report))})
	if len(ops) > 0 {
		got.Files = append(got.Files, txtar.File{Name: "patch.json", Data: lines(t, ops)})
		text, err := yaml.Marshal(after)
		if err != nil {
			t.Fatal(err)
		}
		got.Files = append(got.Files, txtar.File{Name: "output.yaml", Data: text})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(got), 0o666); err != nil {
			t.Fatal(err)
		}
	} else if g, w := txtar.Format(got), txtar.Format(want); !bytes.Equal(g, w) {
		t.Errorf("differs from %s (go test -update, then read the diff):\n%s", file, firstDifference(string(g), string(w)))
	}
	checkLaws(t, raw, namespace, p)
}

// show is a report with everything in it, one finding a line.
func show(r inject.Report) string {
	var b strings.Builder
	verdict := "injected"
	if r.Denied() {
		verdict = "denied"
	} else if r.Skipped() {
		verdict = "skipped"
	}
	fmt.Fprintln(&b, verdict)
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-8s %-17s %v\n", f.Severity, f.Reason, f)
	}
	return b.String()
}

// lines is a patch with one operation a line, keys in order.
func lines(t *testing.T, ops any) []byte {
	t.Helper()
	text, err := json.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Operation string `json:"op"`
		Path      string `json:"path"`
		Value     any    `json:"value,omitempty"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&list); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, op := range list {
		b.Write(marshal(t, op))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			old := "(the end)"
			if i < len(w) {
				old = w[i]
			}
			return fmt.Sprintf("line %d\n got: %s\nwant: %s", i+1, g[i], old)
		}
	}
	return fmt.Sprintf("line %d\n got: (the end)\nwant: %s", len(g)+1, w[len(g)])
}

func decode(t *testing.T, raw []byte) *corev1.Pod {
	t.Helper()
	var pod corev1.Pod
	if err := json.Unmarshal(raw, &pod); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return &pod
}

// apply applies a patch as the API server does: to the raw object.
func apply(t *testing.T, raw []byte, before, after *corev1.Pod) []byte {
	t.Helper()
	ops, err := inject.Patch(before, after)
	if err != nil {
		t.Fatal(err)
	}
	if len(ops) == 0 {
		return raw
	}
	text, err := json.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	out, err := patch.Apply(raw)
	if err != nil {
		t.Fatalf("%v: applying %s to %s", err, text, raw)
	}
	return out
}

// checkLaws holds for every pod and profile, denied or not.
func checkLaws(t *testing.T, raw []byte, namespace string, p profile.Profile) {
	t.Helper()
	pod := decode(t, raw)
	after, report := inject.Inject(pod, namespace, p)
	if !report.Injected() && after != pod {
		t.Error("a pod that is not injected has to come back as it is")
	}

	// The patch makes the raw object into the result, and keeps what it does not know.
	patched := apply(t, raw, pod, after)
	if !jsonEqual(t, canonical(t, patched), marshal(t, after)) {
		t.Errorf("the patch gives\n%s\nnot\n%s", patched, marshal(t, after))
	}
	strange := mark(t, raw)
	marked := apply(t, strange, decode(t, strange), mustInject(decode(t, strange), namespace, p))
	if !jsonEqual(t, marked, mark(t, raw, patched)) {
		t.Errorf("unknown fields are lost:\n%s\nnot\n%s", marked, mark(t, raw, patched))
	}

	// Twice is once, from the object in memory and from the one that was stored.
	for _, start := range []*corev1.Pod{after.DeepCopy(), decode(t, marshal(t, after))} {
		again, second := inject.Inject(start, namespace, p)
		if !bytes.Equal(marshal(t, again), marshal(t, after)) {
			t.Errorf("injecting twice gives\n%s\nnot\n%s", marshal(t, again), marshal(t, after))
		}
		if second.Denied() != report.Denied() {
			t.Errorf("its own output is denied: %s", second.Message())
		}
		if ops, _ := inject.Patch(start, again); len(ops) > 0 {
			t.Errorf("injecting twice patches: %s", lines(t, ops))
		}
	}
	if !report.Injected() {
		return
	}

	// Uninject gives the original back, even what only Go can tell apart.
	if pod.Annotations["logging.taco/status"] != "" {
		return
	}
	original, _ := inject.Uninject(after)
	if !reflect.DeepEqual(original, pod) {
		t.Errorf("uninjected is\n%#v\nnot\n%#v", original, pod)
	}
	if back := apply(t, patched, after, original); !jsonEqual(t, back, raw) {
		t.Errorf("uninjected is\n%s\nnot\n%s", back, raw)
	}
	if ops, _ := inject.Patch(after, original); len(ops) == 0 {
		t.Error("nothing was taken out")
	}
}

func mustInject(pod *corev1.Pod, namespace string, p profile.Profile) *corev1.Pod {
	after, _ := inject.Inject(pod, namespace, p)
	return after
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// canonical is a raw pod as Go's types write it.
func canonical(t *testing.T, raw []byte) []byte { return marshal(t, decode(t, raw)) }

func jsonEqual(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		t.Fatalf("not JSON: %s\n%s", a, b)
	}
	return reflect.DeepEqual(x, y)
}

// mark puts a field of a newer Kubernetes into every object of the pod's spec
// that raw has and, where a second object is given, into the same ones of that:
// lists are matched by name.
func mark(t *testing.T, raw []byte, into ...[]byte) []byte {
	t.Helper()
	var was, is any
	text := append([][]byte{raw}, into...)
	if json.Unmarshal(raw, &was) != nil || json.Unmarshal(text[len(text)-1], &is) != nil {
		t.Fatalf("not JSON: %s", text)
	}
	markValue(was, is)
	return marshal(t, is)
}

func markValue(was, is any) {
	switch was := was.(type) {
	case map[string]any:
		m, ok := is.(map[string]any)
		if !ok {
			return
		}
		for key, v := range was {
			switch key {
			case "annotations", "labels", "nodeSelector", "requests", "limits", "sizeLimit", "matchLabels":
			default:
				markValue(v, m[key])
			}
		}
		m["fromTheFuture"] = "kept"
	case []any:
		list, _ := is.([]any)
		for i, e := range was {
			name, at := nameOf(e)
			for j, f := range list {
				if n, a := nameOf(f); n != "" && n == name && a == at || name == "" && i == j {
					markValue(e, f)
				}
			}
		}
	}
}

func nameOf(v any) (name, at any) {
	m, ok := v.(map[string]any)
	if !ok {
		return "", nil
	}
	name, ok = m["name"]
	if !ok {
		name = ""
	}
	return name, m["mountPath"]
}
