package inject

import "strings"

// Reason is why a finding was made, in CamelCase as in Kubernetes' events. The
// metric label of a reason is its Label.
type Reason string

// Why a pod was left alone.
const (
	NotAnnotated     Reason = "NotAnnotated"     // no logging.taco/ annotation
	OptedOut         Reason = "OptedOut"         // logging.taco/inject: "false"
	MirrorPod        Reason = "MirrorPod"        // the API's picture of a kubelet's static pod
	SkippedNamespace Reason = "SkippedNamespace" // the injector's own, kube-system or one that the profile names
	WindowsPod       Reason = "WindowsPod"       // the sidecar is a Linux program
	HostProcesses    Reason = "HostProcesses"    // hostPID: the sidecar would see the node's processes
	NotInjected      Reason = "NotInjected"      // uninject: nothing to take out
	UnreadableStatus Reason = "UnreadableStatus" // uninject: the status annotation is not ours
)

// Why a pod was denied.
const (
	UnknownKey        Reason = "UnknownKey"
	InvalidValue      Reason = "InvalidValue"
	MissingPaths      Reason = "MissingPaths"
	UnknownContainer  Reason = "UnknownContainer"
	NoContainers      Reason = "NoContainers"
	ProtectedFolder   Reason = "ProtectedFolder"   // a new volume there would break the container
	ConflictingMounts Reason = "ConflictingMounts" // two containers' files meet at one place of the sidecar
	UnresolvedSubPath Reason = "UnresolvedSubPath" // subPathExpr names a variable that cannot be copied
	TooLarge          Reason = "TooLarge"          // more than Kubernetes or the kernel takes
	ReservedName      Reason = "ReservedName"      // a container or volume of the user's has a name that the injector gives
	ImageNotAllowed   Reason = "ImageNotAllowed"
	LimitExceeded     Reason = "LimitExceeded" // more than the profile's max
	RootNotAllowed    Reason = "RootNotAllowed"
	NativeUnsupported Reason = "NativeUnsupported" // native: "true" on a cluster that is too old
	PlainNeverEnds    Reason = "PlainNeverEnds"    // a plain sidecar would keep the pod from completing
	UnknownOutput     Reason = "UnknownOutput"     // not one of the profile's
	NoOutput          Reason = "NoOutput"          // mode: ship, and the profile has none, or no default
)

// What the user should know of a pod that was injected.
const (
	FolderCovered  Reason = "FolderCovered"  // a new volume hides what the image has there
	OwnerAssumed   Reason = "OwnerAssumed"   // several containers, none named
	UserUnset      Reason = "UserUnset"      // nobody says as whom the container runs
	UserRoot       Reason = "UserRoot"       // the container runs as root, the sidecar does not
	UserIsRoot     Reason = "UserIsRoot"     // the sidecar runs as root, as asked
	UsersDiffer    Reason = "UsersDiffer"    // one sidecar for containers with different users
	ShortGrace     Reason = "ShortGrace"     // little time to deliver the last lines
	WritableMount  Reason = "WritableMount"  // the sidecar's mount has to hold another mount's folder
	ReadOnlyVolume Reason = "ReadOnlyVolume" // nobody, or another container, writes the files
	ServiceUnknown Reason = "ServiceUnknown" // the output may be a Service whose name the pod cannot look up
	NoCPULimit     Reason = "NoCPULimit"     // the sidecar has none, and all others have
	ProxyEndsFirst Reason = "ProxyEndsFirst" // a mesh's proxy is gone before the last lines are
	ClassKept      Reason = "ClassKept"      // resources raised so that the pod stays Guaranteed
	PodBudget      Reason = "PodBudget"      // resources left out: the pod has its own
	PathResolved   Reason = "PathResolved"   // who writes a path and through which volume it is read
	OutputChosen   Reason = "OutputChosen"   // where a sidecar ships to
	ContainerAdded Reason = "ContainerAdded" // a sidecar container
	HeldBounded    Reason = "HeldBounded"    // how much deleted, undelivered files may hold
	NoMetrics      Reason = "NoMetrics"      // the sidecar serves none, though the profile has them
	VolumeAdded    Reason = "VolumeAdded"    // a new emptyDir
	VolumeReused   Reason = "VolumeReused"   // a volume of the pod's own, mounted in the sidecar
	MountAdded     Reason = "MountAdded"     // a new volume, mounted in a container of the user's
	Unchanged      Reason = "Unchanged"      // injected before, and nothing is to be changed
	Removed        Reason = "Removed"        // uninject: what was taken out
)

// Label is the reason as a metric label: protected_folder for ProtectedFolder.
func (r Reason) Label() string {
	var b strings.Builder
	for i, c := range r {
		if c >= 'A' && c <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}
