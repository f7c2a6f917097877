package profile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"logging.taco/injector/annotation"
	"logging.taco/injector/profile"
	"logging.taco/sidecar/config"
)

func TestDecodeWhole(t *testing.T) {
	p, err := profile.Decode("profile.yaml", []byte(`
image: registry.example:5000/taco/sidecar:v9
image-pull-policy: Always
allowed-images: [registry.example:5000/try/sidecar]
emit: json
native: "false"
size-limit: 2Gi
state-size-limit: 1Mi
run-as-user: 1234
set-run-as-user: false
allow-root: false
metrics-port: 9600
requests: {cpu: 1m, memory: 8Mi}
limits: {cpu: 10m, memory: 16Mi, ephemeral-storage: 1Gi}
guaranteed-cpu: 20m
max: {cpu: 100m, memory: 100Mi, size-limit: 3Gi}
namespace: taco
skipped-namespaces: [a, b]
ship-requests: {memory: 48Mi}
ship-limits: {memory: 96Mi, cpu: 1}
default-output: search
outputs:
  search:
    to: [https://es-0.logging:9200, https://es-1.logging:9200]
    index: team-{kubernetes.namespace_name}
    index-type: data-stream
    ids: false
    gzip: false
    batch-size: 2MiB
    batch-wait: 1s
    in-flight: 2
    timeout: 30s
    template: check
    server-name: es
    dead-letter-size: 4MiB
    credentials: {secret: search-writer}
  plain: {to: "http://opensearch.logging:9200"}
  stream: {to: "http://opensearch.logging:9200", index-type: data-stream}
`))
	if err != nil {
		t.Fatal(err)
	}
	if p.Image != "registry.example:5000/taco/sidecar:v9" || p.ImagePullPolicy != "Always" || p.Settings.Emit != "json" || p.Native != "false" ||
		p.SizeLimit.String() != "2Gi" || p.StateSizeLimit.String() != "1Mi" || p.User != 1234 || p.SetUser || p.AllowRoot || p.MetricsPort != 9600 ||
		p.Requests.Cpu().String() != "1m" || p.Limits.StorageEphemeral().String() != "1Gi" || p.GuaranteedCPU.String() != "20m" ||
		p.MaxCPU.String() != "100m" || p.MaxMemory.String() != "100Mi" || p.MaxSizeLimit.String() != "3Gi" ||
		len(p.ShipRequests) != 1 || p.ShipRequests.Memory().String() != "48Mi" || p.ShipLimits.Cpu().String() != "1" || p.DefaultOutput != "search" {
		t.Errorf("%+v", p)
	}
	plain := profile.Output{Output: config.DefaultOutput()}
	plain.To = []string{"http://opensearch.logging:9200"}
	stream := plain
	stream.IndexType, stream.Index = config.TypeDataStream, config.DefaultDataStream
	want := map[string]profile.Output{"plain": plain, "stream": stream, "search": {Secret: "search-writer", Output: config.Output{
		To: []string{"https://es-0.logging:9200", "https://es-1.logging:9200"}, Index: "team-{kubernetes.namespace_name}",
		IndexType: config.TypeDataStream, BatchSize: 2 << 20, BatchWait: config.Duration(time.Second), InFlight: 2,
		Timeout: config.Duration(30 * time.Second), Template: config.TemplateCheck, ServerName: "es", DeadLetterSize: 4 << 20}}}
	if !reflect.DeepEqual(p.Outputs, want) {
		t.Errorf("outputs\n%+v\nnot\n%+v", p.Outputs, want)
	}
	for image, want := range map[string]bool{
		"registry.example:5000/taco/sidecar":        true,
		"registry.example:5000/taco/sidecar:v1":     true,
		"registry.example:5000/try/sidecar@sha256:": true,
		"registry.example/taco/sidecar:v9":          false,
		"registry.example:5000/taco/sidecar2":       false,
		profile.DefaultImage:                        false,
	} {
		if p.Allows(image) != want {
			t.Errorf("%s is allowed: %v", image, !want)
		}
	}
	for namespace, want := range map[string]bool{"taco": true, "a": true, "b": true, "kube-system": false, "": false} {
		if p.Skips(namespace) != want {
			t.Errorf("%q is skipped: %v", namespace, !want)
		}
	}
}

func TestDecodeNothing(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "{}", "outputs:\n", "outputs: {}"} {
		p, err := profile.Decode("p", []byte(text))
		if err != nil || !equality.Semantic.DeepEqual(p, profile.Default()) {
			t.Errorf("%q: %v, %+v", text, err, p)
		}
	}
	// An empty list is not no list.
	p, err := profile.Decode("p", []byte("limits: {}\nskipped-namespaces: []"))
	if err != nil || len(p.Limits) > 0 || p.Skips("kube-system") {
		t.Errorf("%v, %+v", err, p)
	}
}

func TestDecodeFaults(t *testing.T) {
	for text, want := range map[string]string{
		"emit: raw\nimagee: x":                                       `p: line 2: "imagee": not a key; did you mean image?`,
		"emit: text":                                                 `p: line 1: emit: "text": use raw, prefix or json`,
		"\nnative: yes":                                              `p: line 2: native: "yes": use auto, true or false`,
		"image: a b":                                                 "line 1: image",
		"image: ''":                                                  "line 1: image",
		"allowed-images: [a/b,\n  a/b:tag]":                          "line 2: allowed-images",
		"image-pull-policy: Sometimes":                               "line 1: image-pull-policy",
		"size-limit: 0":                                              "line 1: size-limit",
		"state-size-limit: 16m":                                      "line 1: state-size-limit: 16m is less than 4Ki",
		"limits: {memory: 32m}":                                      "line 1: limits: memory 32m is less than 4Mi",
		"size-limit: [1]":                                            `line 1: size-limit: "": a single value`,
		"max:\n  memory: much":                                       `line 2: max.memory: "much"`,
		"max: {disk: 1}":                                             `line 1: max: "disk": is not a key here`,
		"requests:\n  cpu: 1m\n  gpu: 1":                             `line 3: requests: "gpu"`,
		"requests: {memory: 1Gi}":                                    "line 1: requests: memory 1Gi is more than its limit of 32Mi",
		"run-as-user: 0":                                             `line 1: run-as-user: "0"`,
		"metrics-port: 80":                                           `line 1: metrics-port: "80": not a port from 1024 to 65535, nor 0`,
		"metrics-port: [1]":                                          "line 1: metrics-port",
		"run-as-user: root":                                          "line 1",
		"emit: raw\n---\nemit: json":                                 "more than one YAML document",
		"emit: raw\nemit: json":                                      "line 2",
		"- a":                                                        "p: line 1",
		"emit: text\nnative: never":                                  "line 2: native",
		"ship-requests: {memory: 1Gi}":                               "line 1: ship-requests: memory 1Gi is more than its limit of 64Mi",
		"ship-limits: {disk: 1Gi}":                                   `line 1: ship-limits: "disk": use cpu`,
		"default-output: x":                                          `line 1: default-output: "x": there is no such output`,
		"outputs: [a]":                                               `line 1: outputs: "": a map of keys is needed here`,
		"outputs: {A: {to: http://x}}":                               `line 1: outputs: "A": a name has lower case letters`,
		"outputs:\n  a: http://x":                                    `line 2: outputs.a: "": a map of keys`,
		"outputs:\n  a: {}":                                          `line 2: outputs.a.to: "": an output needs the backend's address`,
		"outputs:\n  a:\n    to: []":                                 `outputs.a.to: "": an output needs the backend's address`,
		"outputs:\n  a:\n    to: {b: c}":                             "outputs.a: line 3: ",
		"outputs:\n  a:\n    to: [http://x,\n    ftp://y]":           `line 4: outputs.a.to: "ftp://y": use http://`,
		"outputs:\n  a:\n    to: http://user:pass@x":                 `line 3: outputs.a.to: "http://user:xxxxx@x": put`,
		"outputs:\n  a: {to: http://x}\n  a: {to: http://y}":         `line 3: outputs: "a": is here twice`,
		"outputs:\n  a:\n    to: http://x\n    to: http://y":         `line 4: outputs.a: "to": is here twice`,
		"outputs:\n  a:\n    to: http://x\n    indx: y":              `line 4: outputs.a: "indx": is not a key here`,
		"outputs:\n  a:\n    to: http://x\n    index: Y":             `line 4: outputs.a.index: "Y": the name must be in lower case`,
		"outputs:\n  a:\n    to: http://x\n    gzip: maybe":          "outputs.a: line 4: ",
		"outputs:\n  a:\n    to: http://x\n    in-flight: 99":        `line 4: outputs.a.in-flight: "99": use a number`,
		"outputs:\n  a:\n    to: http://x\n    batch-wait: 1":        `outputs.a: line 4: "1" is not a duration`,
		"outputs:\n  a:\n    to: http://x\n    dead-letter: /x":      `line 4: outputs.a: "dead-letter": is not a key here: the file`,
		"outputs:\n  a:\n    to: http://x\n    credentials: hunter2": `line 4: outputs.a.credentials: "": a map of keys`,
		"outputs:\n  a:\n    to: http://x\n    credentials: {password: hunter2}":      `line 4: outputs.a.credentials: "password": is not a key here; use secret: NAME`,
		"outputs:\n  a:\n    to: http://x\n    credentials: {}":                       `line 4: outputs.a.credentials: "": use secret: NAME`,
		"outputs:\n  a:\n    to: http://x\n    credentials:\n      secret: ../x":      `line 5: outputs.a.credentials.secret: "../x": is not the name of a Secret`,
		"outputs:\n  a: {to: ftp://x}\n  b: {to: http://x, index: ''}\nemit: nothing": "line 3: outputs.b.index",
		"split: maybe":       `line 1: split: "maybe": use true or false`,
		"multiline: jva":     `line 1: multiline: "jva": no rule`,
		"\nredact: [a, '(']": `line 2: redact: "(": not a regular expression`,
		"time-key: t":        `line 1: time-key: "t": without a format there are no fields`,
		"format: csv:a,b\ntypes: c:integer\ntime-key: t": `line 3: time-key: "t": the format has no field`,
		"output: search":                       `line 1: "output": not a key`,
		"paths: /a":                            `line 1: "paths": not a key`,
		"cpu: 10m":                             `line 1: "cpu": not a key`,
		"mode: ship":                           "line 1: mode: pods that say nothing cannot ship without a default-output",
		"size-limit: 100Gi":                    "line 1: size-limit: 100Gi is more than the max.size-limit of 50Gi",
		"emit: raw\nmax:\n  size-limit: 100Mi": "line 3: size-limit: 1Gi is more than the max.size-limit of 100Mi",
		"max: {memory: 60Mi}":                  "line 1: ship-limits: memory 64Mi is more than the max.memory of 60Mi",
		"max: {cpu: 7m}":                       "line 1: ship-requests: cpu 10m is more than the max.cpu of 7m",
		"allowed-outputs: [x]":                 `line 1: allowed-outputs: "x": there is no such output`,
		"outputs: {a: {to: http://x}, b: {to: http://x}}\nallowed-outputs: [a]\ndefault-output: b": `line 3: default-output: "b": is not one of the allowed-outputs`,
		"namespace: A":                              `line 1: namespace: "A": is not the name of a namespace`,
		"skipped-namespaces: a":                     `line 1: skipped-namespaces: "a": a list`,
		"set-run-as-user: 'yes'":                    `line 1: set-run-as-user: "yes": use true or false`,
		"allowed-images: [a/b, c d]":                `line 1: allowed-images: "c d": not an image`,
		"namespaces: [a]":                           `line 1: namespaces: "": a map of keys`,
		"namespaces: {a: b}":                        `line 1: namespaces.a: "": a map of keys`,
		"namespaces:\n  A: {}":                      `line 2: namespaces: "A": is not the name of a namespace, nor a pattern`,
		"namespaces:\n  'a[': {}":                   `line 2: namespaces: "a[": is not`,
		"namespaces:\n  kube-system: {}":            `line 2: namespaces: "kube-system": is never injected`,
		"namespaces:\n  a: {emit: xml}":             `line 2: namespaces.a.emit: "xml": use raw`,
		"namespaces:\n  a: {namespace: b}":          `line 2: namespaces.a: "namespace": is not a key of a namespace`,
		"namespaces:\n  a: {namespaces: {}}":        `"namespaces": is not a key of a namespace`,
		"namespaces:\n  a: {limits: {memory: 8Mi}}": "line 2: namespaces.a.requests: memory 16Mi is more than its limit of 8Mi",
		"namespaces:\n  a:\n    default-output: x":  `line 3: namespaces.a.default-output: "x": there is no such output`,
		"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b]":       `line 1: "a": not a key`,
	} {
		_, err := profile.Decode("p", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "p: ") {
			t.Errorf("%q: %v, not %q", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "pass@")) {
			t.Errorf("%q: a credential in %v", text, err)
		}
	}
}

func TestDecodeSettings(t *testing.T) {
	p, err := profile.Decode("p", []byte("mode: stream\nsplit: true\nmultiline: java\ncharset: euc-kr\nformat: json\ntypes: a:float\ntime-key: t\ntime-format: epoch\ntime-zone: UTC\ndrop: [a]\nkeep: b\nredact: [c]\nadd: {d: e}\nemit:\nsize-limit: ~\n"))
	want := annotation.Settings{Mode: annotation.Stream, Split: new(true), Multiline: "java", Charset: "euc-kr", Rules: config.Rules{Format: "json", Types: "a:float",
		TimeKey: "t", TimeFormat: "epoch", TimeZone: "UTC", Drop: []string{"a"}, Keep: []string{"b"}, Redact: []string{"c"}, Add: map[string]string{"d": "e"}}}
	if err != nil || !reflect.DeepEqual(p.Settings, want) || p.SizeLimit.String() != "1Gi" {
		t.Errorf("%v\n%+v, not\n%+v", err, p.Settings, want)
	}
}

// A namespace has the profile of its name, else of the first pattern, and what
// that does not say is the profile's around it.
func TestNamespaces(t *testing.T) {
	p, err := profile.Decode("p", []byte(`
emit: prefix
max: {memory: 200Mi}
outputs: {a: {to: "http://a"}, b: {to: "http://b"}}
default-output: a
skipped-namespaces: [skipped]
namespaces:
  team-*:
    emit: json
    max: {cpu: 100m}
    allowed-outputs: [a]
  te?m-b:
    emit: raw
  team-b:
    limits: {}
    outputs: {b: {to: "http://mine"}, c: {to: "http://c"}}
    default-output: c
  plain:
`))
	if err != nil {
		t.Fatal(err)
	}
	p.Kubernetes = profile.Version{Major: 1, Minor: 28}
	p.Namespace = "own"
	for namespace, want := range map[string]string{
		"":       "prefix 1 200Mi a http://b 1 true",
		"other":  "prefix 1 200Mi a http://b 1 true",
		"plain":  "prefix 1 200Mi a http://b 1 true",
		"team-":  "json 100m 200Mi a http://b 1 false",
		"team-a": "json 100m 200Mi a http://b 1 false",
		"team-b": "prefix 1 200Mi c http://mine 0 true",
		"tebm-b": "raw 1 200Mi a http://b 1 true",
	} {
		o := p.For(namespace)
		got := fmt.Sprint(o.Settings.Emit, " ", &o.MaxCPU, " ", &o.MaxMemory, " ", o.DefaultOutput, " ", o.Outputs["b"].To[0], " ", len(o.Limits), " ", o.AllowsOutput("b"))
		if got != want {
			t.Errorf("%q: %s, not %s", namespace, got, want)
		}
		if o.Kubernetes != p.Kubernetes || !o.Skips("own") || !o.Skips("skipped") || o.AllowsOutput("d") {
			t.Errorf("%q: %+v", namespace, o)
		}
	}
}

// No text makes Decode panic; its faults name the file, and what it takes is the
// same for any namespace each time.
func FuzzDecode(f *testing.F) {
	f.Add("image: a/b:c\nemit: json\nmax: {cpu: 1}\nrequests: {cpu: 1m}\n")
	f.Add("outputs:\n  a: &a {to: [http://x], credentials: {secret: s}}\n  b: *a\nnamespaces:\n  t-*: {outputs: {c: *a}, allowed-outputs: [c], default-output: c}\n")
	f.Add("add: {a: b}\ndrop: [x]\nredact: y\nformat: csv:a\ntime-key: a\n")
	f.Add("a: &a {namespaces: *a}\nnamespaces: {b: *a}")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := profile.Decode("p", []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "p: ") {
				t.Errorf("%v", err)
			}
			return
		}
		for _, namespace := range []string{"", "t-a", "b"} {
			o := p.For(namespace)
			if o.Requests.Memory().Cmp(*o.Limits.Memory()) > 0 && !o.Limits.Memory().IsZero() {
				t.Errorf("%v of %v", o.Requests, o.Limits)
			}
			if o.DefaultOutput != "" && !o.AllowsOutput(o.DefaultOutput) {
				t.Errorf("%q is not one of %v", o.DefaultOutput, o.Outputs)
			}
		}
	})
}

// An output may be written once and named again, as YAML has it.
func TestDecodeAliases(t *testing.T) {
	p, err := profile.Decode("p", []byte("outputs:\n  a: &a {to: &to http://x, credentials: &c {secret: s}}\n  b: *a\n  c: {to: [*to], credentials: *c}\n  d: {to: *to, credentials: *c}\n"))
	if err != nil || len(p.Outputs) != 4 || !reflect.DeepEqual(p.Outputs["a"], p.Outputs["b"]) || !reflect.DeepEqual(p.Outputs["a"], p.Outputs["c"]) || !reflect.DeepEqual(p.Outputs["a"], p.Outputs["d"]) {
		t.Errorf("%v, %+v", err, p.Outputs)
	}
}

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "profile.yaml")
	if err := os.WriteFile(file, []byte("run-as-user: 7\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if p, err := profile.Load(file); err != nil || p.User != 7 {
		t.Errorf("%v, %+v", err, p)
	}
	if _, err := profile.Load(file + "x"); err == nil || !strings.Contains(err.Error(), "read the profile") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestVersion(t *testing.T) {
	for text, native := range map[string]bool{"1.28": false, "v1.28.15+k3s1": false, "1.29": true, "v1.29.0-alpha.1": true, "1.34+": true, "2.0": true, "1.9": false, "v0.40.1": false} {
		v, err := profile.ParseVersion(text)
		if err != nil || v.HasNative() != native {
			t.Errorf("%s: %v, %v", text, v, err)
		}
	}
	if !(profile.Version{}).HasNative() {
		t.Error("an unknown version is new enough")
	}
	for _, text := range []string{"", "1", "latest", "1.x", "1.29 ", "-1.29", "1.99999999999999999999"} {
		if v, err := profile.ParseVersion(text); err == nil {
			t.Errorf("%q is %v", text, v)
		}
	}
}
