package main

import (
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// What package inject makes of a pod that the API server takes, it takes too.
func testGolden(t *testing.T, c *cluster) {
	c.mustKubectl(t, "", "create", "namespace", "golden")
	c.mustKubectl(t, "", "label", "namespace", "golden", "logging.taco/injection=disabled")
	files, err := filepath.Glob("inject/testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	create := func(name string, text []byte) error {
		t.Helper()
		pod := &corev1.Pod{}
		if err := yaml.UnmarshalStrict(text, pod); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		pod.Namespace = ""
		_, err := c.admin.CoreV1().Pods("golden").Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	valid := 0
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sections := map[string][]byte{}
		for _, f := range archive.Files {
			sections[f.Name] = f.Data
		}
		output, injected := sections["output.yaml"]
		if !injected {
			continue
		}
		if err := create(file, sections["input.yaml"]); err != nil {
			t.Logf("%s is no pod for this API server: %v", file, err)
			continue
		}
		valid++
		if err := create(file, output); err != nil {
			t.Errorf("%s: the injected pod is refused: %v", file, err)
		}
	}
	if valid < 90 {
		t.Errorf("only %d cases are pods that this API server takes; the test proves too little", valid)
	}
}
