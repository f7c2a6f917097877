// Package inject is the injector's heart: one pure function from a pod and the
// administrator's profile to the pod with its sidecar and a report. The webhook,
// the offline commands and the tests all call it; it reads no clock, no network
// and no file, and never changes what it is given.
//
//	after, report := inject.Inject(pod, namespace, profile.Default())
//	if report.Denied() { … report.Message() … }
//	patch, err := inject.Patch(pod, after)
//
// What it adds: a native sidecar (or plain container) for the files that the
// annotations name, an emptyDir where the writing container has no volume there,
// a small volume for the sidecar's checkpoints, and a status annotation that
// lists all of it. Everything has a name that begins with taco-, so that Uninject
// finds it again and gives the original back. Injecting an injected pod first
// takes out and then puts in, and so changes nothing unless the annotations, the
// profile or this program have changed.
package inject

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"logging.taco/injector/annotation"
	"logging.taco/injector/profile"
)

// Inject gives the pod the sidecar that its annotations ask for. The result is
// pod itself where the report says denied or skipped, or nothing has to change.
// The namespace is the one of the request, as a pod on its way in may not name it.
func Inject(pod *corev1.Pod, namespace string, p profile.Profile) (*corev1.Pod, Report) {
	var r Report
	req, present, err := annotation.Parse(pod)
	if !present {
		r.add(Skipped, NotAnnotated, "", "", "has no %s annotation", annotation.Paths)
		return pod, r
	}
	if req.OptOut {
		r.add(Skipped, OptedOut, annotation.Inject, "false", "is to be left alone")
		return pod, r
	}
	if leaveAlone(pod, namespace, p, &r); r.Skipped() {
		return pod, r
	}
	if err != nil {
		deny(&r, err)
		return pod, r
	}
	prior, err := readStatus(pod)
	if err != nil {
		r.add(Denied, InvalidValue, annotation.Status, pod.Annotations[annotation.Status],
			"written by the injector alone; take the annotation out")
		return pod, r
	}
	base := pod
	if prior != nil {
		base, _ = strip(pod, prior)
	}
	w := &work{base: base, req: req, profile: p.For(namespace), prior: prior, r: &r}
	after := w.inject()
	if after != nil {
		w.checkAnnotations(after)
	}
	if r.Denied() {
		return pod, r
	}
	if prior != nil {
		settle(after, pod, prior)
	}
	r.Containers = w.sidecars
	if equality.Semantic.DeepEqual(after, pod) {
		r.add(Info, Unchanged, "", "", "injected before; nothing has to change")
		return pod, r
	}
	return after, r
}

// Uninject takes out exactly what Inject put in.
func Uninject(pod *corev1.Pod) (*corev1.Pod, Report) {
	var r Report
	st, err := readStatus(pod)
	switch {
	case err != nil:
		r.add(Denied, UnreadableStatus, annotation.Status, pod.Annotations[annotation.Status], "is not what the injector wrote")
		return pod, r
	case st == nil:
		r.add(Skipped, NotInjected, "", "", "has no %s annotation, so nothing was injected", annotation.Status)
		return pod, r
	}
	before, removed := strip(pod, st)
	for _, name := range removed {
		r.add(Info, Removed, "", name, "taken out")
	}
	return before, r
}

// leaveAlone finds the pods that get no sidecar whatever they ask for.
func leaveAlone(pod *corev1.Pod, namespace string, p profile.Profile, r *Report) {
	spec := &pod.Spec
	switch _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; {
	case mirror:
		r.add(Skipped, MirrorPod, "", "", "is a static pod's mirror; annotate nothing there, its kubelet does not ask")
	case p.Skips(namespace):
		r.add(Skipped, SkippedNamespace, "", namespace, "pods of this namespace are never injected")
	case spec.OS != nil && spec.OS.Name == corev1.Windows || spec.NodeSelector[corev1.LabelOSStable] == string(corev1.Windows):
		r.add(Skipped, WindowsPod, annotation.Paths, pod.Annotations[annotation.Paths], "the pod runs on Windows, the sidecar only on Linux")
	case spec.HostPID:
		r.add(Skipped, HostProcesses, annotation.Paths, pod.Annotations[annotation.Paths],
			"the pod shares the node's processes (hostPID), which a sidecar should not see; read its files from the node instead")
	}
}

// deny turns the errors of package annotation into findings.
func deny(r *Report, err error) {
	errs, ok := err.(annotation.Errors)
	if !ok {
		r.add(Denied, InvalidValue, annotation.Paths, "", "%v", err)
		return
	}
	for _, e := range errs {
		r.add(Denied, Reason(e.Kind), e.Key, e.Value, "%s%s", e.Within(), e.Reason)
	}
}
