package manifest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"logging.taco/injector/inject"
	"logging.taco/injector/manifest"
)

// However a document is written: no panic, what is not changed stays, and what
// is injected says what it should when it is read again.
func FuzzChange(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.*")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("apiVersion: v1\nkind: Pod\nmetadata:\n  annotations:\n    logging.taco/paths: /a/b\nspec:\n  containers:\n  - {name: a}\n"))
	f.Add([]byte("{apiVersion: v1, kind: Pod, metadata: {annotations: {logging.taco/paths: /a/b}}, spec: {containers: [{name: a}]}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		there, err := change(t, "fuzz", text, injected)
		if err != nil || bytes.Equal(there, text) {
			return
		}
		again, err := change(t, "fuzz", there, injected)
		if err != nil || !bytes.Equal(again, there) {
			t.Fatalf("twice: %v\n%s\nnot\n%s", err, again, there)
		}
		back, err := change(t, "fuzz", there, inject.Uninject)
		if err != nil {
			t.Fatal(err)
		}
		was, err := manifest.Parse("was", text)
		if err != nil {
			t.Fatal(err)
		}
		is, err := manifest.Parse("is", back)
		if err != nil || len(is.Pods) != len(was.Pods) {
			t.Fatalf("%v: %d pods, not %d", err, len(is.Pods), len(was.Pods))
		}
		for i := range was.Pods {
			if patch, err := inject.Patch(was.Pods[i].Object, is.Pods[i].Object); err != nil || len(patch) > 0 {
				t.Errorf("uninjected differs: %v %v", patch, err)
			}
		}
	})
}
