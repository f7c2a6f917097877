package inject

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

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

// ships tells whether any sidecar of the pod ships.
func (w *work) ships() bool { return len(w.outputs) > 0 }

// shipVolumes are the pod's volumes for sidecars that ship. All defaults of
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
	for _, o := range w.outputs {
		if o.volume == "" {
			continue
		}
		// Without its Secret a pod starts as it would without a sidecar; the
		// sidecar says what is missing, and takes it up when it comes.
		optional := true
		volumes = append(volumes, corev1.Volume{Name: o.volume, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: o.Secret, Optional: &optional, DefaultMode: &mode,
		}}})
	}
	return volumes
}

// shipMounts are a sidecar's mounts of these volumes.
func (g *group) shipMounts() []corev1.VolumeMount {
	if g.output == nil {
		return nil
	}
	mounts := []corev1.VolumeMount{{Name: podVolume, MountPath: podFolder, ReadOnly: true}}
	if g.output.volume != "" {
		mounts = append(mounts, corev1.VolumeMount{Name: g.output.volume, MountPath: credentialsFolder, ReadOnly: true})
	}
	return mounts
}

// shipEnv are a sidecar's variables that say which pod it is in.
func (g *group) shipEnv() (env []corev1.EnvVar) {
	if g.output == nil {
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
	for _, o := range w.outputs {
		limit.Add(*resource.NewQuantity(2*int64(o.DeadLetterSize), resource.BinarySI))
	}
	return limit
}
