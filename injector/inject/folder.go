package inject

import (
	"path"
	"slices"
	"strings"
)

// Paths are compared by their components: /var/logs is not under /var/log.

// under tells whether p is folder or lies in it.
func under(p, folder string) bool {
	return p == folder || folder == "/" || strings.HasPrefix(p, folder+"/")
}

// isGlob tells whether a pattern may match more than its own name.
func isGlob(pattern string) bool { return strings.ContainsAny(pattern, `*?[\`) }

// folderOf is the deepest folder of a pattern that holds no glob character: all
// files that match lie in it or below.
func folderOf(pattern string) string {
	folder := path.Dir(pattern)
	for isGlob(folder) {
		folder = path.Dir(folder)
	}
	return folder
}

// anchorOf is what a volume has to be mounted at or above to hold the files.
func anchorOf(pattern string) string {
	if isGlob(pattern) {
		return folderOf(pattern)
	}
	return pattern
}

// reaches tells whether files that match the pattern may lie at or below place.
func reaches(pattern, place string) bool {
	want := strings.Split(pattern, "/")
	for i, part := range strings.Split(place, "/") {
		if i >= len(want) {
			return false
		}
		if want[i] == "**" {
			return true
		}
		if ok, _ := path.Match(want[i], part); !ok {
			return false
		}
	}
	return true
}

// protectedTrees must not be covered, nor anything in them.
var protectedTrees = []string{
	"/bin", "/boot", "/dev", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run/secrets", "/sbin", "/sys",
	"/usr/bin", "/usr/sbin", "/var/run/secrets",
}

// protectedFolders must not be covered as a whole; a folder of the app's in them may.
var protectedFolders = []string{
	"/", "/etc", "/etc/pki", "/etc/ssl", "/home", "/opt", "/root", "/run", "/usr", "/usr/lib", "/usr/lib64", "/usr/libexec",
	"/usr/local", "/usr/local/bin", "/usr/local/lib", "/usr/local/sbin", "/usr/share", "/var", "/var/lib", "/var/run",
}

// protected tells whether an empty volume over folder would break the container.
func protected(folder string) bool {
	return slices.Contains(protectedFolders, folder) ||
		slices.ContainsFunc(protectedTrees, func(tree string) bool { return under(folder, tree) })
}
