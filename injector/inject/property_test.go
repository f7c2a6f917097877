package inject_test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"logging.taco/injector/annotation"
	"logging.taco/injector/inject"
	"logging.taco/injector/profile"
	"logging.taco/sidecar/config"
)

var (
	seed  = flag.Int64("seed", 0, "of the generated pods; 0: the clock's")
	count = flag.Int("pods", 600, "how many pods to generate")
)

// generated calls f with many pods and profiles; a failure names its seed.
func generated(t *testing.T, f func(t *testing.T, g *generator)) {
	start := *seed
	if start == 0 {
		start = time.Now().UnixNano()
	}
	s := start
	defer func() {
		if t.Failed() {
			t.Logf("seed %d: go test -run %s -seed %d -pods 1", s, t.Name(), s)
		}
	}()
	for ; s < start+int64(*count); s++ {
		f(t, &generator{rand.New(rand.NewSource(s))})
		if t.Failed() {
			return
		}
	}
}

// The laws of golden_test.go hold for any pod.
func TestLawsOfGeneratedPods(t *testing.T) {
	injected := 0
	generated(t, func(t *testing.T, g *generator) {
		pod, p := g.pod(), g.profile()
		raw := marshal(t, pod)
		_, report := inject.Inject(pod, "default", p)
		if !bytes.Equal(raw, marshal(t, pod)) {
			t.Error("the input was changed")
		}
		if report.Injected() {
			injected++
		}
		checkLaws(t, raw, "default", p)
		checkLanguage(t, report)
	})
	if *count > 100 && injected < *count/4 {
		t.Errorf("only %d of %d generated pods were injected; the generator proves too little", injected, *count)
	}
}

// checkLanguage holds what every report promises.
func checkLanguage(t *testing.T, r inject.Report) {
	t.Helper()
	if n := count1(r.Denied()) + count1(r.Skipped()) + count1(r.Injected()); n != 1 {
		t.Errorf("a report is one of denied, skipped and injected, not %d", n)
	}
	if (r.Message() == "") != r.Injected() {
		t.Errorf("message %q", r.Message())
	}
	for _, f := range r.Findings {
		if f.Reason == "" || f.Message == "" {
			t.Errorf("an empty finding: %#v", f)
		}
		if f.Severity == inject.Denied && f.Reason != inject.MissingPaths && (f.Key == "" || !strings.Contains(r.Message(), f.Key)) {
			t.Errorf("a denial without its key: %v", f)
		}
	}
}

func count1(b bool) int {
	if b {
		return 1
	}
	return 0
}

// The sidecar reads what the injector writes, and finds every file where the
// owner has it: through the same volume at the same place.
func TestSidecarSeesEveryPath(t *testing.T) {
	generated(t, func(t *testing.T, g *generator) {
		pod, p := g.pod(), g.profile()
		after, report := inject.Inject(pod, "default", p)
		if !report.Injected() {
			return
		}
		for _, c := range report.Containers {
			seen := map[string]bool{}
			for _, m := range c.VolumeMounts {
				if seen[m.MountPath] {
					t.Errorf("%s has two mounts at %s", c.Name, m.MountPath)
				}
				seen[m.MountPath] = true
				for _, v := range pod.Spec.Volumes {
					if v.Name == m.Name && (v.Secret != nil || v.ConfigMap != nil || v.Projected != nil) {
						t.Errorf("%s has the pod's %s", c.Name, v.Name)
					}
				}
			}
		}
		all := slices.Concat(after.Spec.InitContainers, after.Spec.Containers)
		paths := 0
		for _, c := range report.Containers {
			conf := configOf(t, c)
			if !strings.HasPrefix(conf.State, "/taco/state/") {
				t.Errorf("state in %s", conf.State)
			}
			for _, s := range conf.Sources {
				i := slices.IndexFunc(all, func(o corev1.Container) bool { return o.Name == s.Container })
				for _, file := range s.Paths {
					paths++
					if got, want := seenThrough(c, file), seenThrough(all[i], file); got != want {
						t.Errorf("%s of %s: the sidecar has it in %q, its writer in %q", file, s.Container, got, want)
					}
				}
			}
		}
		want := 0
		req, _, _ := annotation.Parse(pod)
		for _, s := range req.Sources {
			want += len(s.Paths)
		}
		if paths != want {
			t.Errorf("%d of %d paths", paths, want)
		}
	})
}

// seenThrough is the volume that a file of this pattern is in.
func seenThrough(c corev1.Container, pattern string) string {
	if strings.Contains(pattern, "*") {
		pattern = pattern[:strings.LastIndex(pattern[:strings.Index(pattern, "*")], "/")]
	}
	best := corev1.VolumeMount{}
	for _, m := range c.VolumeMounts {
		if (pattern == m.MountPath || strings.HasPrefix(pattern, m.MountPath+"/")) && len(m.MountPath) > len(best.MountPath) {
			best = m
		}
	}
	return strings.Join([]string{best.Name, best.SubPath, best.SubPathExpr, best.MountPath}, " ")
}

// No generated pod gets a sidecar with more rights than the restricted standard
// gives, unless its own annotation says root.
func TestRestricted(t *testing.T) {
	generated(t, func(t *testing.T, g *generator) {
		pod, p := g.pod(), g.profile()
		_, report := inject.Inject(pod, "default", p)
		for _, c := range report.Containers {
			s := c.SecurityContext
			root := pod.Annotations["logging.taco/run-as-user"] == "0"
			if s == nil || *s.AllowPrivilegeEscalation || *s.Privileged || !*s.ReadOnlyRootFilesystem || *s.RunAsNonRoot == root ||
				len(s.Capabilities.Add) > 0 || !reflect.DeepEqual(s.Capabilities.Drop, []corev1.Capability{"ALL"}) ||
				s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
				t.Errorf("%s: %s", c.Name, marshal(t, s))
			}
			if s.RunAsUser != nil && *s.RunAsUser == 0 && !root {
				t.Errorf("%s runs as root", c.Name)
			}
		}
	})
}

// A pod that asks for it ships, to the output that it names; only its sidecar has
// the Secret, and no variable has anything of it. What deleted files may hold
// stays within every volume's limit.
func TestShippingOfGeneratedPods(t *testing.T) {
	shipped := 0
	generated(t, func(t *testing.T, g *generator) {
		pod, p := g.pod(), g.profile()
		after, report := inject.Inject(pod, "default", p)
		if !report.Injected() {
			return
		}
		held := map[string]int64{} // by volume, over its sidecars
		single := pod.Annotations["logging.taco/config"] == ""
		asked := pod.Annotations["logging.taco/mode"] == "ship"
		for _, c := range report.Containers {
			conf := configOf(t, c)
			for _, name := range volumesOf(c) {
				held[name] += int64(conf.MaxHeld)
			}
			if single && asked != conf.Ships() {
				t.Errorf("ships: %v, asked for: %v", conf.Ships(), asked)
			}
			if len(c.EnvFrom) > 0 || slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
				return e.ValueFrom != nil && (e.ValueFrom.SecretKeyRef != nil || e.ValueFrom.ConfigMapKeyRef != nil)
			}) {
				t.Errorf("a variable from a Secret or ConfigMap: %s", marshal(t, c.Env))
			}
			if !conf.Ships() {
				continue
			}
			asked = true
			shipped++
			o := p.Outputs[cmp.Or(pod.Annotations["logging.taco/output"], p.DefaultOutput)]
			if !single { // its name tells, or its address
				for _, other := range p.Outputs {
					if reflect.DeepEqual(other.To, conf.Output.To) {
						o = other
					}
				}
			}
			want := o.Output
			if o.Secret != "" {
				want.Credentials = "/taco/credentials"
			}
			if !reflect.DeepEqual(conf.Output, want) || conf.Pod != "/taco/pod" {
				t.Errorf("output %+v, not %+v", conf.Output, want)
			}
			if mounts := slices.ContainsFunc(volumesOf(c), isCredentials); mounts != (o.Secret != "") || !slices.Contains(volumesOf(c), "taco-pod") {
				t.Errorf("mounts are %q, the Secret is %q", volumesOf(c), o.Secret)
			}
		}
		for _, v := range after.Spec.Volumes {
			switch ours := !slices.ContainsFunc(pod.Spec.Volumes, func(w corev1.Volume) bool { return w.Name == v.Name }); {
			case ours && v.EmptyDir == nil && !asked, ours && v.EmptyDir == nil && v.DownwardAPI == nil && v.Secret == nil:
				t.Errorf("a volume of another kind: %s", marshal(t, v))
			case v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil && v.Name != "taco-state":
				if limit := v.EmptyDir.SizeLimit.Value(); limit > 1 && held[v.Name] > limit {
					t.Errorf("the sidecars may hold %d of %s, whose limit is %d", held[v.Name], v.Name, limit)
				}
			}
		}
		for _, c := range slices.Concat(after.Spec.InitContainers, after.Spec.Containers) {
			if names := volumesOf(c); !strings.HasPrefix(c.Name, "taco-ship") && (slices.ContainsFunc(names, isCredentials) || slices.Contains(names, "taco-pod")) {
				t.Errorf("%s has volumes of the sidecar's: %q", c.Name, names)
			}
		}
	})
	if *count > 100 && shipped < *count/20 {
		t.Errorf("only %d of %d generated pods ship; the generator proves too little", shipped, *count)
	}
}

func isCredentials(volume string) bool { return strings.HasPrefix(volume, "taco-credentials") }

// configOf is what a sidecar reads from its variable.
func configOf(t *testing.T, c corev1.Container) config.Config {
	t.Helper()
	conf, err := config.Decode(c.Name, []byte(strings.ReplaceAll(c.Env[len(c.Env)-1].Value, "$$", "$")))
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func volumesOf(c corev1.Container) (names []string) {
	for _, m := range c.VolumeMounts {
		if !slices.Contains(names, m.Name) {
			names = append(names, m.Name)
		}
	}
	return names
}

// generator makes pods that are valid for Kubernetes, with annotations that are
// mostly so.
type generator struct{ *rand.Rand }

func pick[T any](g *generator, of ...T) T { return of[g.Intn(len(of))] }

func (g *generator) chance(percent int) bool { return g.Intn(100) < percent }

func (g *generator) profile() profile.Profile {
	p := profile.Default()
	p.Native = pick(g, annotation.NativeAuto, annotation.NativeAuto, annotation.NativeTrue, annotation.NativeFalse)
	if g.chance(10) {
		p.Kubernetes = profile.Version{Major: 1, Minor: 25 + g.Intn(8)}
	}
	p.SetUser = g.chance(90)
	if g.chance(20) {
		p.Settings.Redact, p.Settings.Format = []string{"secret"}, "json"
	}
	if g.chance(90) {
		p.Outputs = map[string]profile.Output{"a": g.output("http://a:9200"), "b": g.output("https://b-0", "https://b-1")}
		p.DefaultOutput = pick(g, "a", "a", "b", "")
	}
	return p
}

func (g *generator) output(to ...string) profile.Output {
	o := profile.Output{Output: config.DefaultOutput(), Secret: pick(g, "", "writer")}
	o.To, o.Gzip, o.IDs, o.InFlight = to, g.chance(50), g.chance(50), 1+g.Intn(3)
	o.Index = pick(g, o.Index, "$(x)-%Y", "a-{b}")
	return o
}

func (g *generator) pod() *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Name = "pod"
	pod.Annotations = map[string]string{"other/annotation": "kept"}
	for i := range g.Intn(3) {
		pod.Spec.Volumes = append(pod.Spec.Volumes, g.volume(i))
	}
	for i := range g.Intn(3) {
		c := g.container(fmt.Sprint("init", i), pod.Spec.Volumes)
		if g.chance(20) && i == 0 {
			c.Name = pick(g, "istio-proxy", "linkerd-proxy")
		}
		if g.chance(30) {
			always := corev1.ContainerRestartPolicyAlways
			c.RestartPolicy = &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
	for i := range 1 + g.Intn(3) {
		name := fmt.Sprint("app", i)
		if i == 0 && g.chance(4) {
			name = pick(g, "taco-logs", "taco-ship", "kuma-sidecar")
		}
		pod.Spec.Containers = append(pod.Spec.Containers, g.container(name, pod.Spec.Volumes))
	}
	if g.chance(30) {
		pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: new(int64(pick(g, 0, 1000)))}
	}
	if g.chance(30) {
		pod.Spec.TerminationGracePeriodSeconds = new(int64(pick(g, 0, 1, 5, 30, 60, 86400*365)))
	}
	if g.chance(15) {
		pod.Spec.HostNetwork = true
	}
	if g.chance(20) {
		pod.Spec.DNSPolicy = pick(g, corev1.DNSDefault, corev1.DNSClusterFirst, corev1.DNSClusterFirstWithHostNet, corev1.DNSNone)
	}
	if g.chance(20) {
		pod.Spec.RestartPolicy = pick(g, corev1.RestartPolicyAlways, corev1.RestartPolicyNever, corev1.RestartPolicyOnFailure)
	}
	g.annotate(pod)
	return pod
}

func (g *generator) volume(i int) corev1.Volume {
	v := corev1.Volume{Name: pick(g, fmt.Sprint("v", i), fmt.Sprint("taco-v", i))}
	switch g.Intn(4) {
	case 3:
		switch g.Intn(3) {
		case 0:
			v.Secret = &corev1.SecretVolumeSource{SecretName: "secret"}
		case 1:
			v.ConfigMap = &corev1.ConfigMapVolumeSource{}
		default:
			v.Projected = &corev1.ProjectedVolumeSource{}
		}
	case 0:
		v.EmptyDir = &corev1.EmptyDirVolumeSource{}
		if g.chance(50) {
			limit := resource.MustParse(pick(g, "0", "1", "999k", "1Mi", "10Mi", "3Gi", "8Ei"))
			v.EmptyDir.SizeLimit = &limit
		}
	case 1:
		v.HostPath = &corev1.HostPathVolumeSource{Path: "/srv"}
	default:
		v.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "claim"}
	}
	return v
}

var places = []string{"/var/log", "/var/log/app", "/var/logs", "/srv", "/srv/a", "/srv/a/b", "/data", "/data/x/y", "/etc"}

// mountPlaces are where volumes are, those of log files and others.
var mountPlaces = append([]string{"/var", "/var/run/secrets/kubernetes.io/serviceaccount"}, places...)

func (g *generator) container(name string, volumes []corev1.Volume) corev1.Container {
	c := corev1.Container{Name: name, Image: "image"}
	taken := map[string]bool{}
	for _, v := range volumes {
		m := corev1.VolumeMount{Name: v.Name, MountPath: pick(g, mountPlaces...)}
		if taken[m.MountPath] || g.chance(40) {
			continue
		}
		taken[m.MountPath] = true
		switch g.Intn(6) {
		case 0:
			m.SubPath = "sub"
		case 1:
			m.SubPathExpr = "$(POD)-$(ZONE)"
		case 2:
			m.ReadOnly = true
		}
		c.VolumeMounts = append(c.VolumeMounts, m)
	}
	if g.chance(80) {
		c.Env = []corev1.EnvVar{
			{Name: "ZONE", Value: "z"},
			{Name: "POD", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
		}
	}
	if g.chance(40) {
		c.SecurityContext = &corev1.SecurityContext{RunAsUser: new(int64(pick(g, 0, 1000, 2000)))}
	}
	if g.chance(50) {
		c.Resources.Limits = corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("1Gi")}
	}
	return c
}

// files are of the pod's containers, mostly.
func (g *generator) files(pod *corev1.Pod) []string {
	files := []string{"a.log", "b.log", "*.log", "**/c.log", "?/[ab].log", "$(X).log", "spaß.log", strings.Repeat("long", 30) + ".log"}
	var items []string
	for range 1 + g.Intn(4) {
		item := pick(g, places...) + "/" + pick(g, files...)
		if g.chance(30) {
			item = pick(g, pod.Spec.Containers...).Name + ":" + item
		} else if len(pod.Spec.InitContainers) > 0 && g.chance(10) {
			item = pod.Spec.InitContainers[0].Name + ":" + item
		}
		if g.chance(2) {
			item = pick(g, "", "relative", "/a/../b", "nobody:/x/y", "/proc/x", "\xff", "/x\x00y")
		}
		if !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	return items
}

// source is one of the config annotation's, mostly as it should be.
func (g *generator) source(pod *corev1.Pod) map[string]any {
	s := map[string]any{"paths": g.files(pod)}
	if g.chance(40) {
		s["mode"] = "ship"
		if g.chance(40) {
			s["output"] = pick(g, "a", "b", "b", "c")
		}
	} else {
		if g.chance(30) {
			s["mode"] = "stream"
		}
		if g.chance(30) {
			s["split"] = g.chance(50)
		}
		if g.chance(50) {
			s["emit"] = pick(g, "raw", "json", "json", "prefix")
		}
	}
	if s["mode"] == "ship" || s["emit"] == "json" {
		if g.chance(30) {
			s["format"] = pick(g, "json", "nginx", "none", "csv:a,b", "$(A)")
			s["add"] = map[string]string{"a": "$(b)"}
		}
	}
	for key, values := range map[string][]string{"multiline": {"java", "^x", "$(x"}, "drop": {"a", "$(A)"}, "redact": {"b+"}} {
		if g.chance(15) {
			s[key] = pick(g, values...)
		}
	}
	return s
}

func (g *generator) annotate(pod *corev1.Pod) {
	a := pod.Annotations
	if g.chance(75) {
		a["logging.taco/paths"] = strings.Join(g.files(pod), ",")
	}
	if len(a) == 1 || g.chance(25) {
		var sources []map[string]any
		for range 1 + g.Intn(3) {
			sources = append(sources, g.source(pod))
		}
		text, err := yaml.Marshal(sources)
		if err != nil {
			panic(err)
		}
		a["logging.taco/config"] = string(text)
	}
	for _, o := range [][]string{
		{"split", "true", "true", "false"}, {"emit", "raw", "json", "prefix"}, {"native", "auto", "true", "false", "false"},
		{"run-as-user", "0", "1000"}, {"cpu", "10m", "1"}, {"memory", "20Mi", "1e8"}, {"size-limit", "1Gi", "0.5Gi"}, {"metrics-port", "0", "9600", "65535"},
		{"inject", "true"}, {"image", "logging.taco/sidecar:v0.3.0"},
	} {
		if v := pick(g, o[1:]...); g.chance(15) {
			a["logging.taco/"+o[0]] = v
		}
	}
	if g.chance(35) {
		a["logging.taco/mode"] = "ship"
		if g.chance(30) {
			a["logging.taco/output"] = pick(g, "a", "b", "b", "c")
		}
		if g.chance(95) { // else refused
			delete(a, "logging.taco/split")
			delete(a, "logging.taco/emit")
		}
	}
}
