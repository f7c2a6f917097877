package manifest

import (
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/json"
)

// Pod is a pod or a workload's pod template, as a pod.
type Pod struct {
	Kind      string // of the workload: Pod, Deployment, …
	Name      string // of the workload; empty: it has only a generateName
	Namespace string // of the workload; empty: not said
	Line      int    // of the file, where the workload begins
	Object    *corev1.Pod
	// Around are the annotations of the workload around the template, which
	// reach no pod; nil for a pod.
	Around map[string]string

	document *document
	path     string // JSON pointer from the document to Object
	workload string // and to the workload, which is in a list perhaps
}

// templates says where the kinds of each API group have their pod template.
var templates = map[string]map[string][]string{
	"": {
		"Pod":                   {},
		"ReplicationController": {"spec", "template"},
	},
	"apps": {
		"Deployment":  {"spec", "template"},
		"StatefulSet": {"spec", "template"},
		"DaemonSet":   {"spec", "template"},
		"ReplicaSet":  {"spec", "template"},
	},
	"batch": {
		"Job":     {"spec", "template"},
		"CronJob": {"spec", "jobTemplate", "spec", "template"},
	},
}

// maxLists bounds lists in lists.
const maxLists = 8

// find finds the pods below an object of the document.
func (d *document) find(object *yaml.Node, lists []string, path string) ([]*Pod, error) {
	kind, api := scalar(object, "kind"), scalar(object, "apiVersion")
	if items := child(object, "items"); items != nil && items.Kind == yaml.SequenceNode && strings.HasSuffix(kind, "List") && len(lists) < maxLists {
		var pods []*Pod
		for i, item := range items.Content {
			more, err := d.find(item, append(lists, kind), path+"/items/"+strconv.Itoa(i))
			if err != nil {
				return nil, err
			}
			pods = append(pods, more...)
		}
		return pods, nil
	}
	group, _, ok := strings.Cut(api, "/")
	if !ok {
		group = ""
	}
	steps, ok := templates[group][kind]
	if !ok {
		return nil, nil
	}
	at, workload := object, path
	for _, step := range steps {
		if at = child(at, step); at == nil {
			return nil, nil // an incomplete workload, which is not ours to judge
		}
		path += "/" + step
	}
	metadata := child(object, "metadata")
	p := &Pod{Kind: kind, Name: scalar(metadata, "name"), Namespace: scalar(metadata, "namespace"),
		Line: d.line + object.Line - 1, document: d, path: path, workload: workload, Object: &corev1.Pod{}}
	text, err := toJSON(at)
	if err == nil {
		err = json.UnmarshalCaseSensitivePreserveInts(text, p.Object)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: line %d: %s %s: %w", d.file.Name, p.Line, kind, p.Name, err)
	}
	if len(steps) > 0 {
		p.Around = map[string]string{}
		if a := child(metadata, "annotations"); a != nil && a.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(a.Content); i += 2 {
				p.Around[a.Content[i].Value] = a.Content[i+1].Value
			}
		}
	}
	return []*Pod{p}, nil
}

// child is the value of a key, through aliases; nil: there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			if v := n.Content[i+1]; v.Kind == yaml.AliasNode {
				return v.Alias
			}
			return n.Content[i+1]
		}
	}
	return nil
}

func scalar(n *yaml.Node, key string) string {
	if v := child(n, key); v != nil && v.Kind == yaml.ScalarNode {
		return v.Value
	}
	return ""
}
