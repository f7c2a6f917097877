package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
)

// Other webhooks change the pod before and after: a mesh that puts its proxy in
// front, and one that adds a container with its own volume and a variable to every
// container, ours too. What they did stays, the sidecar is there once and in its
// place, and the lines arrive.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if unreachable != "" {
		t.Skip(unreachable)
	}
	before := b.neighbour("aaa", 9301, func(pod *corev1.Pod) (ops []operation) {
		if has(pod.Spec.InitContainers, "mesh-proxy") {
			return nil
		}
		proxy := corev1.Container{Name: "mesh-proxy", Image: "busybox:1.37", Command: []string{"sh", "-c", "trap exit TERM; while true; do sleep 0.2; done"}, RestartPolicy: new(corev1.ContainerRestartPolicyAlways)}
		if len(pod.Spec.InitContainers) == 0 {
			return []operation{{"add", "/spec/initContainers", []corev1.Container{proxy}}}
		}
		return []operation{{"add", "/spec/initContainers/0", proxy}}
	})
	after := b.neighbour("zzz", 9302, func(pod *corev1.Pod) (ops []operation) {
		ops = []operation{
			{"add", "/spec/initContainers/0", corev1.Container{Name: "vault-init", Image: "busybox:1.37", Command: []string{"true"}}},
			{"add", "/spec/volumes/-", corev1.Volume{Name: "vault", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			{"add", "/spec/containers/0", corev1.Container{Name: "vault-agent", Image: "busybox:1.37", Command: []string{"sh", "-c", "trap exit TERM; while true; do sleep 0.2; done"},
				VolumeMounts: []corev1.VolumeMount{{Name: "vault", MountPath: "/vault"}}}},
		}
		for i := range pod.Spec.InitContainers {
			if pod.Spec.InitContainers[i].Name == "taco-logs" { // the place is its new one
				ops = append(ops, operation{"add", fmt.Sprintf("/spec/initContainers/%d/env/-", i+1), corev1.EnvVar{Name: "REGION", Value: "here"}})
			}
		}
		return ops
	})
	w := writer{lines: 100}
	b.apply(w.yaml("app"))
	pod := b.pod("app")
	// Who reads the init containers' files too is before them, whoever came first.
	if err := differs(strings.Join(names(pod.Spec.InitContainers), " "), "taco-logs vault-init mesh-proxy"); err != nil {
		t.Errorf("init containers: %v", err)
	}
	if err := differs(strings.Join(names(pod.Spec.Containers), " "), "vault-agent app"); err != nil {
		t.Errorf("containers: %v", err)
	}
	env := pod.Spec.InitContainers[0].Env
	if last := env[len(env)-1]; last.Name != "REGION" || last.Value != "here" {
		t.Errorf("the sidecar's environment: %v", env)
	}
	if n := len(pod.Spec.Containers[1].VolumeMounts); n != 2 { // the token and the logs
		t.Errorf("the application has %v", pod.Spec.Containers[1].VolumeMounts)
	}
	if before() < 1 || after() != 1 {
		t.Errorf("the neighbours were asked %d times and %d times", before(), after())
	}
	b.eventually("all lines", func() error {
		got, err := b.logs("app", "taco-logs")
		if err == nil {
			err = w.check(got)
		}
		return err
	})
}

func has(list []corev1.Container, name string) bool {
	for _, c := range list {
		if c.Name == name {
			return true
		}
	}
	return false
}

// An operation of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// neighbour registers a mutating webhook for the pods of the test's namespace, which
// API servers call in the order of the names. Calls is how often it was called.
func (b *bench) neighbour(name string, port int, change func(*corev1.Pod) []operation) (calls func() int) {
	b.Helper()
	const node = "10.244.0.1"
	asked := make(chan struct{}, 100)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		var pod corev1.Pod
		err := json.NewDecoder(r.Body).Decode(&review)
		if err == nil {
			err = json.Unmarshal(review.Request.Object.Raw, &pod)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		asked <- struct{}{}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
		if ops := change(&pod); len(ops) > 0 {
			review.Response.PatchType = new(admissionv1.PatchTypeJSONPatch)
			review.Response.Patch, _ = json.Marshal(ops)
		}
		review.Request = nil
		_ = json.NewEncoder(w).Encode(review)
	}))
	own := issue(b, &x509.Certificate{IPAddresses: []net.IP{net.ParseIP(node)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, nil)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{own.cert.Raw}, PrivateKey: own.signer}}}
	server.StartTLS()
	b.Cleanup(server.Close)
	expose(b.T, fmt.Sprintf("%d=%s", port, server.Listener.Addr()))

	full := name + "." + b.namespace
	b.Cleanup(func() {
		_, _, _ = kubectlCommand(context.WithoutCancel(interrupted), "", "delete", "mutatingwebhookconfiguration", full, "--ignore-not-found")
	})
	reinvocation := "IfNeeded"
	if name == "zzz" { // as the last one, once is enough
		reinvocation = "Never"
	}
	b.apply(text(map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": map[string]any{"name": full},
		"webhooks": []any{map[string]any{
			"name": name + ".neighbour.example", "admissionReviewVersions": []any{"v1"}, "sideEffects": "None", "failurePolicy": "Fail", "reinvocationPolicy": reinvocation,
			"clientConfig":      map[string]any{"url": fmt.Sprintf("https://%s:%d/", node, port), "caBundle": base64.StdEncoding.EncodeToString(own.text)},
			"namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": b.namespace}},
			"rules":             []any{map[string]any{"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"pods"}}},
		}},
	}))
	// API servers hear of it by a watch.
	b.eventually(full+" is called", func() error {
		if len(asked) == 0 {
			_, err := b.try(writer{}.yaml("probe"), "create", "--dry-run=server", "-f", "-")
			return fmt.Errorf("not yet: %v", err)
		}
		return nil
	})
	for len(asked) > 0 {
		<-asked
	}
	return func() int { return len(asked) }
}
