package follow

import (
	"os"
	"path"
	"strings"
)

// A link is what a symbolic link on the way to a matching name, or the file at
// its end, stands for.
type link struct {
	name string // the matching name
	id   inode  // the file; zero: there is none now
}

// linksMost is how many links the kernel follows for one name.
const linksMost = 40

// chain are the names that a matching name stands for, one link after the
// other, itself first. Only the last part of a name is looked at: folders that
// are links are the kernel's to follow, and so nothing is cleaned.
func chain(name string) []string {
	names := []string{name}
	for range linksMost {
		to, err := os.Readlink(name)
		if err != nil {
			break
		}
		if !path.IsAbs(to) {
			dir, _ := splitName(name)
			to = join(dir, to)
		}
		name = to
		names = append(names, name)
	}
	return names
}

// splitName cuts an absolute name at its last slash, and cleans nothing.
func splitName(name string) (dir, base string) {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 1)], name[i+1:]
}

// join is the reverse, whether or not dir ends with a slash.
func join(dir, base string) string { return strings.TrimSuffix(dir, "/") + "/" + base }

// link notes where the names behind a matching link stand, so that changes
// there are seen as changes of the link are.
func (e *expansion) link(name string, id inode) {
	for _, n := range chain(name)[1:] {
		dir, base := splitName(n)
		e.dirs[dir] = true
		if e.links == nil {
			e.links = map[string]link{}
		}
		if n := join(dir, base); e.links[n].name == "" {
			e.links[n] = link{name, id}
		}
	}
}
