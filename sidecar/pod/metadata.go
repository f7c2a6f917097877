package pod

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"logging.taco/sidecar/record/jsontext"
)

// Bounds on what each document carries. A value beyond its bound is left out as
// a whole: a part of one would be found by no search for it, and a JSON text in
// an annotation would be none.
const (
	maxValue  = 1 << 10 // bytes of one label's or annotation's value
	maxObject = 8 << 10 // bytes of all labels, and of all annotations, as JSON
	maxFile   = 2 << 20 // the API takes 256 KiB of annotations, which quoting makes up to four times as long
)

// unwantedAnnotation are those that say nothing about the pod: our own, kubectl's
// copy of the whole manifest, and what the kubelet notes for itself about where
// and when it has seen the pod, which no API server knows.
func unwantedAnnotation(key string) bool {
	return strings.HasPrefix(key, "logging.taco/") || strings.HasPrefix(key, "kubernetes.io/config.") ||
		key == "kubectl.kubernetes.io/last-applied-configuration"
}

// metadata is one file of the folder: labels or annotations.
type metadata struct {
	file     string
	unwanted func(key string) bool // nil: all are wanted

	stamp   fs.FileInfo // of the file that json is from; nil: not read yet
	json    []byte      // the object; empty where there is nothing in it
	omitted []string    // keys left out for their size
	err     error       // why the last look did not get at the file's content
}

// read reads the file if it is another one than before. The kubelet swaps a
// link to the folder that the file is in, so a change is a file of another
// inode; one that is written in place has another size or time. A file that is
// not understood changes nothing and is tried again the next time.
func (m *metadata) read() (changed bool) {
	if m.file == "" {
		return false
	}
	// Before the reading: what changes after it is found by the next look.
	info, err := os.Stat(m.file)
	if err != nil {
		m.err = fmt.Errorf("look at the pod's metadata: %w", err)
		return false
	}
	if m.err == nil && m.stamp != nil && os.SameFile(info, m.stamp) && info.Size() == m.stamp.Size() && info.ModTime().Equal(m.stamp.ModTime()) {
		return false
	}
	pairs, omitted, err := m.pairs(info)
	if err != nil {
		m.err = fmt.Errorf("read the pod's metadata: %s: %w", m.file, err)
		return false
	}
	m.stamp, m.err = info, nil
	before := m.json
	m.json, m.omitted = object(pairs, omitted)
	return !bytes.Equal(before, m.json)
}

// pairs reads the file; the error does not name it.
func (m *metadata) pairs(info fs.FileInfo) (pairs []pair, omitted []string, err error) {
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("this is no regular file (%v)", info.Mode().Type())
	}
	if info.Size() > maxFile {
		return nil, nil, fmt.Errorf("its %d bytes are more than labels or annotations can have", info.Size())
	}
	f, err := os.Open(m.file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	return parse(f, m.unwanted)
}

// object writes the pairs as a JSON object, sorted by key, and adds to omitted
// what finds no room in it.
func object(pairs []pair, omitted []string) ([]byte, []string) {
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.key, b.key) })
	out := []byte{'{'}
	taken := map[string]bool{}
	for _, p := range pairs {
		name := strings.ReplaceAll(p.key, ".", "_")
		if taken[name] {
			continue
		}
		before := len(out)
		out = append(jsontext.AppendString(out, []byte(name)), ':')
		out = append(jsontext.AppendString(out, []byte(p.value)), ',')
		if len(out) > maxObject {
			out, omitted = out[:before], append(omitted, p.key)
			continue
		}
		taken[name] = true
	}
	slices.Sort(omitted)
	if len(taken) == 0 {
		return nil, omitted
	}
	out[len(out)-1] = '}' // over the last comma
	return slices.Clip(out), omitted
}
