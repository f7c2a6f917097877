package inject

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
)

// copyVariables gives the sidecar the owner's variables that a subPathExpr
// names, and those that these name in turn, as the kubelet expands the
// expression from the environment of the container that has the mount.
func (w *work) copyVariables(g *group, owner *corev1.Container, expression string) {
	needed := map[string]bool{}
	var visit func(text string)
	visit = func(text string) {
		for _, name := range variables(text) {
			if needed[name] {
				continue
			}
			needed[name] = true
			i := lastEnv(owner.Env, name)
			if i < 0 {
				w.r.add(Denied, UnresolvedSubPath, annotation.Paths, expression,
					"the subPathExpr of container %s names the variable %s, which its env does not have (envFrom cannot be looked into); add it to env", owner.Name, name)
				continue
			}
			visit(owner.Env[i].Value)
		}
	}
	visit(expression)
	for i, e := range owner.Env { // in the owner's order, as a variable may name only earlier ones
		if !needed[e.Name] || i != lastEnv(owner.Env, e.Name) {
			continue
		}
		at := lastEnv(g.env, e.Name)
		switch {
		case e.Name == configVariable || lastEnv(g.shipEnv(), e.Name) >= 0:
			w.r.add(Denied, UnresolvedSubPath, annotation.Paths, expression, "the variable %s belongs to the sidecar", e.Name)
		case at < 0:
			g.env = append(g.env, *e.DeepCopy())
		case !sameJSON(g.env[at], e):
			w.r.add(Denied, UnresolvedSubPath, annotation.Paths, expression,
				"the variable %s differs between containers of one sidecar; use %sone value in both", e.Name, g.orSplit(", or "))
		}
	}
}

func lastEnv(env []corev1.EnvVar, name string) int {
	for i, e := range slices.Backward(env) {
		if e.Name == name {
			return i
		}
	}
	return -1
}

// variables are the names in $(NAME), which $$( escapes.
func variables(text string) []string {
	var names []string
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '$' {
			continue
		}
		if text[i+1] == '(' {
			if end := strings.IndexByte(text[i:], ')'); end > 0 {
				names = append(names, text[i+2:i+end])
				i += end
			}
			continue
		}
		if text[i+1] == '$' {
			i++
		}
	}
	return names
}
