package inject_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"logging.taco/injector/inject"
	"logging.taco/injector/profile"
)

// A pod may have 100 sidecars, and an API server takes names of ports with at most
// 15 characters.
func TestPortNames(t *testing.T) {
	var paths []string
	for i := range 100 {
		paths = append(paths, fmt.Sprintf("/srv/app/%d.log", i))
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
			"logging.taco/paths": strings.Join(paths, ","),
			"logging.taco/split": "true",
		}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}},
	}
	after, report := inject.Inject(pod, "default", profile.Default())
	names := map[string]bool{}
	for _, c := range after.Spec.InitContainers {
		for _, p := range c.Ports {
			names[p.Name] = true
			if faults := validation.IsValidPortName(p.Name); len(faults) > 0 || !strings.HasPrefix(p.Name, "taco-metrics") {
				t.Errorf("port %q of %s: %v", p.Name, c.Name, faults)
			}
		}
	}
	if len(names) != len(paths) {
		t.Errorf("%d names of ports: %s", len(names), report.Message())
	}
}
