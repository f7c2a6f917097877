package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// These tests disturb the injector, so none of them is parallel.

// Without an injector pods start all the same, without sidecars. When it is
// back, the next pod has one.
func TestInjectorDown(t *testing.T) {
	b := newBench(t)
	b.run("scale", "-n", own, "deployment/injector", "--replicas=0")
	t.Cleanup(func() {
		ctx := context.WithoutCancel(interrupted)
		_, _, _ = kubectlCommand(ctx, "", "scale", "-n", own, "deployment/injector", "--replicas=2")
		if err := install(); err != nil && interrupted.Err() == nil {
			t.Errorf("bring the injector back: %v", err)
		}
	})
	b.run("wait", "-n", own, "--for=delete", "pod", "-l", "app.kubernetes.io/component=injector", "--timeout", patience.String())

	began := time.Now()
	b.apply(writer{}.yaml("app"))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a pod waited %v for nobody", took)
	}
	b.waitReady("app")
	if pod := b.pod("app"); len(pod.Spec.Containers) != 1 || len(pod.Spec.InitContainers) != 0 {
		t.Errorf("containers %v, init containers %v", names(pod.Spec.Containers), names(pod.Spec.InitContainers))
	}
}

// The injectors are replaced one after the other: every pod meanwhile gets its
// sidecar, and the certificate is the same as before.
func TestInjectorRestarted(t *testing.T) {
	b := newBench(t)
	before := trust(b)
	b.run("rollout", "restart", "-n", own, "deployment/injector")
	done := make(chan error, 1)
	go func() {
		_, stderr, err := kubectlCommand(interrupted, "", "rollout", "status", "-n", own, "deployment/injector", "--timeout", patience.String())
		if err != nil {
			err = fmt.Errorf("%w: %s", err, stderr)
		}
		done <- err
	}()
	for asked, over := 0, false; !over; asked++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("the rollout after %d pods: %v", asked, err)
			}
			over = true // and once more
		default:
		}
		if err := injected(b); err != nil {
			t.Fatalf("pod %d during the rollout: %v", asked, err)
		}
	}
	if after := trust(b); after != before {
		t.Errorf("the certificate was\n%s\nand is\n%s", before, after)
	}
}

// The Secret outlives its injectors, all of them.
func TestInjectorGoneAndBack(t *testing.T) {
	b := newBench(t)
	before := trust(b)
	b.run("delete", "pods", "-n", own, "-l", "app.kubernetes.io/component=injector", "--now")
	injectorsReady(b)
	b.eventually("the next pod is injected", func() error { return injected(b) })
	if after := trust(b); after != before {
		t.Errorf("the certificate was\n%s\nand is\n%s", before, after)
	}
}

// Applying the manifests a second time changes nothing.
func TestInstalledTwice(t *testing.T) {
	b := newBench(t)
	injectorsReady(b)
	state := func() string {
		return trust(b) + b.run("get", "-n", own, "deployment,service,poddisruptionbudget,serviceaccount,role,rolebinding", "-o",
			`jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.generation} {.metadata.uid}{"\n"}{end}`) +
			b.run("get", "-n", own, "pods", "-o", "name")
	}
	before := state()
	for _, command := range []string{"diff", "apply"} { // diff fails where apply would change something
		if stdout, stderr, err := kubectlCommand(interrupted, "", command, "-k", "../../manifests"); err != nil {
			t.Errorf("kubectl %s: %v\n%s%s", command, err, stdout, stderr)
		}
	}
	if after := state(); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
	if err := injected(b); err != nil {
		t.Error(err)
	}
}

// injected is nil when a pod would get its sidecar now.
func injected(b *bench) error {
	out, err := b.try(writer{}.yaml("probe"), "create", "--dry-run=server", "-f", "-", "-o", "jsonpath={.spec.initContainers[*].name}")
	if err == nil && out != "taco-logs" {
		err = fmt.Errorf("init containers %q", out)
	}
	return err
}

// trust is what API servers trust and what the injectors have: the caBundle and
// the certificate's Secret.
func trust(b *bench) string {
	b.Helper()
	bundle := b.run("get", "mutatingwebhookconfiguration", "logging-taco", "-o", "jsonpath={.webhooks[*].clientConfig.caBundle}")
	var secret struct{ Data map[string]string }
	b.get(&secret, "-n", own, "secret", "injector-certificate")
	if bundle == "" || len(secret.Data) == 0 {
		b.Fatal(errors.New("there is no certificate"))
	}
	text, err := json.MarshalIndent(secret.Data, "", "  ")
	if err != nil {
		b.Fatal(err)
	}
	return strings.Join([]string{bundle, string(text), ""}, "\n")
}

// injectors are the names of the pods that run.
func injectors(b *bench) []string {
	b.Helper()
	return strings.Fields(b.run("get", "-n", own, "pods", "-l", "app.kubernetes.io/component=injector", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].metadata.name}"))
}

// injectorsReady waits until all of them are, and none is from an earlier version.
func injectorsReady(b *bench) {
	b.Helper()
	b.run("rollout", "status", "-n", own, "deployment/injector", "--timeout", patience.String())
}

// injectorMetric is a bench's metric of an injector.
func injectorMetric(b *bench, pod, name, labels string) float64 {
	b.Helper()
	return (&bench{b.T, own}).metric(pod, 8080, name, labels)
}

// kill ends with kill -9 the injector that has worked most, from a pod that sees the
// node's processes, and waits until the kubelet has noticed.
func kill(b *bench) {
	b.Helper()
	restarts := func() (n int) {
		for _, count := range strings.Fields(b.run("get", "-n", own, "pods", "-l", "app.kubernetes.io/component=injector", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}")) {
			i, _ := strconv.Atoi(count)
			n += i
		}
		return n
	}
	before := restarts()
	b.apply(`{apiVersion: v1, kind: Pod, metadata: {name: kill}, spec: {hostPID: true, restartPolicy: Never, terminationGracePeriodSeconds: 0, containers: [{name: kill, image: "busybox:1.37", command: [sh, -c,
  'kill -9 $(for p in $(pidof injector); do awk "{print \$14+\$15, \$1}" /proc/$p/stat; done | sort -n | tail -n 1 | cut -d " " -f 2)']}]}}`)
	b.run("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/kill", "--timeout", patience.String())
	b.run("delete", "pod", "kill", "--now")
	b.eventually("the injector that was killed is back", func() error {
		if restarts() <= before {
			return errors.New("not yet")
		}
		return nil
	})
}
