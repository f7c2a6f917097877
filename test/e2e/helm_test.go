package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// helm runs Helm in the injector's namespace.
func helm(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, append(args, "--namespace", own)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("helm %s: %w: %s", args[0], err, &said)
	}
	return nil
}

// The chart installs, upgrades without leaving a pod bare, and goes; a profile and
// a certificate that are there already it leaves as they are. Running pods keep
// their sidecars.
func TestHelm(t *testing.T) {
	b := newBench(t)
	program := os.Getenv("HELM")
	if program == "" {
		var err error
		if program, err = exec.LookPath("helm"); err != nil {
			const message = "no helm in $HELM or PATH; run `make e2e`, or HELM=$(bin/cluster helm) go test ./test/e2e"
			if os.Getenv("CI") == "true" {
				t.Fatal(message)
			}
			t.Skip(message)
		}
	}
	t.Setenv("HELM_CACHE_HOME", t.TempDir())
	chart := "../../manifests/chart/logging-taco"
	wait := []string{"--wait", "--timeout", patience.String()}
	before := trust(b)

	// What kubectl has installed makes room, but for namespace, profile and Secret.
	b.run("delete", "-n", own, "-l", "app.kubernetes.io/component=injector", "mutatingwebhookconfigurations,clusterroles,clusterrolebindings,priorityclasses,"+
		"deployments,services,poddisruptionbudgets,roles,rolebindings,serviceaccounts")
	t.Cleanup(func() {
		if err := helm(context.WithoutCancel(interrupted), program, "uninstall", "taco", "--ignore-not-found", "--wait"); err != nil {
			t.Error(err)
		}
		if err := install(); err != nil && interrupted.Err() == nil {
			t.Errorf("bring the injector back: %v", err)
		}
	})

	if err := helm(interrupted, program, append([]string{"install", "taco", chart}, wait...)...); err != nil {
		t.Fatal(err)
	}
	b.eventually("a pod is injected", func() error { return injected(b) })
	if after := trust(b); after != before {
		t.Errorf("the certificate was\n%s\nand is\n%s", before, after)
	}
	b.apply(writer{}.yaml("app"))
	b.waitReady("app")

	upgraded := make(chan error, 1)
	go func() {
		upgraded <- helm(interrupted, program, append([]string{"upgrade", "taco", chart, "--set", "replicas=3,podAnnotations.another=one"}, wait...)...)
	}()
	for asked, over := 0, false; !over; asked++ {
		select {
		case err := <-upgraded:
			if err != nil {
				t.Fatalf("after %d pods: %v", asked, err)
			}
			over = true // and once more
		default:
		}
		if err := injected(b); err != nil {
			t.Fatalf("pod %d during the upgrade: %v", asked, err)
		}
	}
	if after := trust(b); after != before {
		t.Errorf("upgraded, the certificate was\n%s\nand is\n%s", before, after)
	}

	if err := helm(interrupted, program, "uninstall", "taco", "--wait"); err != nil {
		t.Fatal(err)
	}
	b.eventually("pods are left alone", func() error {
		if injected(b) == nil {
			return errors.New("one is injected")
		}
		return nil
	})
	b.apply(writer{}.yaml("bare"))
	b.waitReady("bare")
	pod := b.pod("app")
	for _, c := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if c.RestartCount != 0 || c.State.Running == nil {
			t.Errorf("uninstalled, a running pod was disturbed: %+v", c)
		}
	}
}
