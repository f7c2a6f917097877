package inject

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"logging.taco/injector/annotation"
	"logging.taco/injector/profile"
	"logging.taco/sidecar/config"
)

// What a sidecar that ships has besides: which pod it is in, by the downward
// API, and the output's Secret. Neither is mounted in any other container.

const (
	// podFolder is where the sidecar has the pod's labels and annotations.
	podFolder = reservedFolder + "/pod"
	podVolume = namePrefix + "pod"
	// credentialsFolder is where the sidecar has the output's Secret.
	credentialsFolder = reservedFolder + "/credentials"
	credentialsVolume = namePrefix + "credentials"
)

// output is the one that the pod ships to.
type output struct {
	profile.Output
	name string
	why  string // why this one
}

// chooseOutput finds the output of a pod that ships.
func (w *work) chooseOutput() {
	if w.req.Mode != annotation.Ship {
		return
	}
	o := &output{name: w.req.Output, why: "as named"}
	if o.name == "" {
		o.name, o.why = w.profile.DefaultOutput, "the profile's default"
	}
	var known bool
	o.Output, known = w.profile.Outputs[o.name]
	names := strings.Join(slices.Sorted(maps.Keys(w.profile.Outputs)), ", ")
	switch {
	case known:
		w.output = o
	case names == "":
		w.r.add(Denied, NoOutput, annotation.Mode, string(annotation.Ship), "the profile has no outputs, so that pods can only stream")
	case o.name == "":
		w.r.add(Denied, NoOutput, annotation.Mode, string(annotation.Ship), "the profile has no default output; name one with %s: it has %s", annotation.Output, names)
	default:
		w.r.add(Denied, UnknownOutput, annotation.Output, o.name, "the profile has no such output; it has %s", names)
	}
}

// ships tells whether the pod's sidecar ships, and does not stream.
func (w *work) ships() bool { return w.output != nil }

// shipVolumes are the pod's volumes for a sidecar that ships. All defaults of
// the API are written out, so that a stored pod has nothing that this one lacks.
func (w *work) shipVolumes() []corev1.Volume {
	if !w.ships() {
		return nil
	}
	mode := int32(0o444) // the sidecar's user may be any
	field := func(file, path string) corev1.DownwardAPIVolumeFile {
		return corev1.DownwardAPIVolumeFile{Path: file, FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}
	}
	volumes := []corev1.Volume{{Name: podVolume, VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{
		Items:       []corev1.DownwardAPIVolumeFile{field(config.PodLabels, "metadata.labels"), field(config.PodAnnotations, "metadata.annotations")},
		DefaultMode: &mode,
	}}}}
	if w.output.Secret != "" {
		// Without its Secret a pod starts as it would without a sidecar; the
		// sidecar says what is missing, and takes it up when it comes.
		optional := true
		volumes = append(volumes, corev1.Volume{Name: credentialsVolume, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: w.output.Secret, Optional: &optional, DefaultMode: &mode,
		}}})
	}
	return volumes
}

// shipMounts are the sidecar's mounts of these volumes.
func (w *work) shipMounts() (mounts []corev1.VolumeMount) {
	for _, v := range w.shipVolumes() {
		at := podFolder
		if v.Name == credentialsVolume {
			at = credentialsFolder
		}
		mounts = append(mounts, corev1.VolumeMount{Name: v.Name, MountPath: at, ReadOnly: true})
	}
	return mounts
}

// shipEnv are the sidecar's variables that say which pod it is in.
func (w *work) shipEnv() (env []corev1.EnvVar) {
	if !w.ships() {
		return nil
	}
	for _, v := range [][2]string{
		{config.EnvPodName, "metadata.name"}, {config.EnvPodNamespace, "metadata.namespace"},
		{config.EnvPodUID, "metadata.uid"}, {config.EnvNodeName, "spec.nodeName"},
	} {
		env = append(env, corev1.EnvVar{Name: v[0], ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: v[1]}}})
	}
	return env
}

// stateLimit is the size of the volume with what the sidecars have to remember:
// checkpoints and, where they ship, dead letters in a file and its predecessor.
func (w *work) stateLimit() resource.Quantity {
	limit := w.profile.StateSizeLimit.DeepCopy()
	if w.ships() {
		limit.Add(*resource.NewQuantity(2*int64(w.output.DeadLetterSize), resource.BinarySI))
	}
	return limit
}

// explainOutput says where the records go.
func (w *work) explainOutput() {
	if !w.ships() {
		return
	}
	o, kind := w.output, "index"
	if o.IndexType == config.TypeDataStream {
		kind = "data stream"
	}
	with := "without credentials"
	if o.Secret != "" {
		with = fmt.Sprintf("with the credentials in the Secret %s of the pod's namespace", o.Secret)
	}
	w.r.add(Info, OutputChosen, annotation.Output, o.name, "%s; ships to %s, %s %s, %s", o.why, strings.Join(o.To, ", "), kind, o.Index, with)
}
