package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"logging.taco/test/backend"
)

// What pods ship to: nodes of test/backend on this machine, each behind a
// Service of the cluster. The profile names the Services by their addresses, as
// there is no DNS in the cluster.

// unreachable says why pods cannot ship to this machine, if they cannot.
var unreachable string

// An output is one of the profile: its name, which is the kind of the backend
// too, and the port of its Service.
var outputs = []struct {
	kind backend.Kind
	port int
	yaml string // of the profile, without the address
}{
	{backend.Elasticsearch, 9201, ""},
	{backend.OpenSearch, 9202, ""},
	{backend.OpenSearchSecure, 9203, ", server-name: localhost, credentials: {secret: opensearch}"},
}

// backendNamespace has the Services.
const backendNamespace = "e2e-backends"

// setOutputs makes the Services and the profile.
func setOutputs() error {
	var objects, profile strings.Builder
	fmt.Fprintf(&objects, "{apiVersion: v1, kind: Namespace, metadata: {name: %s}}\n", backendNamespace)
	for _, o := range outputs {
		// Without a selector, a Service leads to what its EndpointSlice says: here
		// to the node, where the port leads to this machine.
		fmt.Fprintf(&objects, `---
{apiVersion: v1, kind: Service, metadata: {name: %[1]s, namespace: %[2]s}, spec: {ports: [{name: http, port: %[3]d}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s, namespace: %[2]s, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: http, port: %[3]d}]
endpoints: [{addresses: [10.244.0.1], conditions: {ready: true}}]
`, o.kind, backendNamespace, o.port)
	}
	kubectl := func(stdin string, args ...string) (string, error) {
		stdout, stderr, err := kubectlCommand(interrupted, stdin, args...)
		if err != nil {
			err = fmt.Errorf("set up the outputs: kubectl %s: %w: %s", strings.Join(args, " "), err, stderr)
		}
		return stdout, err
	}
	if _, err := kubectl(objects.String(), "apply", "-f", "-"); err != nil {
		return err
	}
	profile.WriteString("outputs:\n")
	for _, o := range outputs {
		address, err := kubectl("", "get", "service", "-n", backendNamespace, string(o.kind), "-o", "jsonpath={.spec.clusterIP}")
		if err != nil {
			return err
		}
		scheme := "http"
		if o.kind == backend.OpenSearchSecure {
			scheme = "https"
		}
		fmt.Fprintf(&profile, "  %s: {to: '%s://%s:%d'%s}\n", o.kind, scheme, address, o.port, o.yaml)
	}
	fmt.Fprintf(&profile, "default-output: %s\n", outputs[0].kind)
	profile.WriteString(quotaProfile)
	// Before the injectors, so that they begin with it.
	if _, err := kubectl("", "create", "namespace", own, "--save-config"); err != nil && !strings.Contains(err.Error(), "AlreadyExists") {
		return err
	}
	configMap, err := kubectl("", "create", "configmap", "-n", own, "profile", "--from-literal=profile.yaml="+profile.String(), "--dry-run=client", "-o", "yaml")
	if err == nil {
		_, err = kubectl(configMap, "apply", "-f", "-")
	}
	return err
}

// startBackend starts a node that pods reach by the output of its kind, until
// the test ends.
func startBackend(t *testing.T, kind backend.Kind) *backend.Node {
	t.Helper()
	if unusable != "" {
		t.Skip(unusable)
	}
	if unreachable != "" {
		t.Skip(unreachable)
	}
	node := backend.Start(t, kind)
	reach(t, kind, node)
	return node
}

// reach has the Service of that kind lead to a node, until the test ends.
func reach(t *testing.T, kind backend.Kind, node *backend.Node) {
	t.Helper()
	for _, o := range outputs {
		if o.kind == kind {
			_, address, _ := strings.Cut(node.URL(), "://")
			expose(t, fmt.Sprintf("%d=%s", o.port, address))
		}
	}
}

// expose runs `cluster expose` until the test ends.
func expose(t *testing.T, spec string) {
	t.Helper()
	cmd := exec.Command(clusterProgram, "expose", "--name", clusterName, spec)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	var said strings.Builder
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // it ends with the thread that started it
		if err := cmd.Start(); err != nil {
			ended <- err
			return
		}
		one := make([]byte, 1)
		for up := false; ; {
			if _, err := stderr.Read(one); err != nil {
				break
			}
			said.Write(one)
			if !up && strings.Contains(said.String(), "pods reach") {
				up = true
				close(ready)
			}
		}
		io.Copy(io.Discard, stderr)
		ended <- cmd.Wait()
	}()
	select {
	case <-ready:
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-ended
		})
	case err := <-ended:
		t.Fatalf("cluster expose %s: %v: %s", spec, err, said.String())
	}
}

// A document is what the tests look at of one.
type document struct {
	Log        string `json:"log"`
	Stream     string `json:"stream"`
	Time       string `json:"time"`
	Timestamp  string `json:"@timestamp"`
	Kubernetes struct {
		PodName       string            `json:"pod_name"`
		NamespaceName string            `json:"namespace_name"`
		PodID         string            `json:"pod_id"`
		Host          string            `json:"host"`
		ContainerName string            `json:"container_name"`
		Labels        map[string]string `json:"labels"`
		Annotations   map[string]string `json:"annotations"`
	} `json:"kubernetes"`
	LogFile struct {
		Path   string `json:"path"`
		Offset int64  `json:"offset"`
	} `json:"log_file"`
}

// typed is a query as one types it in Kibana, such as kubernetes.labels.app:orders,
// for the documents of the test's namespace.
func (b *bench) typed(query string) map[string]any {
	return map[string]any{"query_string": map[string]any{"query": fmt.Sprintf("kubernetes.namespace_name:%q AND (%s)", b.namespace, query)}}
}

// ask asks a node; its error has what the node said.
func ask(node *backend.Node, path string, body any) (backend.JSON, error) {
	status, answer, err := node.Do(interrupted, "POST", path, body)
	if err == nil && status != 200 {
		err = fmt.Errorf("status %d: %v", status, answer)
	}
	if err != nil {
		err = fmt.Errorf("ask for %s: %w", path, err)
	}
	return answer, err
}

// waitFound waits until a search finds so many documents. A node makes new ones
// visible once a second by itself; to hurry it keeps it from its work.
func (b *bench) waitFound(node *backend.Node, query string, n int) {
	b.Helper()
	b.eventually(fmt.Sprintf("%d documents by the search %s", n, query), func() error {
		answer, err := ask(node, "/logstash-*/_count", map[string]any{"query": b.typed(query)})
		if count, _ := answer["count"].(float64); err == nil && int(count) < n {
			err = fmt.Errorf("only %v", count)
		}
		return err
	})
}

// found are all documents by a search, in the order of their offsets.
func (b *bench) found(node *backend.Node, query string) (all []document) {
	b.Helper()
	_, err := ask(node, "/logstash-*/_refresh", nil)
	if err != nil {
		b.Fatal(err)
	}
	path := "/logstash-*/_search?scroll=5m"
	var body any = map[string]any{
		"query": b.typed(query),
		"sort":  []any{map[string]any{"log_file.offset": map[string]any{"unmapped_type": "long"}}},
		"size":  5000,
	}
	for {
		answer, err := ask(node, path, body)
		if err != nil {
			b.Fatal(err)
		}
		text, err := json.Marshal(answer.At("hits", "hits"))
		var hits []struct {
			Source document `json:"_source"`
		}
		if err == nil {
			err = json.Unmarshal(text, &hits)
		}
		if err != nil {
			b.Fatalf("read the documents: %v: %.300s", err, text)
		}
		if len(hits) == 0 {
			return all
		}
		for _, hit := range hits {
			all = append(all, hit.Source)
		}
		path, body = "/_search/scroll", map[string]any{"scroll": "5m", "scroll_id": answer["_scroll_id"]}
	}
}

// texts are the lines of the documents.
func texts(found []document) (o output) {
	for _, d := range found {
		o.lines = append(o.lines, d.Log)
	}
	return o
}
