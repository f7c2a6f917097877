package config

// Environment variables by which the pod's own metadata reaches the sidecar;
// the injector has the kubelet fill them in. Each may be missing.
const (
	EnvPodName      = "TACO_POD_NAME"
	EnvPodNamespace = "TACO_POD_NAMESPACE"
	EnvPodUID       = "TACO_POD_UID"
	EnvNodeName     = "TACO_NODE_NAME"
)

// Files in the folder that Config.Pod names, as a volume of the downward API has them.
const (
	PodLabels      = "labels"
	PodAnnotations = "annotations"
)

// Environment variables with credentials of the output, for where there is no
// folder with files; a file goes before them.
const (
	EnvUsername = "TACO_USERNAME"
	EnvPassword = "TACO_PASSWORD"
	EnvAPIKey   = "TACO_API_KEY"
	EnvToken    = "TACO_TOKEN"
)
