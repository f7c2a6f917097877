package manifest

import (
	"cmp"
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

// Unknown is an object with a pod template, of a kind that is not among those of
// which it is known that pods are made like that.
type Unknown struct {
	Kind, Name  string
	Line        int
	Annotations map[string]string // of the template
}

// templates says where the kinds of each API group have their pod template.
var templates = map[string]map[string][]string{
	"": {
		"Pod":                   {},
		"ReplicationController": {"spec", "template"},
		"PodTemplate":           {"template"},
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

// find finds the pods below an object of the document. In a list of one kind, such
// as a PodList, the items need not say what they are.
func (d *document) find(object *yaml.Node, lists []string, path, kind, api string) ([]*Pod, error) {
	kind, api = cmp.Or(scalar(object, "kind"), kind), cmp.Or(scalar(object, "apiVersion"), api)
	if items := child(object, "items"); items != nil && items.Kind == yaml.SequenceNode && strings.HasSuffix(kind, "List") && len(lists) < maxLists {
		var pods []*Pod
		for i, item := range items.Content {
			if item.Kind == yaml.AliasNode {
				item = item.Alias
			}
			more, err := d.find(item, append(lists, kind), path+"/items/"+strconv.Itoa(i), strings.TrimSuffix(kind, "List"), api)
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
		template := child(child(object, "spec"), "template")
		if a := annotationsOf(template); len(a) > 0 && child(child(template, "spec"), "containers") != nil {
			d.file.Unknown = append(d.file.Unknown, Unknown{kind, scalar(child(object, "metadata"), "name"), d.line + object.Line - 1, a})
		}
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
	if key, value := noText(child(child(at, "metadata"), "annotations")); key != nil {
		return nil, fmt.Errorf("%s: line %d: %s %s: line %d: the value of the annotation %s has to be a text; write it in quotes: %q",
			d.file.Name, p.Line, kind, p.Name, d.line+key.Line-1, key.Value, value.Value)
	}
	w := jsonWriter{above: d.line - 1}
	err := w.value(at, 0)
	if err == nil {
		err = json.UnmarshalCaseSensitivePreserveInts(w.out.Bytes(), p.Object)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: line %d: %s %s: %w", d.file.Name, p.Line, kind, p.Name, err)
	}
	if len(steps) > 0 {
		p.Around = annotationsOf(object)
	}
	return []*Pod{p}, nil
}

// annotationsOf are an object's annotations, as they are written.
func annotationsOf(object *yaml.Node) map[string]string {
	annotations := map[string]string{}
	if a := child(child(object, "metadata"), "annotations"); a != nil && a.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(a.Content); i += 2 {
			annotations[a.Content[i].Value] = a.Content[i+1].Value
		}
	}
	return annotations
}

// noText is the first of annotations whose value is true or a number, as they are
// often written, and its key; nil: none is.
func noText(annotations *yaml.Node) (key, value *yaml.Node) {
	if annotations == nil || annotations.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(annotations.Content); i += 2 {
		k, v := annotations.Content[i], annotations.Content[i+1]
		if v.Kind != yaml.ScalarNode {
			continue
		}
		if json, err := toJSON(v); err == nil && json[0] != '"' && string(json) != "null" {
			return k, v
		}
	}
	return nil, nil
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
