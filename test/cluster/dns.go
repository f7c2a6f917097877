//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

const dnsImage = "cluster.test/coredns:1"

// startDNS runs CoreDNS in the cluster, as a pod like any other, and waits
// until it answers.
func (c cluster) startDNS(ctx context.Context) error {
	file := c.path("etc/coredns.yaml")
	if err := render(file, 0o644, "coredns.yaml", map[string]string{"DNSIP": dnsIP, "Image": dnsImage}); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"apply", "-f", file},
		{"rollout", "status", "deployment/coredns", "--namespace=kube-system", "--timeout=60s"},
	} {
		args = append([]string{"--kubeconfig", c.kubeconfig(), "--cache-dir", c.path("tmp/kubectl")}, args...)
		if out, err := exec.CommandContext(ctx, filepath.Join(c.Bin, "kubectl"), args...).CombinedOutput(); err != nil {
			return fmt.Errorf("start CoreDNS: kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
