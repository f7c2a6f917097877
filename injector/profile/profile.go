// Package profile is the administrator's side of the injector: what a sidecar
// is made of where the pod does not say, and how far a pod may go where it does.
// A profile is YAML whose keys are the annotations' names where both exist:
//
//	image: registry.example/logging.taco/sidecar:v0.1.0
//	allowed-images: [registry.example/experiments/sidecar]
//	emit: raw
//	native: auto
//	size-limit: 1Gi
//	metrics-port: 20464
//	requests: {cpu: 5m, memory: 16Mi}
//	limits: {memory: 32Mi}
//	ship-requests: {cpu: 10m, memory: 32Mi}
//	ship-limits: {memory: 64Mi}
//	max: {cpu: 500m, memory: 512Mi, size-limit: 20Gi}
//	outputs:
//	  search:
//	    to: https://elasticsearch.logging:9200
//	    credentials: {secret: elasticsearch}
//	default-output: search
//	namespaces:
//	  team-*:
//	    max: {memory: 128Mi}
//	    allowed-outputs: [search]
//
// Every key is optional; Default has the values. The settings of files (mode,
// split, emit, multiline…) are defaults of the annotations with these names. A
// namespace, or those that a pattern stands for, may have almost any key for
// itself. Load and Decode are strict: an unknown key, a value out of range and
// values that contradict each other are errors with their lines.
package profile

import (
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"logging.taco/injector/annotation"
)

// Profile is a whole profile, with every default applied. It is read, never
// written, once it is made, so that many admissions can share it.
type Profile struct {
	// Image is the sidecar's image.
	Image string
	// ImagePullPolicy of the sidecar.
	ImagePullPolicy corev1.PullPolicy
	// AllowedImages are the repositories, without tag, that the image annotation
	// may name besides the repository of Image.
	AllowedImages []string
	// Settings are how files are read and delivered where the pod does not say.
	Settings annotation.Settings
	// Native is what native: auto, the default of pods, comes to.
	Native annotation.NativePolicy
	// Kubernetes is the version of the cluster; the zero value stands for one
	// that is new enough for everything. It is not a key of the YAML.
	Kubernetes Version
	// SizeLimit of a log volume that the injector makes; a fuller one evicts the pod.
	SizeLimit resource.Quantity
	// StateSizeLimit of the volume with the sidecar's checkpoints; where it ships,
	// the room for its dead letters comes on top.
	StateSizeLimit resource.Quantity
	// User is the sidecar's numeric user where the pod names none, or names root.
	User int64
	// SetUser is false where the platform gives out user ids (OpenShift): no
	// runAsUser is written then.
	SetUser bool
	// AllowRoot lets a pod ask for run-as-user: "0".
	AllowRoot bool
	// MetricsPort is where sidecars serve their metrics, the first of several; 0: nowhere.
	MetricsPort int32
	// Requests and Limits of each sidecar container that streams.
	Requests, Limits corev1.ResourceList
	// ShipRequests and ShipLimits are those of one that ships, which holds a
	// batch of documents, compresses it and speaks TLS.
	ShipRequests, ShipLimits corev1.ResourceList
	// GuaranteedCPU is request and limit in a pod of the Guaranteed class, where
	// a CPU limit is needed and one as small as the request would throttle.
	GuaranteedCPU resource.Quantity
	// MaxCPU, MaxMemory and MaxSizeLimit bound what a pod's annotations may ask for.
	MaxCPU, MaxMemory, MaxSizeLimit resource.Quantity
	// Namespace is the injector's own, whose pods are never injected.
	Namespace string
	// SkippedNamespaces are left alone besides Namespace.
	SkippedNamespaces []string
	// Outputs are what pods may ship to, by name; the output annotation names one.
	Outputs map[string]Output
	// DefaultOutput is the one of pods that name none; empty: they have to.
	DefaultOutput string
	// AllowedOutputs are the names of the outputs that pods may ship to; nil: all.
	AllowedOutputs []string
	// Namespaces are profiles for some namespaces, in the document's order.
	Namespaces []Override
}

// Override is the profile of the namespaces that a name or pattern stands for.
type Override struct {
	// Namespace is a name, or a pattern with * and ?.
	Namespace string
	// Profile is whole: what the override does not say is the profile's around it.
	Profile Profile
}

// DefaultImage is the sidecar's image where no profile names another.
const DefaultImage = "logging.taco/sidecar:v0.1.0"

// Default is the profile of an administrator who configured nothing. Images are
// limited to the default one's repository, root is at the pod's own risk, and
// a log volume holds 1Gi.
func Default() Profile {
	return Profile{
		Image:           DefaultImage,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Settings:        annotation.Settings{Mode: annotation.Stream},
		Native:          annotation.NativeAuto,
		SizeLimit:       resource.MustParse("1Gi"),
		StateSizeLimit:  resource.MustParse("16Mi"),
		User:            65532,
		SetUser:         true,
		AllowRoot:       true,
		MetricsPort:     20464,
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("5m"),
			corev1.ResourceMemory: resource.MustParse("16Mi"),
		},
		Limits: corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse("32Mi"),
		},
		ShipRequests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("10m"),
			corev1.ResourceMemory: resource.MustParse("32Mi"),
		},
		ShipLimits: corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse("64Mi"),
		},
		GuaranteedCPU:     resource.MustParse("50m"),
		MaxCPU:            resource.MustParse("1"),
		MaxMemory:         resource.MustParse("1Gi"),
		MaxSizeLimit:      resource.MustParse("50Gi"),
		Namespace:         "logging-taco",
		SkippedNamespaces: []string{"kube-system"},
	}
}

// For is the profile for a namespace: the override of its name, else the first
// whose pattern it matches, else p itself.
func (p Profile) For(namespace string) Profile {
	var match *Profile
	for i := range p.Namespaces {
		o := &p.Namespaces[i]
		if o.Namespace == namespace {
			match = &o.Profile
			break
		}
		if ok, _ := path.Match(o.Namespace, namespace); ok && match == nil {
			match = &o.Profile
		}
	}
	if match == nil {
		return p
	}
	own := *match
	own.Kubernetes, own.Namespace, own.SkippedNamespaces = p.Kubernetes, p.Namespace, p.SkippedNamespaces
	return own
}

// clone is a copy that can be changed without changing p.
func (p Profile) clone() Profile {
	p.Outputs, p.Namespaces = maps.Clone(p.Outputs), nil
	return p
}

// AllowsOutput tells whether pods may ship to an output.
func (p Profile) AllowsOutput(name string) bool {
	_, ok := p.Outputs[name]
	return ok && (p.AllowedOutputs == nil || slices.Contains(p.AllowedOutputs, name))
}

// Allows tells whether pods may name the image.
func (p Profile) Allows(image string) bool {
	r := Repository(image)
	return r == Repository(p.Image) || slices.Contains(p.AllowedImages, r)
}

// Skips tells whether the namespace is left alone.
func (p Profile) Skips(namespace string) bool {
	return namespace != "" && (namespace == p.Namespace || slices.Contains(p.SkippedNamespaces, namespace))
}

// Repository is the image's reference without tag and digest.
func Repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		image = image[:i]
	}
	return image
}
