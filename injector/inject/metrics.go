package inject

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
)

// portName begins the names of the ports by which Prometheus finds the metrics.
const portName = namePrefix + "metrics"

// metrics gives each sidecar a port for its metrics: from the one that is asked
// for upwards, but for those that the pod's containers say they listen on. On the
// node's network ports are everybody's, so there one has to be asked for.
func (w *work) metrics() {
	port := w.profile.MetricsPort
	if w.req.MetricsPort != nil {
		port = *w.req.MetricsPort
	} else if w.base.Spec.HostNetwork && port > 0 {
		w.r.add(Info, NoMetrics, annotation.MetricsPort, "", "the pod is on the node's network, where ports are everybody's; without this annotation the sidecar serves no metrics")
		return
	}
	if port == 0 {
		return
	}
	taken := map[int32]bool{}
	for _, c := range slices.Concat(w.base.Spec.InitContainers, w.base.Spec.Containers) {
		for _, p := range c.Ports {
			taken[p.ContainerPort] = true
		}
	}
	for i, g := range w.groups {
		for taken[port] {
			port++
		}
		if port > math.MaxUint16 {
			w.r.add(Info, NoMetrics, annotation.MetricsPort, "", "there is no port left for %s, as each sidecar has the next one; it serves no metrics", g.name)
			return
		}
		g.metrics, g.metricsName = port, numberedPort(i+1)
		port++
	}
}

// numberedPort is the name of the n-th sidecar's port. It has at most 15 characters,
// so the hundredth has no room for a dash.
func numberedPort(n int) string {
	switch {
	case n == 1:
		return portName
	case n < 100:
		return portName + "-" + strconv.Itoa(n)
	}
	return portName + strconv.Itoa(n)
}

// ports of the group's sidecar.
func (w *work) ports(g *group) []corev1.ContainerPort {
	if g.metrics == 0 {
		return nil
	}
	p := corev1.ContainerPort{Name: g.metricsName, ContainerPort: g.metrics, Protocol: corev1.ProtocolTCP}
	if w.base.Spec.HostNetwork {
		p.HostPort = p.ContainerPort // or else the API server writes it
	}
	return []corev1.ContainerPort{p}
}

// metricsAddress is the address in the sidecar's config; empty: none.
func (g *group) metricsAddress() string {
	if g.metrics == 0 {
		return ""
	}
	return fmt.Sprintf(":%d", g.metrics)
}
