package inject

import (
	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
)

// What is too large would be refused further on, in words that name nobody: by
// the API server, or by the kernel when the sidecar is to start.
const (
	maxConfig      = 120 << 10 // of a sidecar; Linux takes variables of less than 128 KiB
	maxConfigs     = 256 << 10 // of all sidecars; a pod has to fit into 1.5 MiB with its managed fields
	maxAnnotations = 256 << 10 // of a pod, keys and values
)

// checkConfigs denies a pod whose sidecars would have too much to read.
func (w *work) checkConfigs() {
	key := annotation.Config
	if _, ok := w.base.Annotations[key]; !ok {
		key = annotation.Paths
	}
	deny := func(format string, args ...any) {
		w.r.add(Denied, TooLarge, key, w.base.Annotations[key], format+"; use globs, and write no long expressions for many files", args...)
	}
	all := 0
	for _, g := range w.groups {
		if all += len(g.config); len(g.config) > maxConfig {
			deny("would make a config of %d KiB for the sidecar %s, which could not be started with it", len(g.config)>>10, g.name)
			return
		}
	}
	if all > maxConfigs {
		deny("would make configs of %d KiB for %d sidecars, and a pod has to stay small", all>>10, len(w.groups))
	}
}

// checkAnnotations denies a pod whose annotations leave no room for the status.
func (w *work) checkAnnotations(pod *corev1.Pod) {
	n := 0
	for key, value := range pod.Annotations {
		n += len(key) + len(value)
	}
	if n > maxAnnotations {
		w.r.add(Denied, TooLarge, annotation.Status, "",
			"the pod's annotations would have %d KiB with this one of %d KiB, and Kubernetes takes %d; use globs, or shorten other annotations",
			n>>10, len(pod.Annotations[annotation.Status])>>10, maxAnnotations>>10)
	}
}
