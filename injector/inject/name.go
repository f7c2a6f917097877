package inject

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"logging.taco/injector/annotation"
)

const (
	// namePrefix begins the name of everything that the injector adds.
	namePrefix = "taco-"
	// sidecarName is the container that reads all paths, where they are not split.
	sidecarName = namePrefix + "logs"
	// shipperName is the container that ships; its name tells that its log, what
	// kubectl shows, is not the files' lines.
	shipperName = namePrefix + "ship"
	// stateVolume holds the checkpoints of the pod's sidecars.
	stateVolume = namePrefix + "state"

	maxName = 63 // of a DNS label
	hashLen = 8
)

// label makes text a DNS label behind the prefix, with a hash where it does not
// fit or nothing of it does. It is not unique; where that matters, see unique.
func label(text string) string {
	part := slug(text)
	if name := namePrefix + part; part != "" && len(name) <= maxName {
		return name
	}
	return hashed(namePrefix+part, text)
}

// slug is what of a text can stand in a DNS label; perhaps nothing.
func slug(text string) string {
	var b strings.Builder
	dash := false
	for _, c := range strings.ToLower(text) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			if dash && b.Len() > 0 {
				b.WriteByte('-')
			}
			b.WriteRune(c)
			dash = false
		} else {
			dash = true
		}
	}
	return b.String()
}

// hashed is the name with a hash of what it stands for, so that two things with
// one name are told apart by the same names each time.
func hashed(name, identity string) string {
	sum := sha256.Sum256([]byte(identity))
	cut := min(len(name), maxName-hashLen-1)
	return strings.TrimRight(name[:cut], "-") + "-" + hex.EncodeToString(sum[:])[:hashLen]
}

// unique is the label of text, or, where that is taken, the hashed one.
func unique(text, identity string, taken map[string]bool) string {
	name := label(text)
	if taken[name] {
		name = hashed(name, identity)
	}
	taken[name] = true
	return name
}

// splitText is the part of a path that names its container: the base name, or
// the nearest folder that is not all glob.
func splitText(p annotation.Path) string {
	for at := p.Pattern; at != "/"; at = path.Dir(at) {
		if base := path.Base(at); slug(base) != "" {
			return base
		}
	}
	return "logs"
}
