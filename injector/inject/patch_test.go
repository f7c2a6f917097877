package inject_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/inject"
)

// Each patch is as small as it can be, and in the order in which it applies.
func TestPatch(t *testing.T) {
	base := func() *corev1.Pod {
		return &corev1.Pod{Spec: corev1.PodSpec{
			Volumes: []corev1.Volume{{Name: "v"}, {Name: "w"}},
			Containers: []corev1.Container{
				{Name: "a", VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/1"}, {Name: "v", MountPath: "/2"}}},
				{Name: "b", Image: "b", Env: []corev1.EnvVar{{Name: "c", Value: "d"}}},
				{Name: "taco-x", Image: "x", VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/x"}}},
			},
		}}
	}
	for _, test := range []struct {
		title  string
		change func(pod *corev1.Pod)
		want   string
	}{
		{"nothing", func(*corev1.Pod) {}, ""},
		{"the first annotation", func(p *corev1.Pod) { p.Annotations = map[string]string{"a/b~c": "d"} },
			`{"op":"add","path":"/metadata/annotations","value":{"a/b~c":"d"}}` + "\n"},
		{"two containers around another", func(p *corev1.Pod) {
			p.Spec.Containers = []corev1.Container{{Name: "x"}, p.Spec.Containers[0], {Name: "y"}, p.Spec.Containers[1], p.Spec.Containers[2], {Name: "z"}}
		}, `{"op":"add","path":"/spec/containers/0","value":{"name":"x","resources":{}}}
{"op":"add","path":"/spec/containers/2","value":{"name":"y","resources":{}}}
{"op":"add","path":"/spec/containers/-","value":{"name":"z","resources":{}}}
`},
		{"a volume that is mounted twice, mounted once more", func(p *corev1.Pod) {
			m := &p.Spec.Containers[0].VolumeMounts
			*m = []corev1.VolumeMount{(*m)[0], {Name: "v", MountPath: "/3"}, (*m)[1]}
		}, `{"op":"add","path":"/spec/containers/0/volumeMounts/1","value":{"mountPath":"/3","name":"v"}}` + "\n"},
		{"removal from the back, then addition", func(p *corev1.Pod) { p.Spec.Volumes = []corev1.Volume{{Name: "x"}, {Name: "y"}} },
			`{"op":"remove","path":"/spec/volumes/1"}
{"op":"remove","path":"/spec/volumes/0"}
{"op":"add","path":"/spec/volumes/-","value":{"name":"x"}}
{"op":"add","path":"/spec/volumes/-","value":{"name":"y"}}
`},
		{"a number in its own digits", func(p *corev1.Pod) {
			p.Spec.Containers[1].SecurityContext = &corev1.SecurityContext{RunAsUser: new(int64(9007199254740993))}
		}, `{"op":"add","path":"/spec/containers/1/securityContext","value":{"runAsUser":9007199254740993}}` + "\n"},
		{"a field in an element that moves on", func(p *corev1.Pod) {
			p.Spec.Containers[1].Image = "i"
			p.Spec.Containers = append([]corev1.Container{{Name: "x"}}, p.Spec.Containers...)
		}, `{"op":"add","path":"/spec/containers/0","value":{"name":"x","resources":{}}}
{"op":"replace","path":"/spec/containers/2/image","value":"i"}
`},
		{"a list without names", func(p *corev1.Pod) { p.Spec.Containers[0].Args = []string{"x"} },
			`{"op":"add","path":"/spec/containers/0/args","value":["x"]}` + "\n"},
		{"an order of others, which is not ours to keep apart", func(p *corev1.Pod) {
			p.Spec.Volumes[0], p.Spec.Volumes[1] = p.Spec.Volumes[1], p.Spec.Volumes[0]
		}, `{"op":"replace","path":"/spec/volumes","value":[{"name":"w"},{"name":"v"}]}` + "\n"},
		{"an order of containers with everything in them", func(p *corev1.Pod) {
			p.Spec.Containers[0], p.Spec.Containers[1] = p.Spec.Containers[1], p.Spec.Containers[0]
		}, `{"op":"replace","path":"/spec/containers","value":[{"env":[{"name":"c","value":"d"}],"image":"b","name":"b","resources":{}},{"name":"a","resources":{},"volumeMounts":[{"mountPath":"/1","name":"v"},{"mountPath":"/2","name":"v"}]},{"image":"x","name":"taco-x","resources":{},"volumeMounts":[{"mountPath":"/x","name":"v"}]}]}` + "\n"},
		{"one of ours that moves, with everything in it", func(p *corev1.Pod) {
			c := p.Spec.Containers
			p.Spec.Containers = []corev1.Container{c[2], c[0], c[1]}
		}, `{"op":"remove","path":"/spec/containers/2"}
{"op":"add","path":"/spec/containers/0","value":{"image":"x","name":"taco-x","resources":{},"volumeMounts":[{"mountPath":"/x","name":"v"}]}}
`},
		{"what Inject never touches", func(p *corev1.Pod) {
			p.Labels, p.Spec.HostNetwork, p.Status.Phase = map[string]string{"a": "b"}, true, "Failed"
		}, `{"op":"add","path":"/metadata/labels","value":{"a":"b"}}
{"op":"add","path":"/spec/hostNetwork","value":true}
{"op":"add","path":"/status/phase","value":"Failed"}
`},
		{"a variable of a container, and a mount", func(p *corev1.Pod) {
			p.Spec.Containers[2].Env = []corev1.EnvVar{{Name: "e"}}
			p.Spec.Containers[2].VolumeMounts[0].ReadOnly = true
		}, `{"op":"add","path":"/spec/containers/2/env","value":[{"name":"e"}]}
{"op":"add","path":"/spec/containers/2/volumeMounts/0/readOnly","value":true}
`},
	} {
		before, after := base(), base()
		test.change(after)
		ops, err := inject.Patch(before, after)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(lines(t, ops)); got != test.want {
			t.Errorf("%s:\n%snot\n%s", test.title, got, test.want)
		}
		if !jsonEqual(t, apply(t, marshal(t, before), before, after), marshal(t, after)) {
			t.Errorf("%s: the patch does not give the result", test.title)
		}
	}
}

func BenchmarkInjectAndPatch(b *testing.B) {
	pod := annotated("paths", "/var/log/1.log,/var/log/2.log", "split", "true")
	for b.Loop() {
		after, _ := inject.Inject(pod, "default", defaultProfile)
		if _, err := inject.Patch(pod, after); err != nil {
			b.Fatal(err)
		}
	}
}
