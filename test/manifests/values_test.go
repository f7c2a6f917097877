package manifests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"logging.taco/injector/profile"
)

// settings are all values of the chart, each with another value than its default
// and with what that makes appear.
var settings = map[string]struct{ set, appears string }{
	"image.repository":                   {"image.repository=registry.example:5000/taco/injector", "image: registry.example:5000/taco/injector:v"},
	"image.tag":                          {"image.tag=v9", "image: logging.taco/injector:v9\n"},
	"image.digest":                       {"image.digest=sha256:" + strings.Repeat("0a", 32), "image: logging.taco/injector@sha256:0a0a"},
	"image.pullPolicy":                   {"image.pullPolicy=Always", "imagePullPolicy: Always\n"},
	"imagePullSecrets":                   {"imagePullSecrets[0].name=registry", "imagePullSecrets:\n      - name: registry\n"},
	"profile":                            {"profile.run-as-user=1000680000", "kind: ConfigMap\n"},
	"replicas":                           {"replicas=5", "replicas: 5\n"},
	"certificate.source":                 {"certificate.source=cert-manager", "--cert-dir="},
	"certificate.secretName":             {"certificate.source=cert-manager,certificate.secretName=other", "secretName: other\n"},
	"certificate.caBundle":               {"certificate.source=files,certificate.caBundle=-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----", "caBundle: LS0tLS1C"},
	"certificate.issuerRef":              {"certificate.source=cert-manager,certificate.issuerRef.name=internal,certificate.issuerRef.kind=ClusterIssuer", "kind: ClusterIssuer\n    name: internal\n"},
	"certificate.duration":               {"certificate.source=cert-manager,certificate.duration=1000h", "duration: 1000h\n"},
	"certificate.renewBefore":            {"certificate.source=cert-manager,certificate.renewBefore=100h", "renewBefore: 100h\n"},
	"webhook.failurePolicy":              {"webhook.failurePolicy=Fail", "failurePolicy: Fail "},
	"webhook.timeoutSeconds":             {"webhook.timeoutSeconds=3", "timeoutSeconds: 3\n"},
	"webhook.skippedNamespaces":          {"webhook.skippedNamespaces={kube-system,payments}", "values: [kube-system, payments, logging-taco]\n"},
	"webhook.optIn":                      {"webhook.optIn=true", "operator: In\n      values: [enabled]\n"},
	"args":                               {"args={--log-level=debug}", "- --log-level=debug\n"},
	"resources.requests.cpu":             {"resources.requests.cpu=1", "cpu: 1\n"},
	"resources.requests.memory":          {"resources.requests.memory=64Mi", "memory: 64Mi\n"},
	"resources.limits.memory":            {"resources.limits.memory=1Gi", "value: 819MiB\n"},
	"priorityClass.create":               {"priorityClass.create=false,priorityClass.name=system-cluster-critical", "priorityClassName: system-cluster-critical\n"},
	"priorityClass.name":                 {"priorityClass.name=logs", "kind: PriorityClass\nmetadata:\n  name: logs\n"},
	"priorityClass.value":                {"priorityClass.value=1000000000", "value: 1000000000\n"},
	"podDisruptionBudget.enabled":        {"podDisruptionBudget.enabled=false", ""},
	"podDisruptionBudget.minAvailable":   {"podDisruptionBudget.minAvailable=50%", "minAvailable: 50%\n"},
	"nodeSelector":                       {"nodeSelector.pool=system", "pool: system\n"},
	"tolerations":                        {"tolerations[0].operator=Exists", "tolerations:\n      - operator: Exists\n"},
	"affinity":                           {"affinity.nodeAffinity.x=y", "affinity:\n        nodeAffinity:\n"},
	"topologySpreadConstraints":          {"topologySpreadConstraints[0].topologyKey=rack", "- topologyKey: rack\n"},
	"labels":                             {"labels.team=logs", "team: logs\n"},
	"podLabels":                          {"podLabels.mesh=off", "mesh: \"off\"\n"},
	"podAnnotations":                     {"podAnnotations.a=b", "a: b\n"},
	"networkPolicy.enabled":              {"networkPolicy.enabled=true", "kind: NetworkPolicy\n"},
	"networkPolicy.metricsFrom":          {"networkPolicy.enabled=true,networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.a=b", "from:\n    - namespaceSelector:\n"},
	"networkPolicy.apiServerCIDRs":       {"networkPolicy.enabled=true,networkPolicy.apiServerCIDRs={10.0.0.1/32}", "- ipBlock: {cidr: \"10.0.0.1/32\"}\n"},
	"networkPolicy.apiServerPorts":       {"networkPolicy.enabled=true,networkPolicy.apiServerPorts={16443}", "port: 16443}\n"},
	"podMonitor.enabled":                 {"podMonitor.enabled=true", "kind: PodMonitor\n"},
	"podMonitor.labels":                  {"podMonitor.enabled=true,podMonitor.labels.release=prometheus", "release: prometheus\n"},
	"podMonitor.interval":                {"podMonitor.enabled=true,podMonitor.interval=15s", "interval: 15s\n"},
	"prometheusRule.enabled":             {"prometheusRule.enabled=true", "kind: PrometheusRule\n"},
	"prometheusRule.labels":              {"prometheusRule.enabled=true,prometheusRule.labels.release=prometheus", "release: prometheus\n"},
	"dashboard.enabled":                  {"dashboard.enabled=true", "logging-taco.json: |\n"},
	"dashboard.labels.grafana_dashboard": {"dashboard.enabled=true,dashboard.labels.grafana_dashboard=yes", "grafana_dashboard: \"yes\"\n"},
	"namespace.create":                   {"namespace.create=true", "kind: Namespace\n"},
}

// set is a --set of one value or several; a value of its own line has no commas.
func set(values string) []string { return []string{"--set", values} }

// Every value does what it is for.
func TestValues(t *testing.T) {
	h := helm(t)
	plain := h.template(t)
	var have []string
	for key := range settings {
		have = append(have, key)
	}
	slices.Sort(have)
	if want := defaults(t); !slices.Equal(have, want) {
		t.Errorf("tried are\n%q, values.yaml has\n%q", have, want)
	}
	for key, s := range settings {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			text := h.template(t, set(s.set)...)
			if text == plain {
				t.Errorf("%s changes nothing", s.set)
			}
			if strings.Contains(plain, s.appears) == (s.appears != "") || !strings.Contains(text, s.appears) {
				t.Errorf("%s does not make %q appear:\n%s", s.set, s.appears, text)
			}
		})
	}
}

// defaults are the paths of all values in values.yaml, sorted.
func defaults(t *testing.T) (paths []string) {
	t.Helper()
	text, err := os.ReadFile(chart + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	var walk func(prefix string, value any)
	walk = func(prefix string, value any) {
		if m, ok := value.(map[string]any); ok && len(m) > 0 {
			for key, v := range m {
				walk(prefix+"."+key, v)
			}
			return
		}
		paths = append(paths, strings.TrimPrefix(prefix, "."))
	}
	walk("", values)
	slices.Sort(paths)
	return paths
}

// The schema knows every value, and nothing that is no value.
func TestSchemaIsWhole(t *testing.T) {
	type schema struct {
		Properties           map[string]schema
		AdditionalProperties any // false: there are no others
	}
	var s schema
	text, err := os.ReadFile(chart + "/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	known := func(path string) bool {
		at := s
		for part := range strings.SplitSeq(path, ".") {
			if at.AdditionalProperties != false {
				return true // a map of the administrator's
			}
			next, ok := at.Properties[part]
			if !ok {
				return false
			}
			at = next
		}
		return true
	}
	all := defaults(t)
	for _, path := range all {
		if !known(path) {
			t.Errorf("values.yaml has %s, the schema has not", path)
		}
	}
	for top, below := range s.Properties {
		if top == "global" { // Helm's own
			continue
		}
		if below.AdditionalProperties != false {
			below.Properties = nil
		}
		for name := range below.Properties {
			path := top + "." + name
			if !slices.ContainsFunc(all, func(p string) bool { return p == path || p == top || strings.HasPrefix(p, path+".") }) {
				t.Errorf("the schema has %s, values.yaml has not", path)
			}
		}
		if !slices.ContainsFunc(all, func(p string) bool { return p == top || strings.HasPrefix(p, top+".") }) {
			t.Errorf("the schema has %s, values.yaml has not", top)
		}
	}
}

// What does not fit is refused, and the message says where.
func TestBadValues(t *testing.T) {
	h := helm(t)
	for name, c := range map[string]struct{ set, says string }{
		"a misspelt key":                        {"replica=3", "replica"},
		"a misspelt key below":                  {"webhook.failPolicy=Fail", "failPolicy"},
		"no replicas":                           {"replicas=0", "/replicas"},
		"replicas as a text":                    {"replicas=two", "/replicas"},
		"an unknown source":                     {"certificate.source=vault", "/certificate/source"},
		"files without a CA":                    {"certificate.source=files", "/certificate/caBundle"},
		"a CA that is none":                     {"certificate.source=files,certificate.caBundle=LS0tLS1CRUdJTg==", "/certificate/caBundle"},
		"a CA that nobody looks at":             {"certificate.caBundle=-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----", "/certificate/caBundle"},
		"an issuer that nobody looks at":        {"certificate.issuerRef.name=x", "/certificate/source"},
		"an issuer without a name":              {"certificate.source=cert-manager,certificate.issuerRef.kind=ClusterIssuer", "name"},
		"a duration of days":                    {"certificate.duration=90d", "/certificate/duration"},
		"a longer time-out than the API allows": {"webhook.timeoutSeconds=31", "/webhook/timeoutSeconds"},
		"an unknown policy":                     {"webhook.failurePolicy=ignore", "/webhook/failurePolicy"},
		"a tag with a space":                    {"image.tag=v1 v2", "/image/tag"},
		"a digest that is none":                 {"image.digest=v1", "/image/digest"},
		"memory in bytes":                       {"resources.limits.memory=134217728", "/resources/limits/memory"},
		"memory without a number":               {"resources.limits.memory=Mi", "/resources/limits/memory"},
		"an argument that is no flag":           {"args={debug}", "/args/0"},
		"a label that the Service selects by":   {"podLabels.app\\.kubernetes\\.io/name=other", "/podLabels"},
		"another operating system":              {"nodeSelector.kubernetes\\.io/os=windows", "/nodeSelector"},
		"a priority beyond what users may have": {"priorityClass.value=2000000000", "/priorityClass/value"},
		"a system's priority class made anew":   {"priorityClass.name=system-cluster-critical", "/priorityClass/name"},
		"a CIDR without its length":             {"networkPolicy.apiServerCIDRs={10.0.0.1}", "/networkPolicy/apiServerCIDRs/0"},
		"more than all available":               {"podDisruptionBudget.minAvailable=101%", "/podDisruptionBudget/minAvailable"},
		"a switch that is a text":               {"podMonitor.enabled=on", "/podMonitor/enabled"},
		"a profile that is a number":            {"profile=1", "/profile"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, err := h.try(t, append([]string{"template", "taco", chart}, set(c.set)...)...)
			if err == nil || !strings.Contains(stderr, c.says) {
				t.Errorf("%s: %v, without %q: %s%s", c.set, err, c.says, stderr, stdout)
			}
		})
	}
}

// A profile is what the injector reads, whether it is a file or values; numbers
// and comments survive.
func TestProfileValue(t *testing.T) {
	h := helm(t)
	file := filepath.Join(t.TempDir(), "profile.yaml")
	text := "# ours\nimage: registry.example/sidecar:v1\nrun-as-user: 1000680000\nmax: {memory: 512Mi}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	values := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(values, []byte("profile:\n  "+strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var profiles []profile.Profile
	for _, args := range [][]string{{"--set-file", "profile=" + file}, {"--values", values}} {
		var configMap struct{ Data map[string]string }
		if err := yaml.Unmarshal([]byte(plain(h.template(t, append(args, "--show-only", "templates/profile.yaml")...))), &configMap); err != nil {
			t.Fatal(err)
		}
		p, err := profile.Decode("profile.yaml", []byte(configMap.Data["profile.yaml"]))
		if err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, configMap.Data["profile.yaml"])
		}
		profiles = append(profiles, p)
		if args[0] == "--set-file" && configMap.Data["profile.yaml"] != text {
			t.Errorf("the file became %q", configMap.Data["profile.yaml"])
		}
	}
	a, b := profiles[0], profiles[1]
	if a.Image != "registry.example/sidecar:v1" || a.Image != b.Image || a.User != 1000680000 || a.User != b.User {
		t.Errorf("the profiles are %+v and %+v", a, b)
	}
}

// A budget of one for a single replica would keep its node from being drained.
func TestNoBudgetForOneReplica(t *testing.T) {
	h := helm(t)
	for replicas, want := range map[string]bool{"1": false, "2": true} {
		if text := h.template(t, "--set", "replicas="+replicas); strings.Contains(text, "PodDisruptionBudget") != want {
			t.Errorf("with %s replicas: a PodDisruptionBudget should be there: %v", replicas, want)
		}
	}
}

// A plain cluster knows the kinds of Kubernetes alone.
func TestNoKindsOfOthers(t *testing.T) {
	for document := range strings.SplitSeq(plain(helm(t).template(t)), "---\n") {
		var object struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil || object.APIVersion == "" {
			t.Fatalf("%v in\n%s", err, document)
		}
		group, _, _ := strings.Cut(object.APIVersion, "/")
		if strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io") {
			t.Errorf("%s %s", object.APIVersion, object.Kind)
		}
	}
}

func TestLint(t *testing.T) {
	helm(t).run(t, "lint", "--strict", chart)
}
