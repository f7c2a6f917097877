package annotation_test

import (
	"errors"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
	"logging.taco/sidecar/config"
)

// annotated is a pod with annotations, given as key (without prefix), value, …
func annotated(pairs ...string) *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Annotations = map[string]string{"unrelated/key": "x"}
	for i := 0; i < len(pairs); i += 2 {
		pod.Annotations[annotation.Prefix+pairs[i]] = pairs[i+1]
	}
	return pod
}

func TestParseAll(t *testing.T) {
	req, present, err := annotation.Parse(annotated("paths", "/a,b:/c", "mode", "stream", "split", "true", "emit", "json", "native", "false",
		"image", "registry:5000/a/b:tag@sha256:"+strings.Repeat("0f", 32), "cpu", "10m", "memory", "1Gi", "run-as-user", "0", "size-limit", "5G", "metrics-port", "9600", "inject", "true", "status", "anything"))
	if err != nil || !present {
		t.Fatal(present, err)
	}
	if len(req.Sources) != 1 || len(req.Sources[0].Paths) != 2 || req.Settings.Mode != annotation.Stream || !*req.Settings.Split || req.Settings.Emit != config.EmitJSON || req.Native != annotation.NativeFalse ||
		req.Image == "" || req.CPU.String() != "10m" || req.Memory.String() != "1Gi" || *req.RunAsUser != 0 || req.SizeLimit.String() != "5G" || *req.MetricsPort != 9600 || req.OptOut {
		t.Errorf("%+v", req)
	}
}

func TestPresent(t *testing.T) {
	for _, test := range []struct {
		pod             *corev1.Pod
		present, optOut bool
		err             string
	}{
		{&corev1.Pod{}, false, false, ""},
		{annotated(), false, false, ""},
		{annotated("status", "x"), false, false, ""},
		{annotated("paths", "/a/b"), true, false, ""},
		{annotated("split", "true"), true, false, "logging.taco/paths"},
		{annotated("inject", "false", "paths", "bad", "unknown", "x"), true, true, ""},
		{annotated("inject", "False", "paths", "/a/b"), true, false, "logging.taco/inject"},
	} {
		req, present, err := annotation.Parse(test.pod)
		if present != test.present || req.OptOut != test.optOut || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%v: %v %v %v", test.pod.Annotations, present, req.OptOut, err)
		}
	}
}

func TestPaths(t *testing.T) {
	for value, want := range map[string][]string{
		"/a/b":                       {"/a/b"},
		" /a/b , /c ":                {"/a/b", "/c"},
		"/a\n/b\n":                   {"/a", "/b"},
		"/a,\n/b,\r\n/c\r\n":         {"/a", "/b", "/c"},
		"app:/a,/b:c":                {"app:/a", "/b:c"},
		"/{a}/[{]b,/c":               {"/{a}/[{]b", "/c"},
		"/with space/and#hash:colon": {"/with space/and#hash:colon"},
		"//a///b/./c":                {"/a/b/c"},
		"/a/**/*.[lt]og":             {"/a/**/*.[lt]og"},
		"/ü/日本.log":                  {"/ü/日本.log"},
	} {
		req, _, err := annotation.Parse(annotated("paths", value))
		var got []string
		if err == nil {
			for i, p := range req.Sources[0].Paths {
				got = append(got, p.String())
				if p.Place != (annotation.Place{Key: annotation.Paths, Position: i + 1}) {
					t.Errorf("%q: place %v of item %d", value, p.Place, i+1)
				}
			}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", value, got, err)
		}
	}
}

func TestFaults(t *testing.T) {
	type faults = map[string]string // value → part of the reason
	for key, values := range map[string]faults{
		"paths": {"": "empty", "   ": "empty", "/a,,/b": "empty", ",": "empty", "/a,": "empty", "/a\n\n/b": "empty", "a": "absolute", "app:a": "absolute", ":/a": "container's name",
			"APP:/a": "container's name", "/a/../b": "..", "/a/": "folder", "/": "folder", "/.": "folder", "/a/.": "folder", "/a[": "glob", "/a\x00": "control", "/a\x7f": "control", "/\xff": "UTF-8", "/a,/a": "same as item 1", "/a/{b,c}/d": "braces have no meaning", "/a/b}": "braces",
			"/" + strings.Repeat("x", 5000): "longer", strings.Repeat("/a,", 200) + "/a": "more than"},
		"mode":         {"": "use stream or ship", "Stream": "use stream or ship", "kafka": "use stream or ship"},
		"output":       {"": "not a name", "Search": "not a name", "a b": "not a name", "https://x": "not a name", strings.Repeat("a", 64): "not a name"},
		"split":        {"": "true or false", "yes": "true or false", "TRUE": "true or false", " true": "true or false"},
		"emit":         {"": "raw, prefix or json", "xml": "raw, prefix or json"},
		"native":       {"": "auto, true or false", "1": "auto, true or false"},
		"image":        {"": "reference", "a b": "reference", "-x": "reference", "a@sha256:12": "reference", strings.Repeat("a", 1<<10): "reference", strings.Repeat("a", 64<<10): "longer than 32 KiB"},
		"cpu":          {"": "quantity", "0": "quantity", "-1": "quantity", "ten": "quantity", "1e-99999999": "quantity", "1e99999999": "quantity"},
		"memory":       {"": "quantity", "0": "quantity", "32m": "less than 4Mi, which is too little; with a unit it is, for example, 32Mi", "64": "less than 4Mi"},
		"size-limit":   {"": "quantity", "1 Gi": "quantity", "500m": "less than 4Ki", "500": "for example, 500Mi"},
		"run-as-user":  {"": "user id", "-1": "user id", "root": "user id", "01": "user id", "+1": "user id", "2147483648": "user id"},
		"metrics-port": {"": "port", "80": "1024 to 65535", "65536": "port", "-1": "port", "+2000": "port", "metrics": "port", "2000 ": "port"},
		"inject":       {"": "true or false", "no": "true or false"},
		"Paths":        {"x": "did you mean logging.taco/paths?"},
		"pahts":        {"x": "did you mean logging.taco/paths?"},
		"runAsUser":    {"x": "did you mean logging.taco/run-as-user?"},
		"size_limit":   {"x": "did you mean logging.taco/size-limit?"},
		"multiline":    {"": "empty", "jva": "java, python, go", "(": "regular expression"},
		"charset":      {"": "empty", "klingon": "WHATWG"},
		"format":       {"": "empty", " ": "empty", "xml": "use none, json", "csv:a,a": "two columns", "regexp:(": "regular expression", "json:x": "nothing can follow"},
		"types":        {"": "empty", "a": "KEY:TYPE", "a:colour": "integer"},
		"time-key":     {"": "empty"},
		"time-format":  {"": "empty", "sometimes": "time"},
		"time-zone":    {"": "empty", "Mars/Olympus": "time zone", "../../etc/passwd": "time zone", "Local": "time zone"},
		"drop":         {"": "empty", "\n": "empty", "a\n(\nb": "regular expression", "a\n\nb": "every record"},
		"keep":         {"": "empty", "[": "regular expression"},
		"redact":       {"": "empty", "(?<a": "regular expression", "x*": "empty"},
		"add":          {"": "empty", "team": "KEY=VALUE", "a=1\na=2": "twice", "log=x": "document's own", "=x": "name"},
		"config":       {"": "empty", "  \n": "empty", "# nothing": "empty", "a: b: c": "not YAML", "paths: [/a]": "a list of sources", "[]": "a list of sources", "x": "a list of sources"},
		"":             {"x": "not a key"},
		"cp":           {"x": "not a key"},
	} {
		for value, reason := range values {
			pod := annotated("paths", "/ok/ok", key, value)
			_, _, err := annotation.Parse(pod)
			var all annotation.Errors
			if !errors.As(err, &all) || len(all) == 0 {
				t.Errorf("%s: %.50q: %v", key, value, err)
				continue
			}
			e := all[0]
			if e.Key != annotation.Prefix+key || !strings.Contains(e.Reason, reason) {
				t.Errorf("%s: %.50q: %.200v, not %q", key, value, err, reason)
			}
			if len(e.Error()) > 1000 || !utf8.ValidString(e.Error()) || strings.ContainsAny(e.Error(), "\n\x00") {
				t.Errorf("%s: the error is not fit to be shown: %.200q", key, e.Error())
			}
			if !strings.Contains(e.Error(), annotation.Quote(e.Value)) {
				t.Errorf("%s: no value in %q", key, e.Error())
			}
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, _, err := annotation.Parse(annotated("paths", "a,/b,..", "emit", "x", "nonsense", "1"))
	var all annotation.Errors
	if !errors.As(err, &all) || len(all) != 4 || all[2].Position != 1 || all[3].Position != 3 {
		t.Errorf("%v", err)
	}
	var one *annotation.Error
	if !errors.As(err, &one) || one.Key != annotation.Emit {
		t.Errorf("%v", one)
	}
}

// Every key has one documented constant, and Keys has them all.
func TestKeys(t *testing.T) {
	source, err := os.ReadFile("keys.go")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)(^\t//.*\n)+\t[A-Z]\w+ += Prefix \+ "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		got = append(got, annotation.Prefix+m[2])
	}
	if !reflect.DeepEqual(got, annotation.Keys) {
		t.Errorf("documented are %q, known %q", got, annotation.Keys)
	}
	if n := strings.Count(string(source), "= Prefix +"); n != len(got) {
		t.Errorf("%d of %d keys are documented", len(got), n)
	}
}

// No value makes Parse panic, and every error names its key.
func FuzzParse(f *testing.F) {
	for _, k := range annotation.Keys {
		f.Add(strings.TrimPrefix(k, annotation.Prefix), "true")
	}
	f.Add("paths", "/a/*.log,app:/b\n/c")
	f.Add("cpu", "1e-9")
	f.Add("image", "a/b:c@sha256:")
	f.Add("pahts", "..")
	f.Add("config", "- paths: [/a, 'app:/b,c']\n  mode: ship\n  format: csv:a,b\n  drop: [x]\n  add: {c: d}\n- &x {paths: /d}\n- *x\n")
	f.Add("add", "a=b\nc=d")
	f.Add("redact", "(?P<a>x)\n[0-9]+")
	f.Fuzz(func(t *testing.T, key, value string) {
		pod := annotated("paths", "/ok/ok", key, value)
		req, present, err := annotation.Parse(pod)
		if !present && key != "status" {
			t.Fatal("not present")
		}
		if err == nil {
			c := config.Default()
			for _, s := range req.Sources {
				for _, p := range s.Paths {
					c.Sources = append(c.Sources, config.Source{Paths: []string{p.Pattern}})
				}
			}
			if fault := c.Validate(); len(c.Sources) > 0 && fault != nil {
				t.Errorf("the sidecar would refuse it: %v", fault)
			}
			return
		}
		var all annotation.Errors
		if !errors.As(err, &all) {
			t.Fatalf("%T", err)
		}
		for _, e := range all {
			if e.Key != annotation.Prefix+key || e.Reason == "" || e.Kind == "" || !strings.Contains(e.Error(), strings.TrimSpace(annotation.Prefix)) {
				t.Errorf("%#v", e)
			}
			if len(e.Value) > 0 && len(e.Error()) > len(e.Key)+1000 {
				t.Errorf("%d bytes of error", len(e.Error()))
			}
		}
	})
}
