package manifests

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestInstall has a real API server take what there is to install, in turn.
func TestInstall(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newCluster(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *cluster)
	}{
		{"Helm installs and upgrades and rolls back and uninstalls", testHelm},
		{"Helm moves from one source of the certificate to the next", testSources},
		{"kubectl applies the plain installation", testPlain},
		{"kubectl applies what goes beside it", testBeside},
		{"kubectl applies that with cert-manager over it", testCertManager},
		{"kubectl applies that with files over it", testFiles},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}

// apply applies a kustomization, of which nothing is new or all is.
func (c *cluster) apply(t *testing.T, folder string) (said string) {
	t.Helper()
	return c.kubectl.run(t, "apply", "-k", folder)
}

// applyAgain applies a kustomization that is applied already: nothing changes.
func (c *cluster) applyAgain(t *testing.T, folder string) {
	t.Helper()
	versions := func() string {
		return c.kubectl.run(t, "get", "-k", folder, "-o", `jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}`)
	}
	before := versions()
	for line := range strings.Lines(c.apply(t, folder)) {
		// The selector of a PodDisruptionBudget is to be replaced as a whole, says the
		// API, and so kubectl always finds something to send, and calls that configured.
		if !strings.HasPrefix(line, "poddisruptionbudget.policy/") && !strings.HasSuffix(line, " unchanged\n") {
			t.Errorf("applied again: %s", line)
		}
	}
	if after := versions(); after != before {
		t.Errorf("applied again, it was\n%s\nand is\n%s", before, after)
	}
}

func testPlain(t *testing.T, c *cluster) {
	c.apply(t, top)
	c.checkPod(t, own)
	c.checkRights(t, own, true)
	bundle := newCA(t).pem
	c.publish(t, bundle)
	c.applyAgain(t, top)
	if have := c.webhook(t).ClientConfig.CABundle; !bytes.Equal(have, bundle) {
		t.Errorf("applied again, the caBundle is %q", have)
	}
}

func testBeside(t *testing.T, c *cluster) {
	for _, folder := range []string{top + "/monitoring", top + "/network-policy"} {
		c.apply(t, folder)
		c.applyAgain(t, folder)
	}
}

func testCertManager(t *testing.T, c *cluster) {
	folder := top + "/overlays/cert-manager"
	c.apply(t, folder)
	c.applyAgain(t, folder)
	c.checkPod(t, own)
	// kubectl apply takes nothing away, so these go by hand, as README says.
	c.kubectl.run(t, "delete", "-n", own, "role/injector", "rolebinding/injector", "clusterrole/logging-taco-injector", "clusterrolebinding/logging-taco-injector")
	c.checkRights(t, own, false)
}

func testFiles(t *testing.T, c *cluster) {
	ca := newCA(t)
	folder := filepath.Join(t.TempDir(), "files")
	if err := os.CopyFS(folder, os.DirFS(top+"/overlays/files")); err != nil {
		t.Fatal(err)
	}
	ca.bundle(t, filepath.Join(folder, "ca-bundle"))
	c.apply(t, folder)
	c.applyAgain(t, folder)
	c.checkPod(t, own)
	c.checkRights(t, own, false)
	if have := c.webhook(t).ClientConfig.CABundle; !bytes.Equal(have, ca.pem) {
		t.Errorf("the caBundle is %q", have)
	}
	// As it is in the repository, without a CA, nobody can install it by mistake.
	if _, stderr, err := c.kubectl.try(t, "apply", "--dry-run=server", "-f", top+"/overlays/files/install.yaml"); err == nil || !strings.Contains(stderr, "base64") {
		t.Errorf("installed without a CA: %v %s", err, stderr)
	}
}

const elsewhere = "elsewhere"

// everything switches on all that the chart has.
var everything = []string{"--set", "podMonitor.enabled=true,prometheusRule.enabled=true,dashboard.enabled=true,networkPolicy.enabled=true"}

func testHelm(t *testing.T, c *cluster) {
	h := c.helm
	h.args = append(slices.Clone(h.args), "--namespace", elsewhere)
	profile := filepath.Join(t.TempDir(), "profile.yaml")
	if err := os.WriteFile(profile, []byte("# ours\nskipped-namespaces: [kube-system, payments]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := c.objects(t)

	h.run(t, "install", "taco", chart, "--create-namespace")
	c.kubectl.run(t, "label", "namespace", elsewhere, "pod-security.kubernetes.io/enforce=restricted")
	c.checkPod(t, elsewhere)
	bundle := newCA(t).pem
	c.publish(t, bundle)
	unchanged := func(when string) {
		t.Helper()
		w := c.webhook(t)
		if !bytes.Equal(w.ClientConfig.CABundle, bundle) {
			t.Errorf("%s: the caBundle is %q", when, w.ClientConfig.CABundle)
		}
		if w.ClientConfig.Service.Namespace != elsewhere || !slices.Contains(w.NamespaceSelector.MatchExpressions[0].Values, elsewhere) {
			t.Errorf("%s: the webhook is for another namespace: %+v", when, w)
		}
	}

	h.run(t, append([]string{"upgrade", "taco", chart, "--set", "replicas=3,webhook.failurePolicy=Fail,webhook.optIn=true,labels.team=logs",
		"--set-file", "profile=" + profile}, everything...)...)
	unchanged("upgraded")
	c.checkPod(t, elsewhere)
	if w := c.webhook(t); *w.FailurePolicy != "Fail" || w.NamespaceSelector.MatchExpressions[1].Operator != "In" {
		t.Errorf("upgraded, the webhook is %+v", w)
	}
	if have := c.kubectl.run(t, "get", "-n", elsewhere, "configmap", "profile", "-o", `jsonpath={.data.profile\.yaml}`); !strings.HasPrefix(have, "# ours\n") {
		t.Errorf("the profile is %q", have)
	}
	c.kubectl.run(t, "get", "-n", elsewhere, "podmonitor/injector", "podmonitor/sidecars", "prometheusrule/logging-taco", "configmap/logging-taco-dashboard", "networkpolicy/injector")

	h.run(t, "rollback", "taco", "1")
	unchanged("rolled back")
	if w := c.webhook(t); *w.FailurePolicy != "Ignore" {
		t.Errorf("rolled back, the webhook is %+v", w)
	}
	if have := c.kubectl.run(t, "get", "-n", elsewhere, "configmap", "profile", "--ignore-not-found"); have != "" {
		t.Errorf("rolled back, there is a profile: %s", have)
	}

	// A second one would fight with the first over the same pods.
	second := c.helm
	second.args = append(slices.Clone(second.args), "--namespace", "second")
	if _, stderr, err := second.try(t, "install", "taco", chart, "--create-namespace"); err == nil || !strings.Contains(stderr, "elsewhere") {
		t.Errorf("installed twice: %v %s", err, stderr)
	}
	second.try(t, "uninstall", "taco")

	h.run(t, "uninstall", "taco")
	if after := c.objects(t); after != before {
		t.Errorf("before there was\n%s\nuninstalled there is\n%s", before, after)
	}
}

// objects are all objects that a chart could leave behind.
func (c *cluster) objects(t *testing.T) string {
	t.Helper()
	return c.kubectl.run(t, "get", "-A", "-o", "name", "mutatingwebhookconfigurations,clusterroles,clusterrolebindings,roles,rolebindings,"+
		"serviceaccounts,services,deployments,poddisruptionbudgets,networkpolicies,priorityclasses,secrets,"+
		"podmonitors,prometheusrules,certificates,issuers", "-l", "app.kubernetes.io/name=logging-taco")
}

// The administrator moves to another source of the certificate, and back.
func testSources(t *testing.T, c *cluster) {
	h := c.helm
	h.args = append(slices.Clone(h.args), "--namespace", elsewhere)
	h.run(t, "install", "taco", chart, "--create-namespace")
	managed, ca := newCA(t).pem, newCA(t)
	c.publish(t, managed)

	// What the injector has published is its own: Helm says so, and is told to go on.
	files := []string{"upgrade", "taco", chart, "--set", "certificate.source=files", "--set-file", "certificate.caBundle=" + ca.file}
	if _, stderr, err := h.try(t, files...); err == nil || !strings.Contains(stderr, "caBundle") {
		t.Errorf("over the injector's caBundle: %v %s", err, stderr)
	}
	h.run(t, append(files, "--force-conflicts")...)
	if have := c.webhook(t).ClientConfig.CABundle; !bytes.Equal(have, ca.pem) {
		t.Errorf("from files, the caBundle is %q", have)
	}
	c.checkPod(t, elsewhere)
	c.checkRights(t, elsewhere, false)

	h.run(t, "upgrade", "taco", chart, "--set", "certificate.source=cert-manager")
	if have := c.kubectl.run(t, "get", "mutatingwebhookconfiguration", "logging-taco", "-o", `jsonpath={.metadata.annotations.cert-manager\.io/inject-ca-from}`); have != elsewhere+"/injector" {
		t.Errorf("the CA is injected from %q", have)
	}
	if have := c.kubectl.run(t, "get", "-n", elsewhere, "certificate/injector", "-o", "jsonpath={.spec.secretName} {.spec.dnsNames} {.spec.issuerRef.name}"); have != `injector-tls ["injector.elsewhere.svc"] injector` {
		t.Errorf("the certificate is %s", have)
	}
	c.checkPod(t, elsewhere)
	c.checkRights(t, elsewhere, false)

	h.run(t, "upgrade", "taco", chart, "--set", "certificate.source=cert-manager,certificate.issuerRef.kind=ClusterIssuer,certificate.issuerRef.name=internal")
	if left := c.kubectl.run(t, "get", "-n", elsewhere, "issuers,certificates", "-o", "name"); left != "certificate.cert-manager.io/injector\n" {
		t.Errorf("with an issuer of the administrator's there is %s", left)
	}

	h.run(t, "upgrade", "taco", chart, "--reset-values")
	c.checkRights(t, elsewhere, true)
	h.run(t, "uninstall", "taco")
}
