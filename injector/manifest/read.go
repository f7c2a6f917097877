package manifest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Read parses the named files in order. A folder stands for the .yaml, .yml and
// .json files in it, sorted; - stands for stdin.
func Read(names []string, stdin io.Reader) ([]*File, error) {
	var files []*File
	for _, name := range names {
		if name == "-" {
			text, err := io.ReadAll(stdin)
			if err != nil {
				return nil, fmt.Errorf("read standard input: %w", err)
			}
			f, err := Parse("standard input", text)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
			continue
		}
		in, err := list(name)
		if err != nil {
			return nil, err
		}
		for _, name := range in {
			text, err := os.ReadFile(name)
			if err != nil {
				return nil, fmt.Errorf("read the manifests: %w", err)
			}
			f, err := Parse(name, text)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
		}
	}
	return files, nil
}

// list is the file itself, or the manifests in a folder.
func list(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	entries, err := os.ReadDir(name) // sorted
	if err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name())) {
			continue
		}
		in := filepath.Join(name, e.Name())
		info, err := os.Stat(in)
		if err != nil {
			return nil, fmt.Errorf("read the manifests: %w", err)
		}
		if info.Mode().IsRegular() { // no folder behind a link, and no pipe, which might never end
			names = append(names, in)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("read the manifests: %s has no .yaml, .yml or .json files", name)
	}
	return names, nil
}
