package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"logging.taco/injector/inject"
	"logging.taco/injector/profile"
)

// TestServe is the injector with a real API server, with the manifests as they
// are and their ServiceAccount's rights.
func TestServe(t *testing.T) {
	c := newCluster(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *cluster)
	}{
		{"the manifests agree with one another and the flags", testManifests},
		{"replicas that start at once make one CA", testReplicasAtOnce},
		{"the pod as it is stored", testStored},
		{"a sidecar passes the restricted Pod Security Standard", testRestricted},
		{"a shipping sidecar passes it too, and nothing of it is a default of the API's", testShipping},
		{"every golden pod is valid", testGolden},
		{"a bad annotation is refused", testRefused},
		{"others never meet the webhook", testNeverMet},
		{"a dry run is like any other", testDryRun},
		{"without an injector pods start", testDown},
		{"a restart keeps the CA", testRestart},
		{"a deleted Secret is made anew", testSecretDeleted},
		{"a wiped caBundle is restored", testBundleWiped},
		{"the manifests applied again change nothing", testAppliedAgain},
		{"the ServiceAccount can do no more than it must", testRights},
		{"after SIGTERM it is not ready, and still answers", testDrain},
		{"a rolling update leaves no pod bare", testRollingUpdate},
		{"a certificate from files", testFiles},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}

// What the Deployment says is what the other manifests mean, and its pods are let
// into their namespace, which enforces the restricted Pod Security Standard.
func testManifests(t *testing.T, c *cluster) {
	ctx := t.Context()
	deployment, err := c.admin.AppsV1().Deployments(own).Get(ctx, "injector", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	template := deployment.Spec.Template
	container := template.Spec.Containers[0]
	args := container.Args
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$(NAMESPACE)", own)
	}
	var stderr bytes.Buffer
	o, _ := parseServe(args[1:], &stderr)
	if args[0] != "serve" || o == nil {
		t.Fatalf("arguments %q: %s", args, &stderr)
	}
	role, err := c.admin.RbacV1().Roles(own).Get(ctx, "injector", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := (namespaced{own, role.Rules[0].ResourceNames[0]}); o.secret != want || secret != want.name {
		t.Errorf("the Secret is %v, the Role allows %v", o.secret, want)
	}
	clusterRole, err := c.admin.RbacV1().ClusterRoles().Get(ctx, "logging-taco-injector", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := clusterRole.Rules[0].ResourceNames[0]; o.webhookConfiguration != want || hooks != want {
		t.Errorf("the webhook configuration is %s, the ClusterRole allows %s", o.webhookConfiguration, want)
	}
	service, err := c.admin.CoreV1().Services(own).Get(ctx, o.service.name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range service.Spec.Selector {
		if template.Labels[key] != value {
			t.Errorf("the Service selects %s=%s, which the pods do not have", key, value)
		}
	}
	ports := map[string]string{}
	for _, p := range container.Ports {
		ports[p.Name] = fmt.Sprint(":", p.ContainerPort)
	}
	if ports["webhook"] != fmt.Sprint(":", o.port) || ports["metrics"] != o.metrics || ports["health"] != o.health {
		t.Errorf("ports %v, flags %d, %s, %s", ports, o.port, o.metrics, o.health)
	}
	if o.shutdownDelay.Seconds() >= float64(*template.Spec.TerminationGracePeriodSeconds) {
		t.Error("killed before the shutdown delay is over")
	}
	_, err = c.admin.CoreV1().Pods(own).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "as-deployed", Labels: template.Labels},
		Spec:       template.Spec,
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		t.Errorf("a pod of the Deployment is refused: %v", err)
	}

	// As written, before the tests' overlay: the Service that is called.
	out := c.mustKubectl(t, "", "kustomize", "../manifests")
	for _, want := range []string{"name: " + o.service.name + "\n      namespace: " + own + "\n      path: /mutate", "caBundle"} {
		if strings.Contains(out, want) != (want != "caBundle") {
			t.Errorf("of %q in the webhook configuration:\n%s", want, out)
		}
	}
}

func testStored(t *testing.T, c *cluster) {
	r := c.start(t)
	r.waitReady(t)
	c.warnings.take()
	pod, err := c.pod(t.Context(), "stored-", paths)
	if err != nil {
		t.Fatal(err)
	}
	if !hasSidecar(pod) {
		t.Fatalf("init containers: %+v", pod.Spec.InitContainers)
	}
	sidecar := pod.Spec.InitContainers[0]
	if sidecar.RestartPolicy == nil || *sidecar.RestartPolicy != corev1.ContainerRestartPolicyAlways {
		t.Error("the sidecar is not native")
	}
	if pod.Annotations["logging.taco/status"] == "" {
		t.Error("no status annotation")
	}
	if !slices.ContainsFunc(pod.Spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/var/log/app" }) {
		t.Errorf("the app's mounts: %+v", pod.Spec.Containers[0].VolumeMounts)
	}
	if text := c.warnings.take(); !slices.ContainsFunc(text, func(w string) bool { return strings.HasPrefix(w, "logging.taco: ") }) {
		t.Errorf("the user was warned of %q only", text)
	}

	// The stored pod, with all its defaults, goes in again: nothing is doubled.
	again := pod.DeepCopy()
	again.ObjectMeta = metav1.ObjectMeta{GenerateName: "again-", Annotations: pod.Annotations}
	second, err := c.admin.CoreV1().Pods(shop).Create(t.Context(), again, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !hasSidecar(second) || len(second.Spec.Volumes) != len(pod.Spec.Volumes) {
		t.Errorf("injected again: %+v", second.Spec)
	}
}

func testRefused(t *testing.T, c *cluster) {
	c.start(t).waitReady(t)
	for name, test := range map[string]struct {
		key, value string
		says       []string
	}{
		"relative path": {"logging.taco/paths", "var/log/1.log", []string{"logging.taco/paths", "var/log/1.log", "absolute"}},
		"protected":     {"logging.taco/paths", "/etc/app.log", []string{"logging.taco/paths", "/etc"}},
		"mistyped key":  {"logging.taco/path", "/var/log/1.log", []string{"logging.taco/path", "logging.taco/paths"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, stderr, err := c.kubectl(t, fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"refused","namespace":%q,"annotations":{%q:%q}},
				"spec":{"containers":[{"name":"app","image":"app:1"}]}}`, shop, test.key, test.value), "create", "-f", "-")
			if err == nil {
				t.Fatal("the pod was let in")
			}
			for _, want := range append(test.says, `"pods.logging.taco" denied the request`) {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is not in what kubectl says:\n%s", want, stderr)
				}
			}
		})
	}
}

// restricted creates a pod that passes the restricted Pod Security Standard.
func (c *cluster) restricted(t *testing.T, namespace string, annotations map[string]string) *corev1.Pod {
	t.Helper()
	pod, err := c.admin.CoreV1().Pods(namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "restricted-", Annotations: annotations},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: "RuntimeDefault"}},
			Containers: []corev1.Container{{Name: "app", Image: "app:1", SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

func testRestricted(t *testing.T, c *cluster) {
	c.start(t).waitReady(t)
	c.mustKubectl(t, "", "create", "namespace", "strict")
	c.mustKubectl(t, "", "label", "namespace", "strict", "pod-security.kubernetes.io/enforce=restricted")
	if !hasSidecar(c.restricted(t, "strict", paths)) {
		t.Error("not injected")
	}
	if _, err := c.admin.CoreV1().Pods("strict").Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "lax"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
	}, metav1.CreateOptions{}); err == nil {
		t.Error("the namespace is not restricted, so this test says nothing")
	}
}

// The profile's output makes a pod ship. What is stored and comes again, with all
// defaults of the API server, differs in nothing from what the injector writes.
func testShipping(t *testing.T, c *cluster) {
	file := filepath.Join(t.TempDir(), "profile.yaml")
	text := "outputs:\n  search:\n    to: https://elasticsearch.logging:9200\n    credentials: {secret: search}\ndefault-output: search\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := profile.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	c.start(t, "--config", file).waitReady(t)
	c.mustKubectl(t, "", "create", "namespace", "shipping")
	c.mustKubectl(t, "", "label", "namespace", "shipping", "pod-security.kubernetes.io/enforce=restricted")
	annotations := map[string]string{"logging.taco/mode": "ship"}
	maps.Copy(annotations, paths)
	for _, native := range []string{"true", "false"} {
		annotations["logging.taco/native"] = native
		pod := c.restricted(t, "shipping", annotations)
		all := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
		if !slices.ContainsFunc(all, func(c corev1.Container) bool { return c.Name == "taco-ship" }) {
			t.Fatalf("native %s: not injected: %+v", native, all)
		}
		again, report := inject.Inject(pod, "shipping", p)
		ops, err := inject.Patch(pod, again)
		if err != nil || !report.Injected() || len(ops) > 0 {
			t.Errorf("native %s: the stored pod is patched: %v, %v, %s", native, ops, err, report.Message())
		}
	}
}

func testNeverMet(t *testing.T, c *cluster) {
	r := c.start(t)
	r.waitReady(t)
	const metric = "taco_injector_admissions_total"
	before := r.metric(t, metric)
	create := func(namespace string, annotations map[string]string) {
		t.Helper()
		c.restricted(t, namespace, annotations)
	}
	c.mustKubectl(t, "", "create", "namespace", "opted-out")
	c.mustKubectl(t, "", "label", "namespace", "opted-out", "logging.taco/injection=disabled")
	create(shop, nil)
	create(shop, map[string]string{"example.com/logging.taco": "x"})
	create(shop, map[string]string{"logging.taco/paths": "/var/log/app/a.log", "logging.taco/inject": "false"})
	create(own, paths)
	create("kube-system", paths)
	create("opted-out", paths)
	if after := r.metric(t, metric); after != before {
		t.Errorf("%v pods met the webhook", after-before)
	}
	create(shop, paths)
	if after := r.metric(t, metric); after == before {
		t.Error("an annotated pod was not counted")
	}
}

func testDryRun(t *testing.T, c *cluster) {
	c.start(t).waitReady(t)
	out := c.mustKubectl(t, fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"dry","namespace":%q,"annotations":{"logging.taco/paths":"/var/log/app/a.log"}},
		"spec":{"containers":[{"name":"app","image":"app:1"}]}}`, shop), "create", "--dry-run=server", "-o", "yaml", "-f", "-")
	if !strings.Contains(out, "taco-logs") {
		t.Errorf("no sidecar in\n%s", out)
	}
	if _, err := c.admin.CoreV1().Pods(shop).Get(t.Context(), "dry", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after a dry run: %v", err)
	}
}

func testDown(t *testing.T, c *cluster) {
	if c.injected(t) {
		t.Error("a sidecar out of nowhere")
	}
}

// For the shutdown delay, the probe fails while every request, on connections old
// and new, is answered with the advice to connect anew, elsewhere.
func testDrain(t *testing.T, c *cluster) {
	r := c.start(t, "--shutdown-delay", "3s")
	r.waitReady(t)
	r.stop()
	eventually(t, "the probe fails", func() bool { return !r.ready() })
	answer, err := http.Get("http://" + address(r.health) + "/readyz")
	if err != nil {
		t.Fatalf("the probe is not answered at all: %v", err)
	}
	defer answer.Body.Close()
	if why, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(why), "shutting down") {
		t.Errorf("the probe says %d, %s", answer.StatusCode, why)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // HTTP/1, where the header is seen
	post, err := client.Post("https://"+address(r.port)+"/mutate", "application/json", strings.NewReader(
		`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","resource":{"version":"v1","resource":"pods"},`+
			`"kind":{"version":"v1","kind":"Pod"},"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}}}`))
	if err != nil {
		t.Fatalf("the webhook is not answered any more: %v", err)
	}
	defer post.Body.Close()
	if post.StatusCode != http.StatusOK || !post.Close {
		t.Errorf("the webhook answers %s, connection to be closed: %t", post.Status, post.Close)
	}
}

// Under load, one replica after the other is replaced as the Deployment does it.
func testRollingUpdate(t *testing.T, c *cluster) {
	old := []*replica{c.start(t, "--shutdown-delay", "1s"), c.start(t, "--shutdown-delay", "1s")}
	for _, r := range old {
		r.waitReady(t)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var created, bare atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				pod, err := c.pod(t.Context(), "rolling-", paths)
				if err != nil {
					t.Errorf("a pod was refused: %v", err)
					return
				}
				if created.Add(1); !hasSidecar(pod) {
					bare.Add(1)
				}
			}
		})
	}
	for _, r := range old {
		enough := created.Load() + 20
		eventually(t, "the load goes on", func() bool { return created.Load() >= enough })
		c.start(t, "--shutdown-delay", "1s").waitReady(t)
		c.end(t, r)
	}
	stop()
	wg.Wait()
	if bare.Load() > 0 {
		t.Errorf("%d of %d pods have no sidecar", bare.Load(), created.Load())
	}
	t.Logf("%d pods", created.Load())
}
