package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// From one version of the injector to the next, under load: every pod gets its
// sidecar from the one or the other, and those that run are not touched.
func TestUpgraded(t *testing.T) {
	b := newBench(t)
	if clusterProgram == "" {
		t.Skip("images can be loaded into a cluster of this machine's own alone")
	}
	image, err := injectorImage()
	if err != nil {
		t.Fatal(err)
	}
	repository, _, _ := strings.Cut(image, ":")
	earlier := repository + ":v0.0.1"
	program := filepath.Join(t.TempDir(), "injector")
	for _, command := range []*exec.Cmd{
		exec.CommandContext(interrupted, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=v0.0.1", "-o", program, "../../injector"),
		exec.CommandContext(interrupted, clusterProgram, "load", "--name", clusterName, earlier+"="+program),
	} {
		command.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", strings.Join(command.Args, " "), err, out)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			_ = install()
		}
	})
	b.run("set", "image", "-n", own, "deployment/injector", "injector="+earlier)
	injectorsReady(b)
	w := writer{}
	b.apply(w.yaml("app"))
	b.waitReady("app")

	l := b.load()
	l.more(b, 100)
	if _, stderr, err := kubectlCommand(interrupted, "", "apply", "-k", "../../manifests"); err != nil {
		t.Fatalf("kubectl apply -k: %v: %s", err, stderr)
	}
	injectorsReady(b)
	l.more(b, 100)
	l.stop()
	l.whole(b, "during the upgrade")
	b.apply(writer{lines: 10}.yaml("next"))
	b.waitReady("next")
	pod := b.pod("app")
	for _, c := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if c.RestartCount != 0 || c.State.Running == nil {
			t.Errorf("a running pod was disturbed: %+v", c)
		}
	}
	s := b.follow("app", "taco-logs")
	s.waitLines(50)
	b.run("delete", "pod", "app", "--wait=false")
	if err := w.check(s.all()); err != nil {
		t.Error(err)
	}
}
