// Package pod knows the pod that the sidecar runs in, as far as documents say
// it: its name, namespace, UID and node, its labels and annotations. All of it
// comes from the downward API, so that no access to the API server is needed:
// environment variables for what never changes, and a folder with the files
// labels and annotations for what may change while the pod runs.
//
//	p := pod.New(c.Pod, os.Getenv)
//	…
//	p.Refresh(now) // before each batch; looks at the files every few seconds
//	out = p.AppendJSON(append(out, `"kubernetes":`...), source.Container)
//
// The object has the names and types of the node agent's documents, so that one
// search finds both:
//
//	{"pod_name":…,"namespace_name":…,"pod_id":…,"host":…,"container_name":…,
//	 "labels":{…},"annotations":{…}}
//
// Dots in keys become underscores, since a search engine takes app beside
// app.kubernetes.io/name for a value and an object of one name. Where two keys
// become the same, the first in sorted order is kept. Values are always strings.
// What is not known is left out.
package pod

import (
	"errors"
	"time"

	"logging.taco/sidecar/config"
	"logging.taco/sidecar/record/jsontext"
)

// Pod is the metadata of one pod. It is not safe for use by several goroutines
// while Refresh runs.
type Pod struct {
	name, namespace, uid, node string

	labels, annotations metadata
	looked              time.Time // when Refresh last looked at the files

	head []byte // of the object, up to the container: `"pod_name":"…","namespace_name":"…",`
	tail []byte // what follows the container: `"labels":{…},"annotations":{…},`
}

// New takes what getenv knows (the variables in package config) and what the
// files in dir say now; an empty dir has none. It never fails: what is not there
// is left out, and Err tells why a file was not read.
func New(dir string, getenv func(string) string) *Pod {
	p := &Pod{
		name:      getenv(config.EnvPodName),
		namespace: getenv(config.EnvPodNamespace),
		uid:       getenv(config.EnvPodUID),
		node:      getenv(config.EnvNodeName),
	}
	for _, field := range []struct{ key, value string }{
		{"pod_name", p.name}, {"namespace_name", p.namespace}, {"pod_id", p.uid}, {"host", p.node},
	} {
		p.head = appendField(p.head, field.key, field.value)
	}
	if dir != "" {
		p.labels.file = dir + "/" + config.PodLabels
		p.annotations.file = dir + "/" + config.PodAnnotations
		p.annotations.unwanted = unwantedAnnotation
		p.read()
	}
	return p
}

// Name is the pod's name; empty where it is not known, as all that follow.
func (p *Pod) Name() string { return p.name }

// Namespace is the pod's namespace.
func (p *Pod) Namespace() string { return p.namespace }

// UID tells the pod from all others, also from one of the same name.
func (p *Pod) UID() string { return p.uid }

// Node is the name of the pod's node.
func (p *Pod) Node() string { return p.node }

// Present tells whether anything is known.
func (p *Pod) Present() bool { return len(p.head)+len(p.tail) > 0 }

// Err tells why labels or annotations are not known, or no longer up to date;
// nil when the last look found nothing wrong.
func (p *Pod) Err() error { return errors.Join(p.labels.err, p.annotations.err) }

// Omitted are the keys of labels and annotations that are left out for their size.
func (p *Pod) Omitted() []string {
	return append(append([]string(nil), p.labels.omitted...), p.annotations.omitted...)
}

// every is how often Refresh looks at the files: the kubelet itself takes up to
// a minute to bring a change.
const every = 5 * time.Second

// Refresh looks whether labels or annotations have changed, at most every few
// seconds of the caller's clock, and reads them again. Where they cannot be
// read, the last ones stay.
func (p *Pod) Refresh(now time.Time) (changed bool) {
	if since := now.Sub(p.looked); p.labels.file == "" || since >= 0 && since < every {
		return false
	}
	p.looked = now
	return p.read()
}

func (p *Pod) read() (changed bool) {
	labels, annotations := p.labels.read(), p.annotations.read()
	if !labels && !annotations {
		return false
	}
	p.tail = p.tail[:0]
	for _, m := range []struct {
		key  string
		json []byte
	}{{"labels", p.labels.json}, {"annotations", p.annotations.json}} {
		if len(m.json) > 0 {
			p.tail = append(p.tail, '"')
			p.tail = append(p.tail, m.key...)
			p.tail = append(p.tail, `":`...)
			p.tail = append(append(p.tail, m.json...), ',')
		}
	}
	return true
}

// AppendJSON appends the object, on one line. The container is the one that owns
// the file of the record, not the sidecar's own; it may be empty.
func (p *Pod) AppendJSON(out []byte, container string) []byte {
	start := len(out)
	out = append(append(out, '{'), p.head...)
	out = appendField(out, "container_name", container)
	out = append(out, p.tail...)
	if end := len(out) - 1; end > start {
		out[end] = '}' // over the last comma
		return out
	}
	return append(out, '}')
}

// appendField appends `"key":"value",` or, without a value, nothing.
func appendField(out []byte, key, value string) []byte {
	if value == "" {
		return out
	}
	out = append(append(append(out, '"'), key...), `":`...)
	return append(jsontext.AppendString(out, []byte(value)), ',')
}
