package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// quotaProfile gives the sidecars of TestQuota's namespace a limit for CPU, as the
// README tells where a ResourceQuota asks for one.
const quotaProfile = "namespaces: {e2e-quota: {limits: {cpu: 200m, memory: 32Mi}}}\n"

// cpuQuota asks every container for a limit.
const cpuQuota = `{apiVersion: v1, kind: ResourceQuota, metadata: {name: cpu}, spec: {hard: {limits.cpu: "1"}}}`

// bounded gives the application a limit for CPU.
func bounded(spec map[string]any) {
	spec["containers"].([]any)[0].(map[string]any)["resources"] = map[string]any{"limits": map[string]any{"cpu": "100m"}}
}

// Where a quota asks for limits, a sidecar without one is refused as the README
// says, and with the profile that it advises it counts like any other container.
func TestQuota(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	without := newNamed(b, "without", "team=none")
	w := writer{more: bounded}
	without.apply(cpuQuota)
	_, err := without.try(w.yaml("app"), "create", "-f", "-")
	if err == nil || !strings.Contains(err.Error(), "must specify limits.cpu for: taco-logs") {
		t.Errorf("without a limit: %v", err)
	}
	b.apply(cpuQuota)
	b.apply(w.yaml("app"))
	b.waitReady("app")
	var quota corev1.ResourceQuota
	b.eventually("both containers count", func() error {
		b.get(&quota, "resourcequota", "cpu")
		return differs(quota.Status.Used.Name("limits.cpu", "").String(), "300m")
	})
}

// Where a LimitRange asks for more than a sidecar has, the annotation that the
// README names helps; what it gives as a default does no harm.
func TestLimitRange(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.apply(`{apiVersion: v1, kind: LimitRange, metadata: {name: range}, spec: {limits: [
  {type: Container, min: {memory: 48Mi}, default: {memory: 64Mi, cpu: 500m}, defaultRequest: {memory: 64Mi, cpu: 50m}}]}}`)
	_, err := b.try(writer{}.yaml("app"), "create", "-f", "-")
	if err == nil || !strings.Contains(err.Error(), "minimum memory usage per Container is 48Mi") {
		t.Errorf("a sidecar of 32Mi: %v", err)
	}
	b.apply(writer{annotations: map[string]string{"logging.taco/memory": "48Mi"}}.yaml("app"))
	b.waitReady("app")
	sidecar := b.pod("app").Spec.InitContainers[0]
	if got := sidecar.Resources; got.Limits.Memory().String() != "48Mi" || got.Limits.Cpu().String() != "500m" || got.Requests.Cpu().String() != "5m" {
		t.Errorf("the sidecar has %v", got)
	}
}
