package main

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// state is the CAs as the Secret has them and as API servers trust them.
func (c *cluster) state(t *testing.T) (ca, bundle string) {
	t.Helper()
	s, err := c.admin.CoreV1().Secrets(own).Get(t.Context(), secret, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	w, err := c.admin.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), hooks, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s != nil {
		ca = string(s.Data["ca.crt"])
	}
	return ca, string(w.Webhooks[0].ClientConfig.CABundle)
}

func testReplicasAtOnce(t *testing.T, c *cluster) {
	if ca, bundle := c.state(t); ca != "" || bundle != "" {
		t.Fatal("there is a certificate before the first start")
	}
	var replicas []*replica
	for range 3 {
		replicas = append(replicas, c.start(t))
	}
	for _, r := range replicas {
		r.waitReady(t)
		if r.metric(t, "taco_injector_certificate_expiry_timestamp_seconds") == 0 {
			t.Error("no expiry in the metrics")
		}
	}
	ca, bundle := c.state(t)
	if strings.Count(ca, "BEGIN") != 1 || bundle != ca {
		t.Errorf("Secret and caBundle, of which each should be one CA and the same:\n%s\n%s", ca, bundle)
	}
	made := 0
	for _, r := range replicas {
		c.end(t, r)
		made += strings.Count(r.log.String(), "there is none yet")
		if strings.Contains(r.log.String(), "level=ERROR") {
			t.Error("to come second is no fault, yet it is logged as one")
		}
	}
	if made != 1 {
		t.Errorf("%d of the replicas made a CA", made)
	}
}

func testRestart(t *testing.T, c *cluster) {
	first := c.start(t)
	first.waitReady(t)
	ca, _ := c.state(t)
	c.end(t, first)
	c.start(t).waitReady(t)
	if again, bundle := c.state(t); again != ca || bundle != ca {
		t.Error("another CA")
	}
	if !c.injected(t) {
		t.Error("not injected after the restart")
	}
}

func testSecretDeleted(t *testing.T, c *cluster) {
	first, second := c.start(t), c.start(t)
	first.waitReady(t)
	second.waitReady(t)
	before, _ := c.state(t)
	if err := c.admin.CoreV1().Secrets(own).Delete(t.Context(), secret, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new CA is published, and the old one with it", func() bool {
		ca, bundle := c.state(t)
		return ca != "" && ca != before && bundle == ca && strings.HasSuffix(bundle, before)
	})
	if !c.injected(t) {
		t.Error("not injected while the replicas still serve the old certificate")
	}
	c.end(t, first)
	c.end(t, second)
	c.start(t).waitReady(t)
	if !c.injected(t) {
		t.Error("not injected by a replica with the new certificate")
	}
}

func testBundleWiped(t *testing.T, c *cluster) {
	r := c.start(t)
	r.waitReady(t)
	ca, _ := c.state(t)
	for name, patch := range map[string]string{
		"wiped":       `[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]`,
		"overwritten": `[{"op":"replace","path":"/webhooks/0/clientConfig/caBundle","value":"` + base64.StdEncoding.EncodeToString(selfSigned(t)["tls.crt"]) + `"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.admin.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(t.Context(), hooks, types.JSONPatchType, []byte(patch), metav1.PatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the caBundle is back", func() bool {
				again, bundle := c.state(t)
				return again == ca && bundle == ca
			})
			eventually(t, "pods are injected again", func() bool { return c.injected(t) })
		})
	}
}

func testAppliedAgain(t *testing.T, c *cluster) {
	c.start(t).waitReady(t)
	ca, _ := c.state(t)
	for _, args := range [][]string{
		{"apply", "-k", c.overlay},
		{"apply", "--server-side", "--force-conflicts", "-k", c.overlay},
	} {
		c.mustKubectl(t, "", args...)
		if again, bundle := c.state(t); again != ca || bundle != ca {
			t.Errorf("kubectl %v changed the certificate or the caBundle", args)
		}
	}
}

func testRights(t *testing.T, c *cluster) {
	allowed := func(verb, group, resource, namespace, name string) bool {
		t.Helper()
		review, err := c.admin.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User:   "system:serviceaccount:" + own + ":injector",
				Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + own, "system:authenticated"},
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Verb: verb, Group: group, Resource: resource, Namespace: namespace, Name: name,
				},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return review.Status.Allowed
	}
	const admission, configurations = "admissionregistration.k8s.io", "mutatingwebhookconfigurations"
	must := map[string]bool{}
	for _, verb := range []string{"get", "update", "watch"} {
		must[verb+" secrets "+own+" "+secret] = true
	}
	for _, name := range []string{secret, "other", ""} { // a create has no name when rights are looked up
		must["create secrets "+own+" "+name] = true
	}
	for _, verb := range []string{"get", "patch", "watch"} {
		must[verb+" "+configurations+"  "+hooks] = true
	}
	for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"} {
		for _, try := range []struct{ group, resource, namespace, name string }{
			{"", "secrets", own, secret},
			{"", "secrets", own, "other"},
			{"", "secrets", own, ""},
			{"", "secrets", shop, secret},
			{"", "secrets", "kube-system", ""},
			{"", "pods", own, ""},
			{"", "pods", shop, ""},
			{"", "configmaps", own, ""},
			{"", "namespaces", "", shop},
			{"apps", "deployments", own, "injector"},
			{"rbac.authorization.k8s.io", "roles", own, "injector"},
			{admission, configurations, "", hooks},
			{admission, configurations, "", "other"},
			{admission, configurations, "", ""},
			{admission, "validatingwebhookconfigurations", "", hooks},
		} {
			what := verb + " " + try.resource + " " + try.namespace + " " + try.name
			if got := allowed(verb, try.group, try.resource, try.namespace, try.name); got != must[what] {
				t.Errorf("%s: allowed %t, want %t", what, got, must[what])
			}
		}
	}
}

// Files are somebody else's: neither the Secret nor the caBundle is touched, nor
// the cluster needed.
func testFiles(t *testing.T, c *cluster) {
	ca, bundle := c.state(t)
	dir := t.TempDir()
	s, err := c.admin.CoreV1().Secrets(own).Get(t.Context(), secret, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	writeFiles(t, dir, s.Data)
	r := c.start(t, "--cert-dir", dir, "--kubeconfig", filepath.Join(dir, "none"))
	r.waitReady(t)
	if !c.injected(t) {
		t.Error("not injected")
	}
	if again, published := c.state(t); again != ca || published != bundle {
		t.Error("the Secret or the caBundle was touched")
	}
}
