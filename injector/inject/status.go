package inject

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
)

// statusVersion is the format of the status annotation.
const statusVersion = 1

// status lists what was injected. It is a help to find it, not a proof: what it
// names is only taken for ours if it also looks like ours, so that a forged
// status cannot remove another webhook's container.
type status struct {
	Version    int           `json:"version"`
	Containers []string      `json:"containers"`
	Volumes    []string      `json:"volumes"`
	Mounts     []statusMount `json:"mounts,omitempty"` // in the user's containers
	// Owners are the containers taken to write the paths that name none.
	Owners map[string]string `json:"owners,omitempty"`
	// Empty are the lists that were there, but empty, before.
	Empty []string `json:"empty,omitempty"`
	// Plan is a hash of everything that was added, as it was added.
	Plan string `json:"plan"`
}

type statusMount struct {
	Container string `json:"container"`
	Volume    string `json:"volume"`
	Path      string `json:"path"`
}

// readStatus reads the pod's status annotation; nil: it has none.
func readStatus(pod *corev1.Pod) (*status, error) {
	text, ok := pod.Annotations[annotation.Status]
	if !ok {
		return nil, nil
	}
	var st status
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&st); err != nil {
		return nil, fmt.Errorf("read the status annotation: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read the status annotation: more than one JSON value")
	}
	if st.Version != statusVersion {
		return nil, fmt.Errorf("read the status annotation: version %d, not %d", st.Version, statusVersion)
	}
	return &st, nil
}

func (st *status) text() string {
	b, err := json.Marshal(st)
	if err != nil {
		panic(err) // of strings and numbers alone
	}
	return string(b)
}

// fingerprint is a short hash of anything that JSON can say.
func fingerprint(parts ...any) string {
	b, err := json.Marshal(parts)
	if err != nil {
		panic(err) // of Kubernetes' own types
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:16]
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// Names of lists in status.Empty.
const (
	listInit    = "initContainers"
	listVolumes = "volumes"
	listMounts  = "volumeMounts " // and the container's name
)

// isOurs tells whether a container that the status names is a sidecar of ours.
func (st *status) isOurs(c *corev1.Container) bool {
	return strings.HasPrefix(c.Name, namePrefix) && slices.Contains(st.Containers, c.Name) &&
		slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == configVariable })
}

func (st *status) isOurVolume(v *corev1.Volume) bool {
	if !strings.HasPrefix(v.Name, namePrefix) || !slices.Contains(st.Volumes, v.Name) {
		return false
	}
	return v.EmptyDir != nil || v.Name == podVolume && v.DownwardAPI != nil || strings.HasPrefix(v.Name, credentialsVolume) && v.Secret != nil
}

// strip is the pod as it was before, and the names of what was taken out.
func strip(pod *corev1.Pod, st *status) (before *corev1.Pod, removed []string) {
	before = pod.DeepCopy()
	spec := &before.Spec
	ours := func(c corev1.Container) bool {
		if !st.isOurs(&c) {
			return false
		}
		removed = append(removed, "container "+c.Name)
		return true
	}
	spec.InitContainers = without(spec.InitContainers, ours, slices.Contains(st.Empty, listInit))
	spec.Containers = without(spec.Containers, ours, false)
	gone := map[string]bool{}
	spec.Volumes = without(spec.Volumes, func(v corev1.Volume) bool {
		if !st.isOurVolume(&v) {
			return false
		}
		gone[v.Name] = true
		removed = append(removed, "volume "+v.Name)
		return true
	}, slices.Contains(st.Empty, listVolumes))
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			c := &list[i]
			c.VolumeMounts = without(c.VolumeMounts, func(m corev1.VolumeMount) bool {
				if !gone[m.Name] {
					return false
				}
				removed = append(removed, "mount "+m.MountPath+" of container "+c.Name)
				return true
			}, slices.Contains(st.Empty, listMounts+c.Name))
		}
	}
	delete(before.Annotations, annotation.Status)
	return before, append(removed, "annotation "+annotation.Status)
}

// without is the list without what drop finds. A list that this empties becomes
// nil, as it was before it got its first element, unless keep says otherwise.
func without[T any](list []T, drop func(T) bool, keep bool) []T {
	n := len(list)
	list = slices.DeleteFunc(list, drop)
	if n > 0 && len(list) == 0 && !keep {
		return nil
	}
	return list
}
