package manifests

import (
	"encoding/base64"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "make the files from the chart anew; make manifests does it")

// In overlays/files/install.yaml there is no CA's certificate yet, but what an API
// server refuses, were it ever applied so.
const (
	noCA        = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
	placeholder = "kustomization.yaml puts ca-bundle here"
)

// made are the files that are made from the chart, with Helm's flags.
var made = []struct {
	file string
	args []string
}{
	{"install.yaml", []string{"--set", "namespace.create=true"}},
	{"overlays/cert-manager/install.yaml", []string{"--set", "namespace.create=true,certificate.source=cert-manager"}},
	{"overlays/files/install.yaml", []string{"--set", "namespace.create=true,certificate.source=files", "--set", "certificate.caBundle=" + noCA}},
	{"monitoring/podmonitor.yaml", []string{"--set", "podMonitor.enabled=true", "--show-only", "templates/podmonitor.yaml"}},
	{"monitoring/prometheusrule.yaml", []string{"--set", "prometheusRule.enabled=true", "--show-only", "templates/prometheusrule.yaml"}},
	{"monitoring/dashboard.yaml", []string{"--set", "dashboard.enabled=true", "--show-only", "templates/dashboard.yaml"}},
	{"network-policy/networkpolicy.yaml", []string{"--set", "networkPolicy.enabled=true", "--show-only", "templates/networkpolicy.yaml"}},
}

// TestMadeFromTheChart holds the files equal to what the chart makes. With -update
// it writes them.
func TestMadeFromTheChart(t *testing.T) {
	h := helm(t)
	for _, m := range made {
		t.Run(m.file, func(t *testing.T) {
			want := "# Made from manifests/chart/logging-taco by `make manifests`. Change it there.\n" + plain(h.template(t, m.args...))
			want = strings.ReplaceAll(want, base64.StdEncoding.EncodeToString([]byte(noCA)), placeholder)
			file := filepath.Join(top, m.file)
			if *update {
				if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			have, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v: run make manifests", err)
			}
			if string(have) != want {
				t.Errorf("%s is not what the chart makes: run make manifests, and read the diff.\n%s", file, difference(string(have), want))
			}
		})
	}
}

// plain is Helm's output without its notes on where a document comes from.
func plain(text string) string {
	var documents []string
	for _, d := range regexp.MustCompile(`(?m)^---\n`).Split(text, -1) {
		d = regexp.MustCompile(`(?m)^# Source: .*\n`).ReplaceAllString(d, "")
		if d = strings.TrimSpace(d); d != "" {
			documents = append(documents, d+"\n")
		}
	}
	return strings.Join(documents, "---\n")
}

// difference is the first line in which two texts differ.
func difference(have, want string) string {
	h, w := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range max(len(h), len(w)) {
		a, b := "(its end)", "(its end)"
		if i < len(h) {
			a = h[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return "have: " + a + "\nwant: " + b
		}
	}
	return "no difference"
}

// TestOverlayFiles gives the overlay a CA's certificate, as its comment says, and
// has what the chart makes with the same.
func TestOverlayFiles(t *testing.T) {
	kubectl := command{path: filepath.Join(assets(t), "kubectl"), home: t.TempDir()}
	h := helm(t)
	ca := newCA(t)

	overlay := filepath.Join(t.TempDir(), "files")
	if err := os.CopyFS(overlay, os.DirFS(top+"/overlays/files")); err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := kubectl.try(t, "kustomize", overlay); err == nil || !strings.Contains(stderr, "ca-bundle") {
		t.Errorf("without a ca-bundle: %v, %s", err, stderr)
	}
	ca.bundle(t, filepath.Join(overlay, "ca-bundle"))

	rendered := filepath.Join(t.TempDir(), "rendered")
	if err := os.Mkdir(rendered, 0o755); err != nil {
		t.Fatal(err)
	}
	text := h.template(t, "--set", "namespace.create=true,certificate.source=files", "--set-file", "certificate.caBundle="+ca.file)
	for name, content := range map[string]string{"install.yaml": text, "kustomization.yaml": "resources: [install.yaml]\n"} {
		if err := os.WriteFile(filepath.Join(rendered, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, want := kubectl.run(t, "kustomize", overlay), kubectl.run(t, "kustomize", rendered)
	if have != want {
		t.Errorf("the overlay is not what the chart makes\n%s", difference(have, want))
	}
}
