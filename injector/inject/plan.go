package inject

import (
	"cmp"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
	"logging.taco/injector/profile"
)

// work is one injection under way.
type work struct {
	base    *corev1.Pod // without anything of ours; never changed
	req     annotation.Request
	profile profile.Profile
	prior   *status // of an earlier injection; nil: none
	r       *Report
	outputs []*output // that its sources ship to, in the sources' order

	native   bool
	sources  []*source
	folders  []*folder // the new volumes, sorted by container and path
	groups   []*group  // one for each sidecar container, those that stream first
	sidecars []corev1.Container
}

// source is one path and who writes it.
type source struct {
	annotation.Path
	delivery
	owner  *corev1.Container
	why    string               // why this container
	cover  corev1.VolumeMount   // the owner's mount that holds the path
	mounts []corev1.VolumeMount // all of the owner's mounts that the path needs: cover, and what lies below it and may match
}

// defaultContainer names a pod's main container for kubectl.
const defaultContainer = "kubectl.kubernetes.io/default-container"

// resolve finds the container that writes each path.
func (w *work) resolve() {
	containers := w.base.Spec.Containers
	if len(containers) == 0 {
		w.r.add(Denied, NoContainers, annotation.Paths, w.base.Annotations[annotation.Paths], "the pod has no containers")
		return
	}
	deliveries := w.deliveries()
	for i := range w.req.Sources {
		for _, p := range w.req.Sources[i].Paths {
			w.find(&source{Path: p, delivery: deliveries[i]})
		}
	}
}

// find finds the container of one path, and takes the path up.
func (w *work) find(s *source) {
	for folder, whose := range map[string]string{reservedFolder: "the sidecar's own", tokenFolder: "the service account's", "/run" + tokenFolder[len("/var/run"):]: "the service account's"} {
		if under(anchorOf(s.Pattern), folder) {
			w.deny(ProtectedFolder, s.Place, s.String(), "lies in %s, which is %s", folder, whose)
			return
		}
	}
	if s.Container != "" {
		s.owner, s.why = w.container(s.Container), "as named"
		if s.owner == nil {
			w.deny(UnknownContainer, s.Place, s.String(), "the pod has no container %q; it has %s", s.Container, w.containerNames())
			return
		}
	} else {
		s.owner, s.why = w.guess(s.Path)
	}
	// The same file may go to stdout and to an output, but not twice to one of them.
	for _, t := range w.sources {
		if t.owner == s.owner && t.Pattern == s.Pattern && t.output == s.output {
			same := strings.TrimSuffix(t.Within(), ": ")
			if s.Key != t.Key {
				same += " of " + t.Key
			}
			w.deny(InvalidValue, s.Place, s.String(), "the same as %s; both are of container %s", same, s.owner.Name)
			return
		}
	}
	w.sources = append(w.sources, s)
}

// guess finds the container that writes a path when none is named.
func (w *work) guess(p annotation.Path) (*corev1.Container, string) {
	containers := w.base.Spec.Containers
	if len(containers) == 1 {
		return &containers[0], "the only container"
	}
	// Another webhook may have added containers since; the choice stays.
	if w.prior != nil {
		if c := w.container(w.prior.Owners[p.Pattern]); c != nil {
			return c, "as before"
		}
	}
	var mounted []*corev1.Container
	for i := range containers {
		if _, ok := coverOf(containers[i].VolumeMounts, p.Pattern); ok {
			mounted = append(mounted, &containers[i])
		}
	}
	preferred, why := &containers[0], "the first container"
	if c := w.container(w.base.Annotations[defaultContainer]); c != nil {
		preferred, why = c, "the default container"
	}
	if len(mounted) > 0 && !slices.Contains(mounted, preferred) {
		preferred = mounted[0]
	}
	if slices.Contains(mounted, preferred) {
		why = "mounts a volume there"
	}
	if len(mounted) != 1 {
		w.r.add(Warning, OwnerAssumed, p.Key, p.String(),
			"%snames no container and the pod has %d; taken as written by %s (%s); write %s:%s to be sure",
			p.Within(), len(containers), preferred.Name, why, preferred.Name, p.Pattern)
	}
	return preferred, why
}

// container finds a container of the user's by name, init containers too.
func (w *work) container(name string) *corev1.Container {
	for _, list := range [][]corev1.Container{w.base.Spec.Containers, w.base.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

func (w *work) containerNames() string {
	names := ""
	for _, list := range [][]corev1.Container{w.base.Spec.Containers, w.base.Spec.InitContainers} {
		for i := range list {
			names += ", " + list[i].Name
		}
	}
	return names[2:]
}

// coverOf finds the deepest mount that holds all files of a pattern.
func coverOf(mounts []corev1.VolumeMount, pattern string) (corev1.VolumeMount, bool) {
	var best corev1.VolumeMount
	found := false
	for _, m := range mounts {
		at := path.Clean(m.MountPath)
		if under(anchorOf(pattern), at) && (!found || len(at) > len(path.Clean(best.MountPath))) {
			best, found = m, true
		}
	}
	return best, found
}

// lifecycle decides between a native sidecar and a plain container.
func (w *work) lifecycle() {
	policy := cmp.Or(w.req.Native, annotation.NativeAuto)
	asked := policy != annotation.NativeAuto
	if !asked {
		policy = cmp.Or(w.profile.Native, annotation.NativeAuto)
	}
	has := w.profile.Kubernetes.HasNative()
	w.native = policy == annotation.NativeTrue || policy == annotation.NativeAuto && has
	if w.native && !has {
		w.r.add(Denied, NativeUnsupported, annotation.Native, string(cmp.Or(w.req.Native, annotation.NativeAuto)),
			"Kubernetes %v has no native sidecars, which came with 1.29; the pod would never start", w.profile.Kubernetes)
	}
	if restart := w.base.Spec.RestartPolicy; !w.native && (restart == corev1.RestartPolicyNever || restart == corev1.RestartPolicyOnFailure) {
		why := "the pod or the profile wants a plain sidecar"
		if policy == annotation.NativeAuto {
			why = "Kubernetes " + w.profile.Kubernetes.String() + " has no native sidecars"
		}
		w.r.add(Denied, PlainNeverEnds, annotation.Native, string(cmp.Or(w.req.Native, annotation.NativeAuto)),
			"%s; beside a plain one a pod with restartPolicy %s, such as a Job's, would never complete", why, restart)
	}
}
