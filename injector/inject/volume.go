package inject

import (
	"cmp"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
)

const (
	// reservedFolder is the sidecar's own; no log file can be in it.
	reservedFolder = "/taco"
	// stateFolder is where the sidecar has the volume with its checkpoints. Each
	// sidecar makes a folder of its own in it, as their users may differ.
	stateFolder = reservedFolder + "/state"
	// tokenFolder is where Kubernetes puts a service account's token.
	tokenFolder = "/var/run/secrets/kubernetes.io/serviceaccount"
)

// folder is a folder of a container that gets a new volume.
type folder struct {
	owner  *corev1.Container
	path   string
	key    string // of the annotation that is the reason
	volume string
}

// group is what one sidecar container reads.
type group struct {
	name    string
	output  *output // nil: stdout
	sources []*source
	mounts  []corev1.VolumeMount // sorted by path, without state and token
	env     []corev1.EnvVar      // what the mounts' subPathExpr name
	config  string               // the sidecar's YAML, as its variable has it

	metrics     int32 // the port; 0: none
	metricsName string
}

// volumes decides on the new volumes and finds every source's mounts.
func (w *work) volumes() {
	for _, s := range w.sources {
		if _, ok := coverOf(s.owner.VolumeMounts, s.Pattern); ok {
			continue
		}
		at := folderOf(s.Pattern)
		if protected(at) {
			w.deny(ProtectedFolder, s.Place, s.String(),
				"needs a new volume over %s of container %s, which would hide what the container needs there; write the files to a folder of their own, or mount a volume yourself",
				at, s.owner.Name)
			continue
		}
		if strings.Contains(at, ":") {
			w.deny(InvalidValue, s.Place, s.String(), "needs a new volume over %s, and Kubernetes mounts none at a path with a colon; write the files to another folder", at)
			continue
		}
		w.folders = append(w.folders, &folder{owner: s.owner, path: at, key: s.Key})
	}
	// Of folders that lie in one another only the outermost gets a volume.
	slices.SortStableFunc(w.folders, func(a, b *folder) int {
		return cmp.Or(cmp.Compare(a.owner.Name, b.owner.Name), cmp.Compare(a.path, b.path))
	})
	w.folders = slices.CompactFunc(w.folders, func(outer, inner *folder) bool {
		return outer.owner == inner.owner && under(inner.path, outer.path)
	})
	taken := map[string]bool{stateVolume: true, podVolume: true, credentialsVolume: true}
	for _, o := range w.outputs {
		taken[o.volume] = true
	}
	for _, name := range w.volumeNames() {
		taken[name] = true
		if name == stateVolume || slices.ContainsFunc(w.shipVolumes(), func(ours corev1.Volume) bool { return ours.Name == name }) {
			w.r.add(Denied, ReservedName, annotation.Paths, name, "the pod has a volume of this name, which is the sidecar's; call the volume otherwise")
		}
	}
	for _, f := range w.folders {
		f.volume = unique(f.path, f.owner.Name+":"+f.path, taken)
	}
	for _, s := range w.sources {
		mounts := w.mountsOf(s.owner)
		cover, ok := coverOf(mounts, s.Pattern)
		if !ok {
			continue // denied above
		}
		s.cover = cover
		w.warnVolume(s)
		for _, m := range mounts {
			if m.MountPath == cover.MountPath || s.needs(m) && w.readOnlyKind(m.Name) == "" {
				s.mounts = append(s.mounts, m)
			}
		}
	}
}

// volumeNames are the names of the pod's volumes, each once: those that it lists,
// and those that it mounts alone, as a StatefulSet's template does with its claims.
func (w *work) volumeNames() (names []string) {
	for _, v := range w.base.Spec.Volumes {
		names = append(names, v.Name)
	}
	for _, c := range slices.Concat(w.base.Spec.InitContainers, w.base.Spec.Containers) {
		for _, m := range c.VolumeMounts {
			if !slices.Contains(names, m.Name) {
				names = append(names, m.Name)
			}
		}
	}
	return names
}

// needs tells whether a mount lies in the source's own and may hold files that match.
func (s *source) needs(m corev1.VolumeMount) bool {
	at, cover := path.Clean(m.MountPath), path.Clean(s.cover.MountPath)
	return at != cover && under(at, cover) && reaches(s.Pattern, at) && !under(at, tokenFolder)
}

// mountsOf are a container's mounts with the new volumes.
func (w *work) mountsOf(c *corev1.Container) []corev1.VolumeMount {
	mounts := slices.Clone(c.VolumeMounts)
	for _, f := range w.folders {
		if f.owner == c {
			mounts = append(mounts, f.mount())
		}
	}
	return mounts
}

func (f *folder) mount() corev1.VolumeMount {
	return corev1.VolumeMount{Name: f.volume, MountPath: f.path}
}

// isNew tells whether a mount is of a volume that the injector makes.
func (w *work) isNew(m corev1.VolumeMount) bool {
	return slices.ContainsFunc(w.folders, func(f *folder) bool { return f.volume == m.Name })
}

// gather puts the mounts of the group's sources together.
func (w *work) gather(g *group) {
	owners := map[string]*corev1.Container{} // by mount path
	for _, s := range g.sources {
		for _, m := range s.mounts {
			at := path.Clean(m.MountPath)
			same := slices.IndexFunc(g.mounts, func(n corev1.VolumeMount) bool { return path.Clean(n.MountPath) == at })
			if same < 0 {
				g.mounts = append(g.mounts, m)
				owners[at] = s.owner
				continue
			}
			n := g.mounts[same]
			if n.Name != m.Name || n.SubPath != m.SubPath || n.SubPathExpr != m.SubPathExpr {
				w.conflict(g, s, at, owners[at])
			}
		}
	}
	// One container's volume must not stand in the way of another's files.
	for _, s := range g.sources {
		for _, m := range g.mounts {
			at := path.Clean(m.MountPath)
			own := slices.ContainsFunc(s.mounts, func(n corev1.VolumeMount) bool { return path.Clean(n.MountPath) == at })
			if !own && s.needs(m) {
				w.conflict(g, s, at, owners[at])
			}
		}
	}
	for i := range g.mounts {
		if e := g.mounts[i].SubPathExpr; e != "" {
			w.copyVariables(g, owners[path.Clean(g.mounts[i].MountPath)], e)
		}
	}
	slices.SortFunc(g.mounts, func(a, b corev1.VolumeMount) int { return cmp.Compare(a.MountPath, b.MountPath) })
	w.readOnly(g)
}

func (w *work) conflict(g *group, s *source, at string, other *corev1.Container) {
	w.deny(ConflictingMounts, s.Place, s.String(),
		"containers %s and %s have different volumes at %s, and one sidecar cannot have both there; use %sone volume for both",
		other.Name, s.owner.Name, at, g.orSplit(", or "))
}

// orSplit is the advice to have a sidecar for each path, and what joins it to
// another; nothing where the sidecar ships, as that one cannot be split.
func (g *group) orSplit(or string) string {
	if g.output != nil {
		return ""
	}
	return annotation.Split + `: "true"` + or
}

// readOnly makes the sidecar's mounts read-only, as far as mounts that lie in
// one another let it: the sidecar starts first, and its runtime has to make the
// inner mount's folder in the outer volume.
func (w *work) readOnly(g *group) {
	inner := []string{tokenFolder, "/run" + tokenFolder[len("/var/run"):]}
	for _, m := range g.mounts {
		inner = append(inner, path.Clean(m.MountPath))
	}
	for i := range g.mounts {
		m := &g.mounts[i]
		at := path.Clean(m.MountPath)
		nested := slices.IndexFunc(inner, func(p string) bool { return p != at && under(p, at) })
		if nested >= 0 && !m.ReadOnly {
			w.r.add(Info, WritableMount, annotation.Paths, at, "is not read-only in %s, as %s is mounted in it", g.name, inner[nested])
		} else {
			m.ReadOnly = true
		}
		if m.MountPropagation != nil && *m.MountPropagation == corev1.MountPropagationBidirectional {
			// Only a privileged container may have it; seeing the mounts is enough.
			see := corev1.MountPropagationHostToContainer
			m.MountPropagation = &see
		}
		m.RecursiveReadOnly = nil
	}
}
