package inject

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
)

// securityContext fulfils the restricted Pod Security Standard on the container
// itself, so that no default of the pod or the cluster is needed for it.
func (w *work) securityContext(g *group) *corev1.SecurityContext {
	yes, no := true, false
	user, group := w.user(g)
	nonRoot := user == nil || *user != 0
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no,
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		Privileged:               &no,
		ReadOnlyRootFilesystem:   &yes,
		RunAsNonRoot:             &nonRoot,
		RunAsUser:                user,
		RunAsGroup:               group,
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// user is the sidecar's user and group: those of the container that writes the
// files, as with umask 077 no other user can read them. Root is never taken over
// unless the pod says so.
func (w *work) user(g *group) (user, group *int64) {
	if u := w.req.RunAsUser; u != nil {
		if *u == 0 {
			w.r.add(Warning, UserIsRoot, annotation.RunAsUser, "0", "%s runs as root, as asked; a namespace that enforces the restricted Pod Security Standard refuses it", g.name)
		}
		return u, nil
	}
	if !w.profile.SetUser {
		return nil, nil
	}
	first := g.sources[0].owner
	user, group = w.userOf(first)
	for _, s := range g.sources[1:] {
		if other, _ := w.userOf(s.owner); !equal(user, other) {
			w.r.add(Warning, UsersDiffer, annotation.Paths, s.String(),
				"containers %s and %s run as different users; %s runs as the first's and may not be able to read the second's files; use %s%s",
				first.Name, s.owner.Name, g.name, g.orSplit(", or "), annotation.RunAsUser)
			break
		}
	}
	fallback := w.profile.User
	if user == nil {
		w.warnUser(UserUnset, first, "does not say which user it runs as")
		return &fallback, nil
	}
	if *user == 0 {
		w.warnUser(UserRoot, first, "runs as root")
		return &fallback, nil
	}
	return user, group
}

// warnUser warns once for each container.
func (w *work) warnUser(reason Reason, c *corev1.Container, why string) {
	if slices.ContainsFunc(w.r.Findings, func(f Finding) bool { return f.Reason == reason && f.Value == c.Name }) {
		return
	}
	w.r.add(Warning, reason, annotation.RunAsUser, c.Name,
		"the container %s; its sidecar runs as %d and cannot read files that only their user may (mode 0600, umask 077); name that user here",
		why, w.profile.User)
}

// userOf is the user and group that a container is told to run as; nil: its image's.
func (w *work) userOf(c *corev1.Container) (user, group *int64) {
	if pod := w.base.Spec.SecurityContext; pod != nil {
		user, group = pod.RunAsUser, pod.RunAsGroup
	}
	if own := c.SecurityContext; own != nil {
		if own.RunAsUser != nil {
			user = own.RunAsUser
		}
		if own.RunAsGroup != nil {
			group = own.RunAsGroup
		}
	}
	return user, group
}

func equal(a, b *int64) bool {
	return a == b || a != nil && b != nil && *a == *b
}
