package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// A cluster is a real API server with etcd, without nodes, and our manifests
// applied to it by kubectl. Their webhook is called by URL at front, as there is
// nobody to make a Service work.
type cluster struct {
	admin      *kubernetes.Clientset
	config     *rest.Config // the administrator's
	kubeconfig string       // the same, for kubectl
	injector   string       // kubeconfig with the token of the manifests' ServiceAccount
	overlay    string       // kustomization: the manifests and the URL
	front      *front
	warnings   *warnings // what the API server warned the administrator of
}

const (
	own    = "logging-taco"         // the injector's namespace
	secret = "injector-certificate" // in it
	hooks  = "logging-taco"         // the MutatingWebhookConfiguration
	shop   = "shop"                 // a namespace with pods
)

// assets is the folder with kube-apiserver, etcd and kubectl.
func assets(t *testing.T) string {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	for _, program := range []string{"kube-apiserver", "etcd", "kubectl"} {
		if _, err := os.Stat(filepath.Join(dir, program)); dir != "" && err == nil {
			continue
		}
		const message = "no kube-apiserver, etcd and kubectl in $KUBEBUILDER_ASSETS; run `make test`, " +
			"or KUBEBUILDER_ASSETS=$(bin/cluster build) go test ./injector"
		if os.Getenv("CI") == "true" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	return dir
}

// newCluster starts the API server and installs us.
func newCluster(t *testing.T) *cluster {
	dir := assets(t)
	environment := &envtest.Environment{
		BinaryAssetsDirectory:    dir,
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	config, err := environment.Start()
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stop the API server: %v", err)
		}
	})
	if err != nil {
		t.Fatalf("start an API server: %v", err)
	}
	c := &cluster{config: config, front: newFront(t), warnings: &warnings{}}
	config.WarningHandler = c.warnings
	config.QPS = -1 // the tests are in a hurry
	if c.admin, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	c.kubeconfig = filepath.Join(t.TempDir(), "admin")
	if err := os.WriteFile(c.kubeconfig, environment.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	// kustomize wants relative paths, and no symbolic links on the way.
	overlay, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("../manifests")
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := filepath.Rel(overlay, here)
	if err != nil {
		t.Fatal(err)
	}
	c.overlay = overlay
	kustomization := fmt.Sprintf(`
resources: [%q]
patches:
- target: {kind: MutatingWebhookConfiguration}
  patch: |
    - {op: remove, path: /webhooks/0/clientConfig/service}
    - {op: add, path: /webhooks/0/clientConfig/url, value: "https://%s/mutate"}
`, manifests, c.front.address)
	if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte(kustomization), 0o600); err != nil {
		t.Fatal(err)
	}
	c.mustKubectl(t, "", "apply", "-k", overlay)
	c.mustKubectl(t, "", "create", "namespace", shop)

	token, err := c.admin.CoreV1().ServiceAccounts(own).CreateToken(t.Context(), "injector", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.injector = filepath.Join(t.TempDir(), "injector")
	err = clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: "https://" + hostOf(config), CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"i": {Token: token.Status.Token}},
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "c", AuthInfo: "i"}},
		CurrentContext: "x",
	}, c.injector)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func hostOf(config *rest.Config) string {
	return regexp.MustCompile(`^https?://`).ReplaceAllString(config.Host, "")
}

// kubectl runs kubectl as the administrator, with input on its standard input.
func (c *cluster) kubectl(t *testing.T, input string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(assets(t), "kubectl"), append([]string{"--kubeconfig", c.kubeconfig}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir()) // its discovery cache
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewBufferString(input), &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func (c *cluster) mustKubectl(t *testing.T, input string, args ...string) string {
	t.Helper()
	stdout, stderr, err := c.kubectl(t, input, args...)
	if err != nil {
		t.Fatalf("kubectl %v: %v: %s", args, err, stderr)
	}
	return stdout
}

// pod creates an annotated pod and returns it as stored.
func (c *cluster) pod(ctx context.Context, name string, annotations map[string]string) (*corev1.Pod, error) {
	return c.admin.CoreV1().Pods(shop).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: name, Annotations: annotations},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
	}, metav1.CreateOptions{})
}

var paths = map[string]string{"logging.taco/paths": "/var/log/app/*.log"}

// injected creates an annotated pod and says whether it got its sidecar.
func (c *cluster) injected(t *testing.T) bool {
	t.Helper()
	pod, err := c.pod(t.Context(), "injected-", paths)
	if err != nil {
		t.Fatal(err)
	}
	return hasSidecar(pod)
}

func hasSidecar(pod *corev1.Pod) bool {
	return len(pod.Spec.InitContainers) == 1 && pod.Spec.InitContainers[0].Name == "taco-logs"
}

// A replica is an injector: the whole command, without its process.
type replica struct {
	port, health, metrics int
	listed                atomic.Bool        // the Service calls it
	stop                  context.CancelFunc // SIGTERM
	ended                 chan struct{}
	err                   error // of the end
	log                   *bytes.Buffer
}

// start starts a replica as the manifests' ServiceAccount; it ends with the test.
func (c *cluster) start(t *testing.T, more ...string) *replica {
	t.Helper()
	r := &replica{port: freePort(t), health: freePort(t), metrics: freePort(t), ended: make(chan struct{}), log: &bytes.Buffer{}}
	args := append([]string{
		"--kubeconfig", c.injector, "--certificate-names", "127.0.0.1", "--address", "127.0.0.1", "--port", strconv.Itoa(r.port),
		"--health", address(r.health), "--metrics", address(r.metrics), "--shutdown-delay", "0s",
	}, more...)
	var errs bytes.Buffer
	o, _ := parseServe(args, &errs)
	if o == nil {
		t.Fatalf("flags: %s", &errs)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	log := &locked{w: r.log}
	go func() {
		defer close(r.ended)
		r.err = o.run(ctx, slog.New(slog.NewTextHandler(log, nil)))
	}()
	c.front.add(r)
	t.Cleanup(func() {
		c.end(t, r)
		if t.Failed() {
			log.mu.Lock()
			defer log.mu.Unlock()
			t.Logf("log of the replica on port %d:\n%s", r.port, r.log)
		}
	})
	return r
}

// end is SIGTERM and its wait.
func (c *cluster) end(t *testing.T, r *replica) {
	t.Helper()
	r.stop()
	select {
	case <-r.ended:
	case <-time.After(30 * time.Second):
		t.Fatal("a replica does not end")
	}
	c.front.remove(r)
	if r.err != nil {
		t.Errorf("a replica ended with %v", r.err)
	}
}

func (r *replica) ready() bool {
	answer, err := http.Get("http://" + address(r.health) + "/readyz")
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func (r *replica) waitReady(t *testing.T) {
	t.Helper()
	eventually(t, "a replica is ready, and called", r.listed.Load)
}

// metric is the sum of a metric over its labels.
func (r *replica) metric(t *testing.T, name string) (sum float64) {
	t.Helper()
	answer, err := http.Get("http://" + address(r.metrics) + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^`+name+`(?:\{[^}]*\})? (.*)$`).FindAllSubmatch(text, -1)
	if found == nil {
		t.Fatalf("no metric %s", name)
	}
	for _, m := range found {
		value, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += value
	}
	return sum
}

// front stands for the Service: it forwards connections to replicas that were
// ready when it last asked. As with a real one, a replica that has become unready
// gets new connections for a while.
type front struct {
	address  string
	mu       sync.Mutex
	replicas []*replica
}

// propagation is how long it takes until a change of readiness is known.
const propagation = 300 * time.Millisecond

func newFront(t *testing.T) *front {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	f := &front{address: listener.Addr().String()}
	go func() {
		for t.Context().Err() == nil {
			for _, r := range f.all() {
				r.listed.Store(r.ready())
			}
			time.Sleep(propagation)
		}
	}()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go f.forward(client)
		}
	}()
	return f
}

func (f *front) forward(client net.Conn) {
	defer client.Close()
	replicas := slices.DeleteFunc(f.all(), func(r *replica) bool { return !r.listed.Load() })
	if len(replicas) == 0 {
		return
	}
	chosen := replicas[rand.IntN(len(replicas))]
	server, err := net.Dial("tcp", address(chosen.port))
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, server)
}

func (f *front) all() []*replica {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.replicas)
}

func (f *front) add(r *replica) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replicas = append(f.replicas, r)
}

func (f *front) remove(r *replica) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replicas = slices.DeleteFunc(f.replicas, func(have *replica) bool { return have == r })
}

// warnings collects what the API server warns of.
type warnings struct {
	mu   sync.Mutex
	text []string
}

func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, text)
}

func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := w.text
	w.text = nil
	return text
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := portsFrom + int(nextPort.Add(1)%portsCount)
		listener, err := net.Listen("tcp", address(port))
		if err == nil {
			listener.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// Ports for servers are taken in turn, and from below those that the kernel
// gives to outgoing connections: such a connection, of any program, would
// otherwise take one between its choice and its use.
const (
	portsFrom  = 20000
	portsCount = 12000
)

var nextPort atomic.Uint32

func init() { nextPort.Store(uint32(os.Getpid() * 101)) }
