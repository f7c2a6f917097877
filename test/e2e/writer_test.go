package e2e

import (
	"cmp"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// A writer is an application that numbers its lines, so that one that is
// missing, doubled or out of place is noticed.
type writer struct {
	annotations map[string]string // besides logging.taco/paths: /logs/app.log
	labels      map[string]string // besides app: NAME
	lines       int               // to write and then stay; 0: until it is told to end
	pad         int               // bytes more in every line
	pause       string            // seconds between ten lines; "" is a hundredth
	more        func(spec map[string]any)
}

// The last lines are written when the application is told to end.
const writerScript = `
stop=
trap stop=1 TERM
n=0
ten() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    n=$((n+1))
    echo "line $n$PAD."
  done >> /logs/app.log
}
while [ -z "$stop" ] && { [ $COUNT = 0 ] || [ $n -lt $COUNT ]; }; do
  ten
  sleep $PAUSE
done
[ $COUNT = 0 ] && for _ in 1 2 3 4 5 6 7 8 9 10; do ten; done
echo "end after $n" >> /logs/app.log
[ $COUNT = 0 ] && exit
while [ -z "$stop" ]; do sleep 0.1; done
`

func (w writer) line(n int) string { return fmt.Sprintf("line %d%s.", n, strings.Repeat("x", w.pad)) }

// check is nil when the lines are all that a writer has written, each once and
// in order.
func (w writer) check(o output) error {
	for i, line := range o.lines {
		if line == w.line(i+1) {
			continue
		}
		if line != fmt.Sprintf("end after %d", i) {
			return fmt.Errorf("line %d of %d is %.40q, after %.40q", i+1, len(o.lines), line, o.lines[max(0, i-1)])
		}
		if i != len(o.lines)-1 {
			return fmt.Errorf("%d lines after the last one, such as %.40q", len(o.lines)-1-i, o.lines[i+1])
		}
		return nil
	}
	return fmt.Errorf("%d lines and no last one", len(o.lines))
}

// template is a pod with the label app=NAME; it fulfils the restricted Pod
// Security Standard.
func (w writer) template(name string) map[string]any {
	annotations := map[string]any{"logging.taco/paths": "/logs/app.log"}
	for key, value := range w.annotations {
		annotations[key] = value
	}
	labels := map[string]any{"app": name}
	for key, value := range w.labels {
		labels[key] = value
	}
	spec := map[string]any{
		"securityContext": map[string]any{"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": map[string]any{"type": "RuntimeDefault"}},
		"containers": []any{map[string]any{
			"name":    "app",
			"image":   "busybox:1.37",
			"command": []any{"sh", "-c", writerScript},
			"env": []any{
				map[string]any{"name": "COUNT", "value": fmt.Sprint(w.lines)},
				map[string]any{"name": "PAD", "value": strings.Repeat("x", w.pad)},
				map[string]any{"name": "PAUSE", "value": cmp.Or(w.pause, "0.01")},
			},
			"securityContext": map[string]any{"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []any{"ALL"}}},
		}},
	}
	if w.more != nil {
		w.more(spec)
	}
	return map[string]any{
		"metadata": map[string]any{"labels": labels, "annotations": annotations},
		"spec":     spec,
	}
}

// yaml is a pod.
func (w writer) yaml(name string) string {
	pod := w.template(name)
	pod["apiVersion"], pod["kind"] = "v1", "Pod"
	pod["metadata"].(map[string]any)["name"] = name
	return text(pod)
}

// deployment is a Deployment of such pods.
func (w writer) deployment(name string, replicas int) string {
	return text(map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"replicas": replicas,
			"selector": map[string]any{"matchLabels": map[string]any{"app": name}},
			"template": w.template(name),
		},
	})
}

func text(object map[string]any) string {
	out, err := yaml.Marshal(object)
	if err != nil {
		panic(err) // of strings and numbers
	}
	return string(out)
}
