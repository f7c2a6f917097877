package manifest_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/inject"
	"logging.taco/injector/manifest"
	"logging.taco/injector/profile"
)

func injected(pod *corev1.Pod) (*corev1.Pod, inject.Report) {
	return inject.Inject(pod, "default", profile.Default())
}

// change applies a function to all pods of a text.
func change(t *testing.T, name string, text []byte, how func(*corev1.Pod) (*corev1.Pod, inject.Report)) ([]byte, error) {
	t.Helper()
	f, err := manifest.Parse(name, text)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(f.Bytes(), text) {
		t.Errorf("a file that was only parsed comes out as\n%s", f.Bytes())
	}
	for _, pod := range f.Pods {
		after, report := how(pod.Object)
		if report.Denied() {
			return nil, fmt.Errorf("%s", report.Message())
		}
		patch, err := inject.Patch(pod.Object, after)
		if err != nil {
			return nil, err
		}
		pod.Change(patch)
	}
	if err := f.Apply(); err != nil {
		return nil, err
	}
	return f.Bytes(), nil
}

// What is put in can be taken out, and every other byte stays.
func TestThereAndBack(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.*")
	if len(files) < 9 {
		t.Fatal("no testdata")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			there, err := change(t, file, text, injected)
			if strings.Contains(file, "shared-") {
				if err == nil || !strings.Contains(err.Error(), "anchors") {
					t.Fatalf("what two places share cannot be changed in one: %v\n%s", err, there)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(there, text) {
				t.Fatal("nothing was injected")
			}
			if filepath.Base(file) == "crlf.yaml" && strings.Count(string(there), "\n") != strings.Count(string(there), "\r\n") {
				t.Errorf("line ends are mixed: %q", there)
			}
			again, err := change(t, file, there, injected)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again, there) {
				t.Errorf("twice is not once:\n%s\nnot\n%s", again, there)
			}
			back, err := change(t, file, there, inject.Uninject)
			if err != nil {
				t.Fatal(err)
			}
			want := string(text)
			if strings.Contains(file, "no-newline") {
				want += "\n"
			}
			if file == "testdata/pod.json" {
				want = pretty // JSON is written anew
			}
			if string(back) != want {
				t.Errorf("there and back is\n%s\nnot\n%s", back, want)
			}
			if filepath.Ext(file) == ".json" || strings.HasPrefix(filepath.Base(file), "flow") || strings.HasPrefix(filepath.Base(file), "kinds") {
				return
			}
			rest := strings.Split(string(there), "\n")
			for line := range strings.SplitSeq(want, "\n") {
				i := slices.Index(rest, line)
				if i < 0 && !strings.Contains(line, "[]") && !strings.Contains(line, "logging.taco") {
					t.Errorf("the line %q is gone or elsewhere", line)
				}
				rest = rest[max(i, 0):]
			}
		})
	}
}

const pretty = `{
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "app",
        "annotations": {
            "logging.taco/paths": "/var/log/app.log"
        }
    },
    "spec": {
        "zzz": 1.50,
        "containers": [
            {
                "name": "app",
                "image": "x<y>&z"
            }
        ]
    }
}
`

// A comment stays above what it is about.
func TestComments(t *testing.T) {
	for file, want := range map[string]string{
		"testdata/mixed.yaml":   "      # the app\n      containers:\n        # first\n        - name: app   # the app\n",
		"testdata/scalars.yaml": "  # comes first\n  -\n    name: init\n",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		there, err := change(t, file, text, injected)
		if err != nil || !strings.Contains(string(there), want) {
			t.Errorf("%v: no\n%s\nin\n%s", err, want, there)
		}
	}
}

func TestPods(t *testing.T) {
	text, err := os.ReadFile("testdata/kinds.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, err := manifest.Parse("kinds.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range f.Pods {
		got = append(got, fmt.Sprint(p.Kind, " ", p.Namespace, "/", p.Name, " ", p.Line, " ", p.Object.Spec.Containers[0].Name))
	}
	want := []string{"StatefulSet n/s 1 a", "DaemonSet /d 15 a", "ReplicaSet /r 23 a", "ReplicationController /rc 31 a", "Job /j 39 a", "Pod /p 58 a"}
	if !slices.Equal(got, want) {
		t.Errorf("pods are\n%q\nnot\n%q", got, want)
	}
}

// Where a list says of what it is, its items need not.
func TestItemsWithoutKind(t *testing.T) {
	const text = "apiVersion: v1\nkind: PodTemplateList\nitems:\n- metadata: {name: a}\n  template:\n    metadata:\n      annotations:\n        logging.taco/paths: /a/b\n    spec:\n      containers:\n      - name: app\n- kind: Pod\n  metadata: {name: b}\n"
	there, err := change(t, "x", []byte(text), injected)
	if err != nil || strings.Count(string(there), "initContainers:") != 1 {
		t.Fatalf("%v\n%s", err, there)
	}
	f, err := manifest.Parse("x", []byte(text))
	if err != nil || len(f.Pods) != 2 || f.Pods[0].Kind != "PodTemplate" || f.Pods[1].Kind != "Pod" {
		t.Errorf("%v: %+v", err, f)
	}
	// An item that is an alias is a pod too.
	f, err = manifest.Parse("x", []byte("kind: List\nx: &x {apiVersion: v1, kind: Pod, metadata: {name: a}}\nitems: [*x]\n"))
	if err != nil || len(f.Pods) != 1 {
		t.Errorf("%v: %+v", err, f)
	}
}

// JSON needs no markers between documents; what YAML does not take for one
// document is no silent loss.
func TestDocumentsOfJSON(t *testing.T) {
	const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%s","annotations":{"logging.taco/paths":"/a/b"}},"spec":{"containers":[{"name":"app"}]}}`
	a, b := fmt.Sprintf(pod, "a"), fmt.Sprintf(pod, "b")
	for _, between := range []string{"", "\n", " \n\n ", "\n{}\n", "\n---\n"} {
		text := []byte(a + between + b + "\n")
		f, err := manifest.Parse("x", text)
		if err != nil || len(f.Pods) != 2 || f.Pods[0].Name != "a" || f.Pods[1].Name != "b" || f.Pods[1].Line != 1+strings.Count(between, "\n") {
			t.Errorf("%q: %v, %+v", between, err, f)
			continue
		}
		there, err := change(t, "x", text, injected)
		if err != nil || strings.Count(string(there), "initContainers") != 2 {
			t.Errorf("%q: %v\n%s", between, err, there)
		}
		if back, err := change(t, "x", there, inject.Uninject); err != nil || !bytes.Equal(back, text) {
			t.Errorf("%q: %v\n%s", between, err, back)
		}
	}
	for _, text := range []string{"{a: 1}\n{b: 2}", "a: 1\n...\nb: 2", "[]\n{}"} {
		if f, err := manifest.Parse("x", []byte(text)); err == nil {
			t.Errorf("%q: %+v", text, f)
		}
	}
	if _, err := manifest.Parse("x", []byte("a: 1\n...\n")); err != nil {
		t.Error(err)
	}
}

func TestJoin(t *testing.T) {
	var files []*manifest.File
	for _, text := range []string{"a: 1", "", "--- # x\nb: 2\n", "c: 3\n", "---\nd: 4"} {
		f, err := manifest.Parse("x", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if got, want := string(manifest.Join(files)), "a: 1\n--- # x\nb: 2\n---\nc: 3\n---\nd: 4"; got != want {
		t.Errorf("joined: %q, not %q", got, want)
	}
}

func TestBadManifests(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	head := "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
	for text, want := range map[string]string{
		"a: b: c":                        "line 1",
		"a: 1\n---\nb:\n  c: 1\n d: 2\n": "document at line 3: yaml: line 4",
		"a: 1\n---\n" + head + "spec: {}\nspec: {}": "line 3: Pod p: line 7: the key",
		"---\nok: 1\n---\na: [":                     "document at line 4",
		"\n" + head + "spec: []":                    "line 2: Pod p",
		head + "spec: {containers: [{name: 1}]}":    "Pod p",
		head + "spec: {x: .inf}":                    "not a number",
		head + "spec: {}\nspec: {}":                 "",
		"apiVersion: v1\nkind: Pod\nmetadata:\n  annotations:\n    logging.taco/split: true\n": "line 5: the value of the annotation logging.taco/split has to be a text; write it in quotes: \"true\"",
		head + "x: &x [*x]":                          "",
		head + bomb + "spec: {y: *i}":                "too large",
		head + "spec: {x: {<<: 1}}":                  "merged",
		head + "spec: {? [a] : b}":                   "a key has to be a text",
		head + strings.Repeat("x: {", 20) + "\nz: 1": "",
	} {
		_, err := manifest.Parse("file.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "file.yaml: ") {
			t.Errorf("%.80q: %v, not %q", text, err, want)
		}
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yml", "a.yaml", "c.json", "d.txt", ".e.swp"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("name: "+name+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "folder.yaml"), 0o777), os.Symlink("folder.yaml", filepath.Join(dir, "link.yaml")), syscall.Mkfifo(filepath.Join(dir, "pipe.yaml"), 0o666)); err != nil {
		t.Fatal(err)
	}
	files, err := manifest.Read([]string{dir, "-"}, strings.NewReader("name: stdin\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(manifest.Join(files)), "name: a.yaml\n---\nname: b.yml\n---\nname: c.json\n---\nname: stdin\n"; got != want {
		t.Errorf("read %q, not %q", got, want)
	}
	for _, name := range []string{filepath.Join(dir, "none"), t.TempDir()} {
		if _, err := manifest.Read([]string{name}, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
