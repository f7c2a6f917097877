package inject_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"logging.taco/injector/inject"
	"logging.taco/injector/profile"
	"logging.taco/sidecar/config"
)

// An injected pod comes back when another webhook has changed it (reinvocation)
// or when it is copied from the cluster. What others did to it is no reason for
// a patch.

func annotated(annotations ...string) *corev1.Pod {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}}}
	pod.Annotations = map[string]string{"logging.taco/paths": "/var/log/app.log"}
	for i := 0; i < len(annotations); i += 2 {
		pod.Annotations["logging.taco/"+annotations[i]] = annotations[i+1]
	}
	return pod
}

// shipping is a profile with an output, so that pods may ship.
var shipping = func() profile.Profile {
	p := profile.Default()
	o := profile.Output{Output: config.DefaultOutput(), Secret: "search"}
	o.To = []string{"https://elasticsearch.logging:9200"}
	p.Outputs, p.DefaultOutput = map[string]profile.Output{"search": o}, "search"
	return p
}()

func injected(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	after, report := inject.Inject(pod, "default", shipping)
	if !report.Injected() {
		t.Fatal(report.Message())
	}
	return after.DeepCopy()
}

func sidecarOf(pod *corev1.Pod) *corev1.Container {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if list[i].Name == "taco-logs" || list[i].Name == "taco-ship" {
				return &list[i]
			}
		}
	}
	return nil
}

func TestReadmission(t *testing.T) {
	proxy := corev1.Container{Name: "istio-proxy", Image: "proxy"}
	for name, change := range map[string]func(pod *corev1.Pod){
		"nothing": func(*corev1.Pod) {},
		"the API server's defaults": func(pod *corev1.Pod) {
			pod.Spec.RestartPolicy, pod.Spec.DNSPolicy = corev1.RestartPolicyAlways, corev1.DNSClusterFirst
			pod.Spec.Containers[0].TerminationMessagePath = "/dev/termination-log"
		},
		"a service account's token, also in the sidecar": func(pod *corev1.Pod) {
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "kube-api-access-x"})
			m := corev1.VolumeMount{Name: "kube-api-access-x", MountPath: "/elsewhere", ReadOnly: true}
			for _, c := range []*corev1.Container{&pod.Spec.Containers[0], sidecarOf(pod)} {
				c.VolumeMounts = append(c.VolumeMounts, m)
			}
		},
		"a variable in every container": func(pod *corev1.Pod) {
			for _, c := range []*corev1.Container{&pod.Spec.Containers[0], sidecarOf(pod)} {
				c.Env = append([]corev1.EnvVar{{Name: "AGENT_HOST", Value: "h"}}, c.Env...)
			}
		},
		"a LimitRange's defaults": func(pod *corev1.Pod) {
			sidecarOf(pod).Resources.Limits["cpu"] = resource.MustParse("1")
			sidecarOf(pod).Resources.Requests["ephemeral-storage"] = resource.MustParse("1Gi")
		},
		"OpenShift's labels": func(pod *corev1.Pod) {
			sidecarOf(pod).SecurityContext.SELinuxOptions = &corev1.SELinuxOptions{Level: "s0:c1"}
		},
		"a container before the app": func(pod *corev1.Pod) {
			pod.Spec.Containers = slices.Insert(pod.Spec.Containers, 0, proxy)
		},
		"a container after all": func(pod *corev1.Pod) {
			pod.Spec.Containers = append(pod.Spec.Containers, proxy)
		},
		"volumes before and after ours": func(pod *corev1.Pod) {
			pod.Spec.Volumes = slices.Insert(pod.Spec.Volumes, 0, corev1.Volume{Name: "a"})
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "b"})
		},
		"a mount before ours": func(pod *corev1.Pod) {
			c := &pod.Spec.Containers[0]
			c.VolumeMounts = slices.Insert(c.VolumeMounts, 0, corev1.VolumeMount{Name: "x", MountPath: "/x"})
		},
		"an init container after ours": func(pod *corev1.Pod) {
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, proxy)
		},
	} {
		for _, native := range []string{"true", "false"} {
			for _, mode := range []string{"stream", "ship"} {
				t.Run(name+", native "+native+", "+mode, func(t *testing.T) {
					pod := injected(t, annotated("native", native, "mode", mode))
					change(pod)
					again, report := inject.Inject(pod, "default", shipping)
					if !report.Injected() {
						t.Fatal(report.Message())
					}
					if ops, _ := inject.Patch(pod, again); len(ops) > 0 {
						t.Errorf("patched:\n%s", lines(t, ops))
					}
				})
			}
		}
	}
}

// A native sidecar goes back to the front, and nothing else moves.
func TestReadmissionFront(t *testing.T) {
	pod := injected(t, annotated())
	pod.Spec.InitContainers = slices.Insert(pod.Spec.InitContainers, 0, corev1.Container{Name: "istio-init"})
	again, _ := inject.Inject(pod, "default", profile.Default())
	if again.Spec.InitContainers[0].Name != "taco-logs" {
		t.Error("the sidecar does not see what istio-init writes")
	}
	ops, _ := inject.Patch(pod, again)
	if len(ops) != 2 || ops[0].Operation != "remove" || ops[0].Path != "/spec/initContainers/1" || ops[1].Path != "/spec/initContainers/0" {
		t.Errorf("%s", lines(t, ops))
	}
}

// What counts is what is wanted now, not what was done then.
func TestReadmissionRepairs(t *testing.T) {
	for name, change := range map[string]func(pod *corev1.Pod){
		"the sidecar's image":  func(pod *corev1.Pod) { sidecarOf(pod).Image = "evil" },
		"its arguments":        func(pod *corev1.Pod) { sidecarOf(pod).Args = []string{"rm"} },
		"its command":          func(pod *corev1.Pod) { sidecarOf(pod).Command = []string{"sh"} },
		"its rights":           func(pod *corev1.Pod) { sidecarOf(pod).SecurityContext.Privileged = new(true) },
		"its config":           func(pod *corev1.Pod) { sidecarOf(pod).Env[0].Value = "" },
		"a mount that is gone": func(pod *corev1.Pod) { pod.Spec.Containers[0].VolumeMounts = nil },
		"the container that is gone": func(pod *corev1.Pod) {
			pod.Spec.InitContainers = nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := injected(t, annotated())
			pod := want.DeepCopy()
			change(pod)
			got, report := inject.Inject(pod, "default", profile.Default())
			if !report.Injected() || !reflect.DeepEqual(got, want) {
				t.Errorf("%s\n%s\nnot\n%s", report.Message(), marshal(t, got), marshal(t, want))
			}
		})
	}
}

// Other annotations on an injected pod give what they give on a fresh one.
func TestReadmissionChanged(t *testing.T) {
	pod := injected(t, annotated("split", "true"))
	pod.Annotations["logging.taco/paths"] = "/srv/logs/*.log"
	delete(pod.Annotations, "logging.taco/split")
	got, _ := inject.Inject(pod, "default", profile.Default())
	if want := injected(t, annotated("paths", "/srv/logs/*.log")); !reflect.DeepEqual(got, want) {
		t.Errorf("%s\nnot\n%s", marshal(t, got), marshal(t, want))
	}
}

// From shipping to streaming, or to another output, nothing stays behind.
func TestReadmissionMode(t *testing.T) {
	pod := injected(t, annotated("mode", "ship"))
	delete(pod.Annotations, "logging.taco/mode")
	got, _ := inject.Inject(pod, "default", shipping)
	if want := injected(t, annotated()); !reflect.DeepEqual(got, want) {
		t.Errorf("%s\nnot\n%s", marshal(t, got), marshal(t, want))
	}
	pod = injected(t, annotated("mode", "ship"))
	open := shipping
	o := shipping.Outputs["search"]
	o.Secret = ""
	open.Outputs = map[string]profile.Output{"search": o}
	got, _ = inject.Inject(pod, "default", open)
	if want, _ := inject.Inject(annotated("mode", "ship"), "default", open); !reflect.DeepEqual(got, want) {
		t.Errorf("%s\nnot\n%s", marshal(t, got), marshal(t, want))
	}
}

// A mesh's proxy that another webhook puts in later is still before a sidecar
// that ships, and after one that streams: that of Istio, Linkerd, Kuma or Consul.
func TestReadmissionBesideProxy(t *testing.T) {
	for _, proxy := range []string{"istio-proxy", "linkerd-proxy", "kuma-sidecar", "consul-dataplane"} {
		for mode, want := range map[string][]string{"stream": {"taco-logs", proxy}, "ship": {proxy, "taco-ship"}} {
			for at := range 2 {
				pod := injected(t, annotated("mode", mode))
				always := corev1.ContainerRestartPolicyAlways
				pod.Spec.InitContainers = slices.Insert(pod.Spec.InitContainers, at, corev1.Container{Name: proxy, Image: "proxy", RestartPolicy: &always})
				again, _ := inject.Inject(pod, "default", shipping)
				var got []string
				for _, c := range again.Spec.InitContainers {
					got = append(got, c.Name)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s, proxy at %d: %q, not %q", mode, at, got, want)
				}
			}
		}
	}
}

// A status that names volumes of the user's own does not take them out.
func TestForgedVolumes(t *testing.T) {
	pod := injected(t, annotated("mode", "ship"))
	mine := []corev1.Volume{
		{Name: "taco-keys", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "mine"}}},
		{Name: "taco-about", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{}}},
	}
	pod.Spec.Volumes = append(pod.Spec.Volumes, mine...)
	pod.Annotations["logging.taco/status"] = strings.Replace(pod.Annotations["logging.taco/status"], `"volumes":[`, `"volumes":["taco-keys","taco-about",`, 1)
	before, report := inject.Uninject(pod)
	if !reflect.DeepEqual(before.Spec.Volumes, mine) {
		t.Errorf("left are %s: %v", marshal(t, before.Spec.Volumes), report.Findings)
	}
}

// What an earlier injection needed and this one does not is gone, however it got there.
func TestReadmissionForgets(t *testing.T) {
	pod := annotated("paths", "/logs/app.log")
	c := &pod.Spec.Containers[0]
	c.Env = []corev1.EnvVar{{Name: "ZONE", Value: "z"}}
	c.VolumeMounts = []corev1.VolumeMount{{Name: "logs", MountPath: "/logs", SubPathExpr: "$(ZONE)"}}
	fresh := pod.DeepCopy()
	pod = injected(t, pod)
	for _, p := range []*corev1.Pod{pod, fresh} {
		p.Annotations["logging.taco/paths"] = "/var/log/app.log"
	}
	got, _ := inject.Inject(pod, "default", profile.Default())
	if want := injected(t, fresh); !reflect.DeepEqual(got, want) {
		t.Errorf("%s\nnot\n%s", marshal(t, got), marshal(t, want))
	}
}
