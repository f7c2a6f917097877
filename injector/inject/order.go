package inject

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
)

// A native sidecar that streams comes first of all, to see the files of init
// containers too, and is stopped last. One that ships needs the network to the
// end. In a mesh that is its proxy's, so there it starts after the proxy, and is
// stopped before it.

// meshProxies are the containers that meshes route a pod's traffic through:
// Istio's, Linkerd's, Kuma's, Consul's.
var meshProxies = []string{"istio-proxy", "linkerd-proxy", "kuma-sidecar", "consul-dataplane"}

// afterProxy is the place among the init containers of sidecars that ship, and
// the name of the proxy that is right before it, if one is.
func (w *work) afterProxy() (index int, proxy string) {
	for i, c := range w.base.Spec.InitContainers {
		if isNative(&c) && slices.Contains(meshProxies, c.Name) {
			index, proxy = i+1, c.Name
		}
	}
	return index, proxy
}

func isNative(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// warnProxy says where a mesh's proxy is gone before the last lines are.
func (w *work) warnProxy() {
	if !w.ships() || !w.native {
		return
	}
	for _, c := range w.base.Spec.Containers {
		if slices.Contains(meshProxies, c.Name) {
			w.r.add(Warning, ProxyEndsFirst, annotation.Mode, c.Name,
				"this mesh's proxy is a plain container and ends before the sidecar, which then cannot deliver the last lines; make it a native sidecar, or keep the backend's port out of the mesh")
		}
	}
}
