package e2e

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// A pod is deleted while it writes. What the application writes when it is told
// to end arrives too: the log is followed to its end and compared. For a plain
// sidecar that is harder, as it is told to end at the same time.
func TestDeletedWhileWriting(t *testing.T) {
	t.Parallel()
	for _, native := range []string{"true", "false"} {
		t.Run("native="+native, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			w := writer{annotations: map[string]string{"logging.taco/native": native}}
			b.apply(w.yaml("app"))
			b.waitReady("app")
			if pod := b.pod("app"); (len(pod.Spec.InitContainers) == 1) != (native == "true") || len(pod.Spec.Containers)+len(pod.Spec.InitContainers) != 2 {
				t.Errorf("containers %v, init containers %v", names(pod.Spec.Containers), names(pod.Spec.InitContainers))
			}
			s := b.follow("app", "taco-logs")
			s.waitLines(300)
			b.run("delete", "pod", "app", "--wait=false")
			got := s.all()
			if err := w.check(got); err != nil {
				t.Error(err)
			}
			if len(got.lines) < 400 {
				t.Errorf("only %d lines", len(got.lines))
			}
		})
	}
}

// The pods of a Deployment are replaced while they write: all lines of the old
// ones arrive, and the new ones get sidecars as well.
func TestRollout(t *testing.T) {
	t.Parallel()
	b := newBench(t, "pod-security.kubernetes.io/enforce=restricted")
	var w writer
	b.apply(w.deployment("app", 2))
	b.run("rollout", "status", "deployment/app", "--timeout", patience.String())
	old := map[string]*stream{}
	for _, pod := range b.pods("app") {
		old[pod.Name] = b.follow(pod.Name, "taco-logs")
	}
	for _, s := range old {
		s.waitLines(100)
	}
	b.run("rollout", "restart", "deployment/app")
	b.run("rollout", "status", "deployment/app", "--timeout", patience.String())
	for pod, s := range old {
		if err := w.check(s.all()); err != nil {
			t.Errorf("the old pod %s: %v", pod, err)
		}
	}
	running := 0
	for _, pod := range b.pods("app") {
		if old[pod.Name] != nil {
			continue
		}
		running++
		b.follow(pod.Name, "taco-logs").waitLines(100)
	}
	if len(old) != 2 || running != 2 {
		t.Errorf("%d old pods, %d new ones", len(old), running)
	}
}

// The sidecar is killed while the application writes. It goes on where it was:
// no line is missing, and at most one write comes twice.
func TestSidecarKilled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const oneWrite = 256 << 10
	// Enough that reading all again would be noticed.
	w := writer{lines: 3000, pad: 1000, more: func(spec map[string]any) {
		spec["shareProcessNamespace"] = true // so that the application can kill the sidecar
	}}
	b.apply(w.yaml("app"))
	b.waitReady("app")
	b.follow("app", "taco-logs").waitLines(1000)
	b.run("exec", "app", "-c", "app", "--", "sh", "-c", "kill -9 $(pidof sidecar)")
	b.eventually("the sidecar runs again", func() error {
		pod := b.pod("app")
		for _, c := range pod.Status.InitContainerStatuses {
			if c.RestartCount == 1 && c.State.Running != nil {
				return nil
			}
		}
		return fmt.Errorf("%+v", pod.Status.InitContainerStatuses)
	})

	before, err := b.logs("app", "taco-logs", "--previous")
	if err != nil {
		t.Fatal(err)
	}
	var after output
	b.eventually("the last line", func() error {
		if after, err = b.logs("app", "taco-logs"); err != nil {
			return err
		}
		if n := len(after.lines); n == 0 || after.lines[n-1] != fmt.Sprintf("end after %d", w.lines) {
			return fmt.Errorf("%d lines", n)
		}
		return nil
	})
	// A line in which the sidecar was killed comes again, as a whole.
	if n := len(before.lines); n > 0 && before.lines[n-1] != w.line(n) {
		before.lines = before.lines[:n-1]
	}
	for i, line := range before.lines {
		if line != w.line(i+1) {
			t.Fatalf("line %d before the kill is %.40q", i+1, line)
		}
	}
	first := 0
	if m := regexp.MustCompile(`^line (\d+)x`).FindStringSubmatch(after.lines[0]); m != nil {
		first, _ = strconv.Atoi(m[1])
	}
	twice := len(before.lines) - (first - 1)
	t.Logf("%d lines before, from line %d after: %d twice", len(before.lines), first, twice)
	if twice < 0 {
		t.Errorf("after line %d comes line %d", len(before.lines), first)
	}
	if twice*len(w.line(1000)) > oneWrite {
		t.Errorf("%d lines came twice, which is more than one write", twice)
	}
	if len(before.lines) < 1000 || len(before.lines) >= w.lines {
		t.Errorf("%d lines before the kill; it was not while it wrote", len(before.lines))
	}
	for i, line := range after.lines[:len(after.lines)-1] {
		if line != w.line(first+i) {
			t.Fatalf("line %d after the kill is %.40q", first+i, line)
		}
	}
	if len(after.lines)-1 != w.lines-(first-1) {
		t.Errorf("%d lines after the kill, from line %d", len(after.lines)-1, first)
	}
}

// A file that the sidecar may not read: it says so once, and reads it from its
// start as soon as it can.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.apply(`
apiVersion: v1
kind: Pod
metadata:
  name: app
  annotations:
    logging.taco/paths: /logs/app.log
    logging.taco/run-as-user: "2000"
spec:
  containers:
  - name: app
    image: busybox:1.37
    command: [sh, -c, "umask 077; trap exit TERM; while true; do i=$((i+1)); echo line $i. >> /logs/app.log; sleep 0.1; done"]
    securityContext: {runAsUser: 1000}
`)
	b.waitReady("app")
	b.eventually("a warning", func() error {
		got, err := b.logs("app", "taco-logs")
		if err == nil && !warned(got) {
			err = fmt.Errorf("%q", got)
		}
		return err
	})
	// Time in which it could say it again and again.
	b.eventually("twenty lines more", func() error {
		_, err := b.try("", "exec", "app", "--", "sh", "-c", "[ $(wc -l < /logs/app.log) -ge 30 ]")
		return err
	})
	if n := b.metric("app", 20464, "taco_read_errors_total", ""); n == 0 {
		t.Error("no metric tells of it")
	}
	got, err := b.logs("app", "taco-logs")
	if err != nil || len(got.lines) > 0 || !warned(got) {
		t.Errorf("before it is readable: %v %q", err, got)
	}
	b.run("exec", "app", "--", "chmod", "a+r", "/logs/app.log")
	b.eventually("its lines", func() error {
		got, err = b.logs("app", "taco-logs")
		if err == nil && len(got.lines) < 30 {
			err = fmt.Errorf("%d lines", len(got.lines))
		}
		return err
	})
	for i, line := range got.lines {
		if want := fmt.Sprintf("line %d.", i+1); line != want {
			t.Fatalf("line %d is %q", i+1, line)
		}
	}
	if !warned(got) {
		t.Errorf("messages: %q", got.messages)
	}
}

// warned says whether there is one warning, about a file that cannot be read.
func warned(o output) bool {
	found := 0
	for _, message := range o.messages {
		if regexp.MustCompile(`level=(WARN|ERROR)`).MatchString(message) {
			found++
			if !regexp.MustCompile(`/logs/app\.log.*permission denied`).MatchString(message) {
				return false
			}
		}
	}
	return found == 1
}

func names(containers []corev1.Container) (names []string) {
	for _, c := range containers {
		names = append(names, c.Name)
	}
	return names
}
