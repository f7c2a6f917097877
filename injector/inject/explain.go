package inject

import (
	"fmt"
	"strings"

	"logging.taco/injector/annotation"
	"logging.taco/sidecar/config"
)

// explain adds the findings that say what is added and why.
func (w *work) explain() {
	for _, s := range w.sources {
		volume := "its volume " + s.cover.Name
		if w.isNew(s.cover) {
			volume = "the new volume " + s.cover.Name
		}
		w.r.add(Info, PathResolved, s.Key, s.String(), "written by %s (%s), read through %s at %s%s", s.owner.Name, s.why, volume, s.cover.MountPath, s.describe())
	}
	w.explainOutputs()
	for _, g := range w.groups {
		kind := "a native sidecar: starts before every other container, stops after them"
		if _, proxy := w.afterProxy(); g.output != nil && proxy != "" {
			kind = "a native sidecar: starts after " + proxy + " and stops before it, so that it has a network to the end"
		}
		if !w.native {
			kind = "a plain container, last in the pod"
		}
		metrics := ""
		if g.metrics != 0 {
			metrics = fmt.Sprintf("; metrics on port %d (%s)", g.metrics, annotation.MetricsPort)
		}
		w.r.add(Info, ContainerAdded, "", g.name, "%s; reads %s%s", kind, patterns(g), metrics)
		for _, m := range g.mounts {
			if !w.isNew(m) {
				w.r.add(Info, VolumeReused, "", m.Name, "the pod's own volume, mounted in %s at %s", g.name, m.MountPath)
			}
		}
		if held := w.held(g); held > 0 {
			w.r.add(Info, HeldBounded, "", g.name, "keeps deleted files open until they are delivered, up to %v; then the oldest are given up, and it says so", held)
		}
	}
	state := w.stateLimit()
	also := ""
	if w.ships() {
		also = ", and for records that the output will never take"
	}
	w.r.add(Info, VolumeAdded, "", stateVolume, "an emptyDir of at most %v for the sidecar's checkpoints, so that a restarted one goes on where it was%s", &state, also)
	for _, v := range w.shipVolumes() {
		what := "the pod's labels and annotations, which the sidecar puts into documents"
		if v.Secret != nil {
			what = fmt.Sprintf("the Secret %s, mounted in the sidecar alone; without it the pod starts all the same, and the sidecar waits for it", v.Secret.SecretName)
		}
		w.r.add(Info, VolumeAdded, "", v.Name, "%s", what)
	}
	limit := w.sizeLimit()
	for _, f := range w.folders {
		w.r.add(Info, VolumeAdded, "", f.volume, "an emptyDir of at most %v; when the files in it outgrow that, the pod is evicted (%s)", &limit, annotation.SizeLimit)
		w.r.add(Info, MountAdded, "", f.volume, "mounted in container %s at %s", f.owner.Name, f.path)
		w.r.add(Warning, FolderCovered, f.key, f.path, "the container %s now sees an empty volume here; what its image has in this folder is hidden", f.owner.Name)
	}
}

// describe says what is done with the records, where it is more than nothing.
func (d delivery) describe() string {
	var b strings.Builder
	for _, key := range annotation.SettingKeys {
		value, said := d.Said(key)
		switch key {
		case "mode", "output", "split":
			continue // its sidecar tells
		case "drop", "keep", "redact":
			if n := strings.Count(value, "\n") + 1; said && n > 1 {
				fmt.Fprintf(&b, "; %s: %d expressions", key, n)
				continue
			}
		case "add":
			value = strings.ReplaceAll(value, "\n", ", ")
		case "emit":
			said = value == string(config.EmitPrefix) || value == string(config.EmitJSON)
		}
		if said {
			if quoted := annotation.Quote(value); quoted != `"`+value+`"` {
				value = quoted
			}
			fmt.Fprintf(&b, "; %s: %s", key, value)
		}
	}
	return b.String()
}

func patterns(g *group) string {
	var p []string
	for _, s := range g.sources {
		p = append(p, s.Pattern)
	}
	return strings.Join(p, ", ")
}
