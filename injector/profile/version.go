package profile

import (
	"fmt"
	"regexp"
	"strconv"
)

// Version is a version of Kubernetes. The zero value is an unknown one, taken as
// new enough.
type Version struct{ Major, Minor int }

// nativeSince is the first version in which every kubelet runs native sidecars.
var nativeSince = Version{1, 29}

var versionText = regexp.MustCompile(`^v?([0-9]{1,3})\.([0-9]{1,4})([.+-].*)?$`)

// ParseVersion reads 1.29, v1.29.3 and what a server says of itself (v1.29.3-gke.1, 1.29+).
func ParseVersion(s string) (Version, error) {
	m := versionText.FindStringSubmatch(s)
	if m == nil {
		return Version{}, fmt.Errorf("%q is not a version of Kubernetes such as 1.29", s)
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	return Version{major, minor}, nil
}

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// HasNative tells whether an init container with restartPolicy Always is a
// sidecar in this version; in an older one the pod would never start.
func (v Version) HasNative() bool {
	return v == Version{} || v.Major > nativeSince.Major ||
		v.Major == nativeSince.Major && v.Minor >= nativeSince.Minor
}
