package manifests

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// A cluster is a real API server with etcd, without nodes and controllers, which
// knows the kinds of cert-manager and of Prometheus' operator too.
type cluster struct {
	kubectl, helm command
	admin         *kubernetes.Clientset
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	dir, helm := assets(t), helmProgram(t)
	environment := &envtest.Environment{
		BinaryAssetsDirectory:    dir,
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
		CRDInstallOptions:        envtest.CRDInstallOptions{Paths: kinds(t), ErrorIfPathMissing: true},
	}
	// Its processes have a process group of their own, which ^C does not reach.
	interrupted, ignore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	stop := sync.OnceValue(environment.Stop)
	context.AfterFunc(interrupted, func() {
		if t.Context().Err() == nil {
			_ = stop()
			os.Exit(1)
		}
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stop the API server: %v", err)
		}
		ignore()
	})
	config, err := environment.Start()
	if err != nil {
		t.Fatalf("start an API server: %v", err)
	}
	config.QPS = -1 // the tests are in a hurry
	admin, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "admin")
	if err := os.WriteFile(kubeconfig, environment.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	return &cluster{
		kubectl: command{path: filepath.Join(dir, "kubectl"), args: []string{"--kubeconfig", kubeconfig}, home: home},
		helm:    command{path: helm, args: []string{"--kubeconfig", kubeconfig}, home: home},
		admin:   admin,
	}
}

// kinds are the files with the definitions of others' kinds, as their authors
// publish them.
func kinds(t *testing.T) (files []string) {
	t.Helper()
	for module, names := range map[string][]string{
		"github.com/cert-manager/cert-manager": {
			"deploy/crds/cert-manager.io_certificates.yaml", "deploy/crds/cert-manager.io_issuers.yaml",
		},
		"github.com/prometheus-operator/prometheus-operator": {
			"example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
			"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
		},
	} {
		download := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
		download.Dir = "crds"
		download.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
		out, err := download.Output()
		var found struct{ Dir, Error string }
		if e := json.Unmarshal(out, &found); err != nil || e != nil || found.Dir == "" {
			t.Fatalf("download %s, for its kinds: %v %s", module, err, found.Error)
		}
		for _, name := range names {
			files = append(files, filepath.Join(found.Dir, name))
		}
	}
	return files
}

// webhook is our only one.
func (c *cluster) webhook(t *testing.T) admissionv1.MutatingWebhook {
	t.Helper()
	configuration, err := c.admin.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), "logging-taco", metav1.GetOptions{})
	if err != nil || len(configuration.Webhooks) != 1 {
		t.Fatalf("the webhook configuration: %v %+v", err, configuration)
	}
	return configuration.Webhooks[0]
}

// publish does what a self-managing injector does to the webhook configuration.
func (c *cluster) publish(t *testing.T, bundle []byte) {
	t.Helper()
	patch := fmt.Sprintf(`{"webhooks": [{"name": "pods.logging.taco", "clientConfig": {"caBundle": %q}}]}`, base64.StdEncoding.EncodeToString(bundle))
	_, err := c.admin.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(t.Context(), "logging-taco",
		types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "injector"})
	if err != nil {
		t.Fatal(err)
	}
}

// rights are what an injector that keeps its own certificate may do, and an
// injector that is given one may not.
var rights = []authorizationv1.ResourceAttributes{
	{Verb: "get", Resource: "secrets", Name: "injector-certificate"},
	{Verb: "update", Resource: "secrets", Name: "injector-certificate"},
	{Verb: "create", Resource: "secrets"},
	{Verb: "patch", Group: "admissionregistration.k8s.io", Resource: "mutatingwebhookconfigurations", Name: "logging-taco"},
}

// checkRights asks the API server what the injector may do: rights or not, the
// cluster's version always, and no other Secret.
func (c *cluster) checkRights(t *testing.T, namespace string, has bool) {
	t.Helper()
	may := func(spec authorizationv1.SubjectAccessReviewSpec) bool {
		spec.User, spec.Groups = "system:serviceaccount:"+namespace+":injector", []string{"system:serviceaccounts", "system:authenticated"}
		review, err := c.admin.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return review.Status.Allowed
	}
	for _, right := range rights {
		right.Namespace = namespace
		if may(authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &right}) != has {
			t.Errorf("can the injector %s %s? It should be %v", right.Verb, right.Resource, has)
		}
	}
	if may(authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets", Namespace: namespace, Name: "other"}}) {
		t.Error("the injector can read any Secret")
	}
	if !may(authorizationv1.SubjectAccessReviewSpec{NonResourceAttributes: &authorizationv1.NonResourceAttributes{Verb: "get", Path: "/version"}}) {
		t.Error("the injector cannot ask for the cluster's version")
	}
}

// checkPod has the API server look at a pod of the Deployment, as its ReplicaSet
// would make it: the namespace enforces the restricted Pod Security Standard.
func (c *cluster) checkPod(t *testing.T, namespace string) {
	t.Helper()
	deployment, err := c.admin.AppsV1().Deployments(namespace).Get(t.Context(), "injector", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: deployment.Spec.Template.ObjectMeta, Spec: deployment.Spec.Template.Spec}
	pod.GenerateName = "injector-"
	if _, err := c.admin.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Errorf("a pod of the Deployment is refused: %v", err)
	}
}
