package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// manifests are n Deployments as people write them, in one stream.
func manifests(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `---
# workload %[1]d
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-%[1]d
  labels: {app: web}
spec:
  replicas: 3
  selector:
    matchLabels: {app: web-%[1]d}
  template:
    metadata:
      labels: {app: web-%[1]d}
      annotations:
        logging.taco/paths: |
          /var/log/app/*.log
          /var/log/1.log
    spec:
      containers:
      - name: app # the main one
        image: registry.example/web:1
        env:
        - name: A
          value: b
        resources:
          requests: {cpu: 100m, memory: 128Mi}
          limits: {memory: 256Mi}
        volumeMounts:
        - name: cache
          mountPath: /cache
      volumes:
      - name: cache
        emptyDir: {}
`, i)
	}
	return b.String()
}

// listed are the same in one List, as kubectl get -o yaml prints it.
func listed(n int) string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: List\nitems:\n")
	for i, d := range strings.Split(manifests(n), "---\n")[1:] {
		lines := strings.Split(strings.TrimSuffix(d, "\n"), "\n")
		fmt.Fprintf(&b, "- # item %d\n  %s\n", i, strings.Join(lines, "\n  "))
	}
	return b.String()
}

// BenchmarkInject is `injector inject` over 1000 manifests.
func BenchmarkInject(b *testing.B) {
	for name, text := range map[string]string{"documents": manifests(1000), "list": listed(1000)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				o := offline{in: strings.NewReader(text), out: io.Discard, err: io.Discard}
				if status := o.inject([]string{"-f", "-"}); status != 0 {
					b.Fatal("status", status)
				}
			}
		})
	}
}
