package follow

import (
	"os"
	"path"
	"slices"
	"strings"
)

// expansion is what a pattern stands for right now.
type expansion struct {
	paths []string        // matching names, sorted within a folder
	dirs  map[string]bool // folders whose changes can change the result; true: their files can match
	links map[string]link // names outside the pattern for which matching ones stand; see link
	// unreadable folders, with the reason
	faults map[string]error
}

// expand finds the names that match an absolute pattern. A component `**`
// stands for any number of folders, none included; symbolic links to folders
// are followed, but not into a loop.
func (e *expansion) expand(pattern string) {
	e.walk("/", split(pattern), nil)
}

func (e *expansion) walk(dir string, parts []string, above []inode) {
	part, rest := parts[0], parts[1:]
	if part == "**" {
		if len(rest) == 0 {
			rest = []string{"*"}
		}
		st, err := statPath(dir)
		if err != nil || slices.Contains(above, st.id) {
			return
		}
		above = append(slices.Clip(above), st.id)
		e.walk(dir, rest, above)
		for _, name := range e.list(dir, false) {
			if child := path.Join(dir, name); isDir(child) {
				e.walk(child, parts, above)
			}
		}
		return
	}
	if !strings.ContainsAny(part, `*?[\`) {
		if child := path.Join(dir, part); len(rest) == 0 {
			e.dirs[dir] = true
			e.paths = append(e.paths, child)
		} else if isDir(child) {
			e.walk(child, rest, above)
		} else if _, known := e.dirs[dir]; !known {
			e.dirs[dir] = false // where it may appear
		}
		return
	}
	for _, name := range e.list(dir, len(rest) == 0) {
		if ok, _ := path.Match(part, name); ok && (name[0] != '.' || part[0] == '.') {
			e.step(path.Join(dir, name), rest, above)
		}
	}
}

func (e *expansion) step(name string, rest []string, above []inode) {
	if len(rest) == 0 {
		e.paths = append(e.paths, name)
	} else if isDir(name) {
		e.walk(name, rest, above)
	}
}

// list reads a folder's names, sorted.
func (e *expansion) list(dir string, files bool) []string {
	e.dirs[dir] = e.dirs[dir] || files
	d, err := os.Open(dir)
	if err != nil {
		if !os.IsNotExist(err) {
			e.faults[dir] = err
		}
		return nil
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		e.faults[dir] = err
	}
	slices.Sort(names)
	return names
}

func isDir(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}

// leadsTo tells whether an absolute pattern may stand for something at or
// below the name.
func leadsTo(pattern, name string) bool {
	p, n := split(pattern), split(name)
	for i := range n {
		if i == len(p) {
			return false
		}
		if p[i] == "**" {
			return true
		}
		if ok, _ := path.Match(p[i], n[i]); !ok {
			return false
		}
	}
	return true
}

func split(name string) []string {
	return strings.Split(strings.TrimPrefix(path.Clean(name), "/"), "/")
}

// matches tells whether an absolute pattern stands for the name, which need not exist.
func matches(pattern, name string) bool {
	return matchParts(split(pattern), split(name))
}

func matchParts(pattern, name []string) bool {
	for i, p := range pattern {
		if p == "**" {
			if i == len(pattern)-1 {
				return len(name) > i
			}
			for skip := i; skip < len(name); skip++ {
				if matchParts(pattern[i+1:], name[skip:]) {
					return true
				}
			}
			return false
		}
		if i >= len(name) {
			return false
		}
		if ok, _ := path.Match(p, name[i]); !ok {
			return false
		}
	}
	return len(pattern) == len(name)
}
