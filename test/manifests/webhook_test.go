package manifests

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// TestWebhookCostsNobody: what is installed as it stands refuses no pod for its own
// faults, keeps none waiting, and is not asked about those that it has no part in.
func TestWebhookCostsNobody(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top, "install.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c admissionv1.MutatingWebhookConfiguration
	for _, document := range regexp.MustCompile(`(?m)^---\n`).Split(string(text), -1) {
		if strings.Contains(document, "\nkind: MutatingWebhookConfiguration\n") {
			if err := yaml.UnmarshalStrict([]byte(document), &c); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(c.Webhooks) != 1 {
		t.Fatalf("%d webhooks", len(c.Webhooks))
	}
	w := c.Webhooks[0]
	if w.FailurePolicy == nil || *w.FailurePolicy != admissionv1.Ignore {
		t.Error("pods are refused while no injector is there")
	}
	if w.TimeoutSeconds == nil || *w.TimeoutSeconds > 5 {
		t.Error("a call may take longer than 5 s")
	}
	if len(w.Rules) != 1 || !slices.Equal(w.Rules[0].Resources, []string{"pods"}) || !slices.Equal(w.Rules[0].Operations, []admissionv1.OperationType{admissionv1.Create}) {
		t.Errorf("it is asked about more than new pods: %+v", w.Rules)
	}
	annotated := slices.IndexFunc(w.MatchConditions, func(m admissionv1.MatchCondition) bool {
		return strings.Contains(m.Expression, "object.metadata.annotations.exists(key, key.startsWith('logging.taco/'))")
	})
	if annotated < 0 {
		t.Errorf("it is asked about pods without an annotation: %+v", w.MatchConditions)
	}
	want := []metav1.LabelSelectorRequirement{
		{Key: "kubernetes.io/metadata.name", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"kube-system", own}},
		{Key: "logging.taco/injection", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"disabled"}},
	}
	have := w.NamespaceSelector.MatchExpressions
	if !slices.EqualFunc(have, want, func(a, b metav1.LabelSelectorRequirement) bool {
		return a.Key == b.Key && a.Operator == b.Operator && slices.Equal(a.Values, b.Values)
	}) {
		t.Errorf("the namespaces that are left alone are others: %+v", have)
	}
}
