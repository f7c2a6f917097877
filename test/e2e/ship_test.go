package e2e

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"logging.taco/test/backend"
)

// byLabel finds what the pods with the label app=app have written.
const byLabel = "kubernetes.labels.app:app"

// shipping are the annotations of a pod that ships to an output; "" is the
// profile's default.
func shipping(output backend.Kind, more ...string) map[string]string {
	all := map[string]string{"logging.taco/mode": "ship"}
	if output != "" {
		all["logging.taco/output"] = string(output)
	}
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

// unhurried is a writer whose documents a node takes however busy the machine is.
func unhurried(annotations map[string]string) writer {
	return writer{annotations: annotations, pause: "0.1", more: func(spec map[string]any) {
		spec["terminationGracePeriodSeconds"] = 120
	}}
}

// All that ships to Elasticsearch shares one node.
func TestShip(t *testing.T) {
	t.Parallel()
	node := startBackend(t, backend.Elasticsearch)
	for name, test := range map[string]func(*testing.T, *backend.Node){
		"document":      shipDocument,
		"plain":         shipPlain,
		"out of memory": shipOutOfMemory,
		"example":       shipExample,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, node)
		})
	}
}

// A document says which pod, node and container its line is from, and has the
// pod's labels as they are at the time. The pod is deleted while it writes: when
// it is gone all of it is there, each line once.
func shipDocument(t *testing.T, node *backend.Node) {
	b := newBench(t, "pod-security.kubernetes.io/enforce=restricted")
	w := unhurried(shipping("", "logging.taco/paths", "app:/logs/app.log", "example.test/team", "shop"))
	w.labels = map[string]string{"app.kubernetes.io/name": "shop", "release": "one"}
	more := w.more
	w.more = func(spec map[string]any) { // the one that writes is not the first
		more(spec)
		other := maps.Clone(spec["containers"].([]any)[0].(map[string]any))
		other["name"], other["command"] = "other", []any{"sh", "-c", "trap exit TERM; while true; do sleep 0.1; done"}
		spec["containers"] = append([]any{other}, spec["containers"].([]any)...)
	}
	b.apply(w.yaml("app"))
	b.waitFound(node, byLabel+" AND kubernetes.labels.release:one", 1)
	pod := b.pod("app")
	b.run("label", "pod", "app", "release=two", "--overwrite")
	b.waitFound(node, byLabel+" AND kubernetes.labels.release:two", 100)
	b.deletePod("app")

	found := b.found(node, byLabel)
	if err := w.check(texts(found)); err != nil {
		t.Error(err)
	}
	release := "one"
	for i, d := range found {
		k := d.Kubernetes
		if k.Labels["release"] == "two" {
			release = "two"
		}
		labels := map[string]string{"app": "app", "app_kubernetes_io/name": "shop", "release": release}
		annotations := map[string]string{"example_test/team": "shop"}
		if k.PodName != "app" || k.NamespaceName != b.namespace || k.PodID != string(pod.UID) || k.Host != pod.Spec.NodeName || k.ContainerName != "app" ||
			!maps.Equal(k.Labels, labels) || !maps.Equal(k.Annotations, annotations) {
			t.Fatalf("document %d of %d has %+v; the pod is %s on %s", i+1, len(found), k, pod.UID, pod.Spec.NodeName)
		}
		if d.Stream != "file" || d.LogFile.Path != "/logs/app.log" || d.Time == "" || d.Timestamp == "" {
			t.Fatalf("document %d of %d is %+v", i+1, len(found), d)
		}
	}
}

// A plain sidecar is told to end at the same time as the application, whose last
// lines arrive all the same.
func shipPlain(t *testing.T, node *backend.Node) {
	b := newBench(t)
	w := unhurried(shipping("", "logging.taco/native", "false"))
	b.apply(w.yaml("app"))
	b.waitFound(node, byLabel, 100)
	b.deletePod("app")
	if err := w.check(texts(b.found(node, byLabel))); err != nil {
		t.Error(err)
	}
}

// The kernel kills the sidecar for want of memory while it ships. What it sends
// again is not stored again.
func shipOutOfMemory(t *testing.T, node *backend.Node) {
	b := newBench(t)
	w := unhurried(shipping(""))
	b.apply(w.yaml("app"))
	b.waitFound(node, byLabel, 200)
	b.waitReady("app") // it has the container's name
	exhaust(t, b.pod("app").Status.InitContainerStatuses[0].ContainerID)
	b.eventually("the sidecar runs again", func() error {
		got := b.pod("app").Status.InitContainerStatuses[0]
		if got.RestartCount == 0 || got.State.Running == nil {
			return fmt.Errorf("%+v", got)
		}
		if was := got.LastTerminationState.Terminated; was == nil || was.Reason != "OOMKilled" {
			t.Fatalf("it was not killed for want of memory: %+v", got)
		}
		return nil
	})
	before := len(b.found(node, byLabel))
	b.waitFound(node, byLabel, before+100)
	b.deletePod("app")
	if err := w.check(texts(b.found(node, byLabel))); err != nil {
		t.Error(err)
	}
}

// exhaust has a process of this machine take all the memory that a container may
// have. The kernel then kills a process of the container, as Kubernetes wants it
// to, before that one.
func exhaust(t *testing.T, containerID string) {
	t.Helper()
	_, name, _ := strings.Cut(containerID, "://")
	var group string
	for _, root := range []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup"} { // version 1, 2
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == name {
				group = path
			}
			if group != "" {
				return fs.SkipAll
			}
			return nil
		})
	}
	if group == "" {
		t.Fatalf("there is no control group of the container %s", containerID)
	}
	// tail keeps the last line, and here the first one does not end.
	cmd := exec.CommandContext(interrupted, "sh", "-c", `echo $$ > "$0/cgroup.procs" && exec tail /dev/zero`, group)
	if out, err := cmd.CombinedOutput(); !strings.Contains(fmt.Sprint(err), "killed") {
		t.Fatalf("exhaust the memory of the container: %v: %s", err, out)
	}
}

// rotating writes lines with numbers, twenty files of fifty, of which the last
// four are still there at its end.
const rotating = `
trap 'exit' TERM
cd /logs
n=0
for file in $(seq 20); do
  for _ in $(seq 50); do
    n=$((n+1))
    echo "line $n."
  done > app.log
  rm -f app.log.3
  for old in 2 1; do
    [ ! -e app.log.$old ] || mv app.log.$old app.log.$((old+1))
  done
  [ $file = 20 ] || mv app.log app.log.1
  sleep 1
done
touch written
while true; do sleep 0.1; done
`

// A pod starts, writes, rotates and deletes while it reaches no backend. When it
// does, all of it arrives.
func TestShipLater(t *testing.T) {
	t.Parallel()
	if unreachable != "" {
		t.Skip(unreachable)
	}
	b := newBench(t)
	w := writer{annotations: shipping(backend.OpenSearch), more: func(spec map[string]any) {
		spec["containers"].([]any)[0].(map[string]any)["command"] = []any{"sh", "-c", rotating}
	}}
	b.apply(w.yaml("app"))
	node := backend.Start(t, backend.OpenSearch) // to which nothing leads yet
	b.waitReady("app")
	b.eventually("all is written", func() error {
		_, err := b.try("", "exec", "app", "-c", "app", "--", "test", "-e", "/logs/written")
		return err
	})
	b.says("app", `level=WARN msg="the backend does not answer; records wait in their files"`)

	reach(t, backend.OpenSearch, node)
	b.waitFound(node, byLabel, 1000)
	found := b.found(node, byLabel)
	inOrder(found)
	for i, d := range found {
		if d.Log != w.line(i+1) {
			t.Fatalf("line %d of %d is %q", i+1, len(found), d.Log)
		}
	}
	b.says("app", `level=INFO msg="shipping goes on"`)
}

// inOrder sorts documents of several files by the numbers at the ends of their
// lines.
func inOrder(found []document) {
	number := func(d document) (n int) {
		if m := regexp.MustCompile(`(\d+)\.?$`).FindStringSubmatch(d.Log); m != nil {
			n, _ = strconv.Atoi(m[1])
		}
		return n
	}
	slices.SortStableFunc(found, func(a, b document) int { return cmp.Compare(number(a), number(b)) })
}

// A pod starts without the Secret of its output, and says so. With the Secret
// all arrives; it is never said.
func TestShipSecret(t *testing.T) {
	t.Parallel()
	node := startBackend(t, backend.OpenSearchSecure)
	b := newBench(t, "pod-security.kubernetes.io/enforce=restricted")
	w := unhurried(shipping(backend.OpenSearchSecure))
	b.apply(w.yaml("app"))
	b.waitReady("app")
	b.says("app", "is the Secret there?")
	b.run("create", "secret", "generic", "opensearch", "--from-literal=username="+backend.Shipper.Name,
		"--from-literal=password="+backend.Shipper.Password, "--from-file=ca.crt="+node.CA())
	// The kubelet brings it within two minutes; at once, when it has to look at
	// the pod anyway.
	b.run("annotate", "pod", "app", "example.test/look=now")
	b.waitFound(node, byLabel, 100)
	said := b.deletePod("app")
	found := b.found(node, byLabel)
	if err := w.check(texts(found)); err != nil {
		t.Error(err)
	}
	if strings.Contains(said, backend.Shipper.Password) {
		t.Error("it says the password")
	}
}

// deletePod deletes a pod and waits until it is gone. It returns what the sidecar
// that ships has said.
func (b *bench) deletePod(name string) string {
	b.Helper()
	s := b.follow(name, "taco-ship")
	b.run("delete", "pod", name)
	all := s.all()
	said := strings.Join(append(all.messages, all.lines...), "\n")
	b.Cleanup(func() {
		if b.Failed() {
			b.Logf("the sidecar has said\n%s", said)
		}
	})
	return said
}

// says waits until the sidecar that ships has said something.
func (b *bench) says(pod, part string) {
	b.Helper()
	b.eventually("the sidecar says "+part, func() error {
		text, err := b.try("", "logs", pod, "-c", "taco-ship")
		if err == nil && !strings.Contains(text, part) {
			err = fmt.Errorf("it says %s", text)
		}
		return err
	})
}
