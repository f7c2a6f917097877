package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// own is the injector's namespace.
const own = "logging-taco"

// patience is how long anything may take; reached only by a failure.
const patience = 90 * time.Second

// A bench is a test's own namespace, and how to work in it.
type bench struct {
	*testing.T
	namespace string
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// newBench makes a namespace for the test, with labels such as key=value, and
// skips the test where there is no cluster.
func newBench(t *testing.T, labels ...string) *bench {
	t.Helper()
	if unusable != "" {
		t.Skip(unusable)
	}
	name := "e2e-" + strings.Trim(notInName.ReplaceAllString(strings.ToLower(strings.TrimPrefix(t.Name(), "Test")), "-"), "-")
	b := &bench{t, name[:min(len(name), 60)]}
	b.delete() // of an earlier run in this cluster
	t.Cleanup(func() {
		if t.Failed() && interrupted.Err() == nil {
			pods, _, _ := kubectlCommand(interrupted, "", "get", "pods", "-n", b.namespace, "-o", "wide")
			events, _, _ := kubectlCommand(interrupted, "", "get", "events", "-n", b.namespace)
			t.Logf("pods and events at the end:\n%s%s", pods, events)
		}
		b.delete("--wait=false")
	})
	b.run("create", "namespace", b.namespace)
	if len(labels) > 0 {
		b.run(append([]string{"label", "namespace", b.namespace}, labels...)...)
	}
	// Without it no pod can be made.
	b.eventually("the namespace has its service account", func() error {
		_, err := b.try("", "get", "serviceaccount", "default")
		return err
	})
	return b
}

func (b *bench) delete(more ...string) {
	args := append([]string{"delete", "namespace", b.namespace, "--ignore-not-found", "--now"}, more...)
	if _, stderr, err := kubectlCommand(context.WithoutCancel(interrupted), "", args...); err != nil && interrupted.Err() == nil {
		b.Errorf("delete the namespace: %v: %s", err, stderr)
	}
}

// try runs kubectl in the namespace. Its error has what kubectl said.
func (b *bench) try(stdin string, args ...string) (string, error) {
	stdout, stderr, err := kubectlCommand(interrupted, stdin, append([]string{"-n", b.namespace}, args...)...)
	if err != nil {
		return stdout, fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr)
	}
	return stdout, nil
}

// run is try for what has to succeed.
func (b *bench) run(args ...string) string {
	b.Helper()
	out, err := b.try("", args...)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// apply applies YAML.
func (b *bench) apply(yaml string) {
	b.Helper()
	if _, err := b.try(yaml, "apply", "-f", "-"); err != nil {
		b.Fatal(err)
	}
}

// get reads an object.
func (b *bench) get(into any, args ...string) {
	b.Helper()
	decode(b, b.run(append(append([]string{"get"}, args...), "-o", "json")...), into)
}

func decode(b *bench, text string, into any) {
	b.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		b.Fatalf("read what kubectl says: %v: %s", err, text)
	}
}

func (b *bench) pod(name string) (pod corev1.Pod) {
	b.Helper()
	b.get(&pod, "pod", name)
	return pod
}

// pods are those with the label app=NAME.
func (b *bench) pods(name string) []corev1.Pod {
	b.Helper()
	var list corev1.PodList
	b.get(&list, "pods", "-l", "app="+name)
	return list.Items
}

func (b *bench) waitReady(pod string) {
	b.Helper()
	b.run("wait", "--for=condition=Ready", "pod/"+pod, "--timeout", patience.String())
}

// eventually waits until something holds.
func (b *bench) eventually(what string, holds func() error) {
	b.Helper()
	ctx, cancel := context.WithTimeoutCause(interrupted, patience, fmt.Errorf("not within %v", patience))
	defer cancel()
	if err := poll(ctx, holds); err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}

// logs is what kubectl logs shows of a container now.
func (b *bench) logs(pod, container string, more ...string) (output, error) {
	text, err := b.try("", append([]string{"logs", pod, "-c", container}, more...)...)
	return parseOutput(text), err
}

// metric is the value of a pod's metric on a port, of all its samples whose labels
// have a text in them.
func (b *bench) metric(pod string, port int, name, labels string) (sum float64) {
	b.Helper()
	text := b.run("get", "--raw", fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:%d/proxy/metrics", b.namespace, pod, port))
	found := false
	for line := range strings.Lines(text) {
		sample, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if metric, has, _ := strings.Cut(sample, "{"); !ok || metric != name || !strings.Contains(has, labels) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			b.Fatalf("read the metric %s: %v", line, err)
		}
		sum, found = sum+n, true
	}
	if !found {
		b.Fatalf("pod %s has no metric %s{%s} on port %d:\n%s", pod, name, labels, port, text)
	}
	return sum
}

// An output is what a sidecar's container has said: the application's lines, and
// messages of the sidecar's own.
type output struct{ lines, messages []string }

func (o *output) add(line string) {
	if strings.HasPrefix(line, "time=") {
		o.messages = append(o.messages, line)
	} else {
		o.lines = append(o.lines, line)
	}
}

func parseOutput(text string) (o output) {
	for line := range strings.Lines(text) {
		o.add(strings.TrimSuffix(line, "\n"))
	}
	return o
}

// kubectlCommand runs kubectl in the cluster of the tests.
func kubectlCommand(ctx context.Context, stdin string, args ...string) (stdout, stderr string, err error) {
	cmd := exec.CommandContext(ctx, "kubectl", args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// poll tries until there is no error or ctx ends; its error has both.
func poll(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
