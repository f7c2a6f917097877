package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// A user's error is refused, and kubectl shows which key, which value and why.
func TestRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const paths = "logging.taco/paths"
	for name, c := range map[string]struct {
		key, value string
		also       map[string]string
		rename     string // the application's container
		shown      []string
	}{
		"unknown key":         {key: "logging.taco/path", value: "/logs/app.log", shown: []string{"logging.taco/path", "logging.taco/paths"}},
		"relative path":       {key: paths, value: "logs/app.log", shown: []string{`"logs/app.log"`, "absolute"}},
		"dot dot":             {key: paths, value: "/logs/../etc/shadow", shown: []string{`"/logs/../etc/shadow"`, "leave out .."}},
		"empty item":          {key: paths, value: "/logs/a.log,,/logs/b.log", shown: []string{`"": item 2: empty`}},
		"unknown container":   {key: paths, value: "web:/logs/app.log", shown: []string{`"web:/logs/app.log"`, "web", "app"}},
		"system folder":       {key: paths, value: "/etc/app.log", shown: []string{`/etc`}},
		"root folder":         {key: paths, value: "/app.log", shown: []string{`"/app.log"`}},
		"wrong native":        {key: "logging.taco/native", value: "perhaps", shown: []string{`"perhaps"`, "auto", "true", "false"}},
		"image not allowed":   {key: "logging.taco/image", value: "example.test/other:1", shown: []string{`"example.test/other:1"`}},
		"reserved name":       {rename: "taco-logs", key: paths, value: "/logs/app.log", shown: []string{`"taco-logs"`}},
		"reserved split name": {rename: "taco-app-log", key: "logging.taco/split", value: "true", shown: []string{`"taco-app-log"`}},
	} {
		t.Run(name, func(t *testing.T) {
			w := writer{annotations: map[string]string{c.key: c.value}, more: func(spec map[string]any) {
				if c.rename != "" {
					spec["containers"].([]any)[0].(map[string]any)["name"] = c.rename
				}
			}}
			_, err := b.try(w.yaml("refused"), "apply", "-f", "-")
			if err == nil {
				b.run("delete", "pod", "refused", "--now")
				t.Fatal("it was let in")
			}
			// kubectl says who refused.
			for _, part := range append(c.shown, "pods.logging.taco", "denied", "logging.taco/") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("no %q in: %v", part, err)
				}
			}
			if c.rename == "" && !strings.Contains(err.Error(), c.key) {
				t.Errorf("no %q in: %v", c.key, err)
			}
		})
	}
	if pods := b.run("get", "pods", "-o", "name"); pods != "" {
		t.Errorf("there are %s", pods)
	}
}

// What a Pod Security Standard refuses is refused here; a pod with a sidecar is
// not, native or plain.
func TestPodSecurity(t *testing.T) {
	t.Parallel()
	const enforce = "pod-security.kubernetes.io/enforce="
	restricted := newBench(t, enforce+"restricted")
	baseline := newNamed(restricted, "baseline", enforce+"baseline")
	for _, c := range []struct {
		*bench
		level, refused string
	}{{restricted, "restricted", "--image=busybox:1.37"}, {baseline, "baseline", "--privileged"}} {
		b := c.bench
		if _, err := b.try("", "run", "careless", "--image=busybox:1.37", c.refused); err == nil || !strings.Contains(err.Error(), `violates PodSecurity "`+c.level) {
			t.Fatalf("the namespace enforces nothing: %v", err)
		}
		for _, native := range []string{"true", "false"} {
			w := writer{lines: 50, annotations: map[string]string{"logging.taco/native": native}}
			name := "native-" + native
			b.apply(w.yaml(name))
			b.eventually("all lines", func() error {
				got, err := b.logs(name, "taco-logs")
				if err == nil {
					err = w.check(got)
				}
				return err
			})
		}
	}
}

// A pod without annotations of ours stays as it is, and API servers do not even
// ask about it. (Not parallel: others' pods would be counted.)
func TestUnannotatedPodIsUntouched(t *testing.T) {
	b := newBench(t)
	const optOut = "logging.taco/injection=disabled"
	out := newNamed(b, "out", optOut)
	before := admissions(b)

	plain := writer{}.template("plain")
	delete(plain["metadata"].(map[string]any), "annotations")
	plain["apiVersion"], plain["kind"] = "v1", "Pod"
	plain["metadata"].(map[string]any)["name"] = "plain"
	b.apply(text(plain))
	out.apply(text(plain))
	if here, there := stored(b, "plain"), stored(out, "plain"); !bytes.Equal(here, there) {
		t.Errorf("a pod without annotations is\n%s\nand in a namespace that opted out\n%s", here, there)
	}
	// Annotated, but not for us to touch.
	out.apply(writer{}.yaml("annotated"))
	b.apply(writer{annotations: map[string]string{"logging.taco/inject": "false"}}.yaml("opted-out"))
	for _, pod := range []corev1.Pod{b.pod("plain"), b.pod("opted-out"), out.pod("annotated")} {
		if len(pod.Spec.Containers) != 1 || len(pod.Spec.InitContainers) != 0 {
			t.Errorf("pod %s/%s has containers %v, init containers %v", pod.Namespace, pod.Name, names(pod.Spec.Containers), names(pod.Spec.InitContainers))
		}
	}
	if now := admissions(b); now != before {
		t.Errorf("the injectors were asked %v times", now-before)
	}
	b.apply(writer{}.yaml("annotated"))
	if now := admissions(b); now <= before {
		t.Errorf("the count of admissions counts nothing: %v", now)
	}
}

// newNamed makes one more namespace for a test.
func newNamed(b *bench, name string, labels ...string) *bench {
	b.Helper()
	other := &bench{b.T, b.namespace + "-" + name}
	other.delete()
	b.Cleanup(func() { other.delete("--wait=false") })
	other.run("create", "namespace", other.namespace)
	other.run(append([]string{"label", "namespace", other.namespace}, labels...)...)
	other.eventually("the namespace has its service account", func() error {
		_, err := other.try("", "get", "serviceaccount", "default")
		return err
	})
	return other
}

// stored is what the API server stored of a pod, without what differs from pod
// to pod.
func stored(b *bench, name string) []byte {
	b.Helper()
	pod := b.pod(name)
	pod.Spec.NodeName = ""
	delete(pod.Annotations, "kubectl.kubernetes.io/last-applied-configuration") // with the namespace's name
	out, err := json.MarshalIndent(map[string]any{"annotations": pod.Annotations, "labels": pod.Labels, "spec": pod.Spec}, "", "  ")
	if err != nil {
		b.Fatal(err)
	}
	return regexp.MustCompile(`kube-api-access-\w+`).ReplaceAll(out, []byte("kube-api-access"))
}

// admissions is how often the injectors were asked, all together.
func admissions(b *bench) (sum float64) {
	b.Helper()
	var list corev1.PodList
	b.eventually("no injector is about to end", func() error {
		b.get(&list, "pods", "-n", own, "-l", "app.kubernetes.io/component=injector")
		for _, pod := range list.Items {
			if pod.DeletionTimestamp != nil {
				return errors.New(pod.Name)
			}
		}
		return nil
	})
	for _, pod := range list.Items {
		sum += injectorMetric(b, pod.Name, "taco_injector_admissions_total", "")
	}
	return sum
}
