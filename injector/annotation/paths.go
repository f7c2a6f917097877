package annotation

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation"

	"logging.taco/sidecar/config"
)

const (
	maxPaths = 100      // more is a mistake, and each may become a container
	maxPath  = 4096     // PATH_MAX
	maxValue = 32 << 10 // all annotations of a pod have 256 KiB, and the status is one of them
)

// parsePaths reads the value of the paths annotation. Items are separated by a
// comma, a newline, or a comma at the end of a line; the value may end with a
// newline, as YAML's block style makes it.
func parsePaths(value string) ([]Path, Errors) {
	items := splitItems(value)
	if len(items) > maxPaths {
		return nil, Errors{{Place: Place{Key: Paths}, Value: value, Kind: InvalidValue,
			Reason: fmt.Sprintf("%d items, more than the %d that one pod may have; use globs", len(items), maxPaths)}}
	}
	var paths []Path
	var errs Errors
	for i, item := range items {
		p, fault := parsePath(item)
		p.Place = Place{Key: Paths, Position: i + 1}
		if same := find(paths, p); fault == "" && same != nil {
			fault = fmt.Sprintf("the same as item %d", same.Position)
		}
		if fault != "" {
			errs = append(errs, &Error{Place: p.Place, Value: item, Kind: InvalidValue, Reason: fault})
			continue
		}
		paths = append(paths, p)
	}
	return paths, errs
}

// find is the one of the paths that is the same as p, or nil.
func find(paths []Path, p Path) *Path {
	i := slices.IndexFunc(paths, func(q Path) bool { return q.Container == p.Container && q.Pattern == p.Pattern })
	if i < 0 {
		return nil
	}
	return &paths[i]
}

func splitItems(value string) []string {
	var items []string
	lines := strings.Split(strings.TrimRight(value, " \t\r\n"), "\n")
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if i < len(lines)-1 && line != "," {
			line = strings.TrimSuffix(line, ",")
		}
		for item := range strings.SplitSeq(line, ",") {
			items = append(items, strings.TrimSpace(item))
		}
	}
	return items
}

var braces = regexp.MustCompile(`\{[^{}]*,[^{}]*\}`)

// realBraces are those of file names.
var realBraces = strings.NewReplacer("[{]", "", "[}]", "", `\{`, "", `\}`, "")

// alternatives tells whether a pattern has a shell's {a,b} in it, or a half of one
// that was cut at its comma.
func alternatives(pattern string) bool {
	rest := realBraces.Replace(pattern)
	if strings.Count(rest, "{") != strings.Count(rest, "}") {
		return true
	}
	return braces.MatchString(rest)
}

// parsePath reads one item; the second result says what is wrong with it.
func parsePath(item string) (Path, string) {
	if item == "" {
		return Path{}, "empty; give an absolute file or glob, or take out the separator"
	}
	p := Path{Pattern: item}
	if !strings.HasPrefix(item, "/") {
		if owner, rest, ok := strings.Cut(item, ":"); ok {
			if faults := validation.IsDNS1123Label(owner); len(faults) > 0 {
				return p, "what stands before the colon is not a container's name"
			}
			p.Container, p.Pattern = owner, strings.TrimSpace(rest)
		}
	}
	switch {
	case alternatives(p.Pattern):
		return p, "braces have no meaning here; write each path out, or a real brace as [{]"
	case !strings.HasPrefix(p.Pattern, "/"):
		return p, "not an absolute path; begin it with /"
	case strings.HasSuffix(p.Pattern, "/."):
		return p, "this is a folder; name its files, for example with *.log"
	case len(p.Pattern) > maxPath:
		return p, fmt.Sprintf("longer than %d bytes", maxPath)
	case strings.ContainsFunc(p.Pattern, unicode.IsControl):
		return p, "holds a control character"
	}
	// The sidecar's own rules: .., a folder, a broken glob, bytes that are no text.
	c := config.Default()
	c.Sources = []config.Source{{Paths: []string{p.Pattern}}}
	if err := c.Validate(); err != nil {
		var at *config.FieldError
		if errors.As(err, &at) {
			return p, at.Reason
		}
		return p, err.Error()
	}
	p.Pattern = path.Clean(p.Pattern)
	return p, ""
}
