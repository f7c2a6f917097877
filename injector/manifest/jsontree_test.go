package manifest_test

import (
	"strings"
	"testing"

	"logging.taco/injector/inject"
	"logging.taco/injector/manifest"
)

// All of JSON is taken, also what a YAML parser does not know; its numbers stay.
func TestJSON(t *testing.T) {
	const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","annotations":{"logging.taco\/paths":"\/a\/b"}},` +
		"\"spec\":{\"containers\":[{\"name\":\"app\",\"args\":[\"\\ud83d\\ude00\\u00e9\x7f<\"]}],\"x\":[1.50,1E3,123456789012345678901234567890,-0]}}"
	const is = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","annotations":{"logging.taco/paths":"/a/b"}},` +
		"\"spec\":{\"containers\":[{\"name\":\"app\",\"args\":[\"😀é\x7f<\"]}],\"x\":[1.50,1E3,123456789012345678901234567890,-0]}}"
	for _, around := range [][2]string{{"", ""}, {"", "\n"}, {"\uFEFF", ""}, {"---\n", "\n"}} {
		there, err := change(t, "x", []byte(around[0]+pod+around[1]), injected)
		if err != nil || !strings.Contains(string(there), `"initContainers":`) {
			t.Fatalf("%q: %v\n%s", around, err, there)
		}
		if back, err := change(t, "x", there, inject.Uninject); err != nil || string(back) != around[0]+is+around[1] {
			t.Errorf("%q: %v\n%s\nnot\n%s", around, err, back, is)
		}
	}
	f, err := manifest.Parse("x", []byte("{\n\t\"kind\": \"List\",\n\t\"items\": [\n\t\t{},\n\n\t\t"+pod+"\n\t]\n}"))
	if err != nil || len(f.Pods) != 1 || f.Pods[0].Line != 6 || f.Pods[0].Object.Spec.Containers[0].Args[0] != "😀é\x7f<" {
		t.Errorf("%v: %+v", err, f)
	}
}

// What the parser takes for the end of a line, and editors do not, is no reason to
// lose a pod.
func TestOddBreaks(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p # the pod\n  annotations:\n    text: \"a%sb\"\n    logging.taco/paths: /a/b\nspec:\n  containers:\n  - name: app\n"
	for _, text := range []string{
		strings.Replace(pod, "%s", "\u2028\u2028\u0085\u2029\u2028\u2028\u2028\u2028", 1),
		strings.ReplaceAll(strings.Replace(pod, "%s", "", 1), "\n", "\r"),
		strings.Replace(pod, "%s", "", 1) + "\r",
	} {
		there, err := change(t, "x", []byte(text), injected)
		if err != nil || !strings.Contains(string(there), "initContainers:") || !strings.Contains(string(there), "# the pod") {
			t.Errorf("%q: %v\n%s", text, err, there)
		}
	}
}
