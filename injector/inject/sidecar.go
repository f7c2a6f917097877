package inject

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
	"logging.taco/sidecar/config"
)

// configVariable is the environment variable that the sidecar reads its YAML from.
const configVariable = "TACO_CONFIG"

// group decides which sidecar container reads which sources.
func (w *work) group() {
	taken := map[string]bool{}
	with := func(name string, o *output, sources []*source) {
		if len(sources) > 0 {
			taken[name] = true
			w.groups = append(w.groups, &group{name: name, output: o, sources: sources})
		}
	}
	of := func(o *output, split bool) (sources []*source) {
		for _, s := range w.sources {
			if s.output == o && s.splits() == split {
				sources = append(sources, s)
			}
		}
		return sources
	}
	with(sidecarName, nil, of(nil, false))
	for _, o := range w.outputs {
		name := shipperName
		if len(w.outputs) > 1 {
			name = label(strings.TrimPrefix(shipperName, namePrefix) + "-" + o.name)
		}
		with(name, o, of(o, false))
	}
	shared := len(w.groups)
	for _, s := range of(nil, true) {
		with(unique(splitText(s.Path), s.String(), taken), nil, []*source{s})
	}
	// Those that ship come last.
	if first := slices.IndexFunc(w.groups, func(g *group) bool { return g.output != nil }); first >= 0 {
		w.groups = slices.Concat(w.groups[:first], w.groups[shared:], w.groups[first:shared])
	}
	for _, g := range w.groups {
		if w.container(g.name) != nil {
			w.r.add(Denied, ReservedName, annotation.Paths, g.name,
				"the pod has a container of this name, which the sidecar gets; call the container otherwise")
		}
	}
}

// sidecar builds the group's sidecar.
func (w *work) sidecar(g *group) corev1.Container {
	c := corev1.Container{
		Name:                     g.name,
		Image:                    cmp.Or(w.req.Image, w.profile.Image),
		ImagePullPolicy:          w.profile.ImagePullPolicy,
		Args:                     []string{"run"},
		Env:                      slices.Concat(g.env, g.shipEnv(), []corev1.EnvVar{{Name: configVariable, Value: g.config}}),
		Ports:                    w.ports(g),
		Resources:                w.resources(g),
		SecurityContext:          w.securityContext(g),
		TerminationMessagePath:   corev1.TerminationMessagePathDefault,
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts: slices.Concat(g.mounts, g.shipMounts(), []corev1.VolumeMount{
			{Name: stateVolume, MountPath: stateFolder},
			// The sidecar calls no API. A mount of its own at this place keeps the
			// service account's token out, as Kubernetes adds the token only to
			// containers that have nothing there.
			{Name: stateVolume, MountPath: tokenFolder, ReadOnly: true},
		}),
	}
	if w.native {
		always := corev1.ContainerRestartPolicyAlways
		c.RestartPolicy = &always
	}
	return c
}

// config is the sidecar's YAML. What is left out has the sidecar's own default.
func (w *work) config(g *group) string {
	c := config.Config{State: stateFolder + "/" + g.name, MaxHeld: w.held(g), Metrics: g.metricsAddress()}
	if g.output != nil {
		c.Pod, c.Output = podFolder, g.output.Output.Output
		if g.output.volume != "" {
			c.Output.Credentials = credentialsFolder
		}
	}
	for _, s := range g.sources {
		source := s.config()
		i := slices.IndexFunc(c.Sources, func(t config.Source) bool { return alike(t, source) })
		if i < 0 {
			i = len(c.Sources)
			c.Sources = append(c.Sources, source)
		}
		c.Sources[i].Paths = append(c.Sources[i].Paths, s.Pattern)
	}
	c.Grace = w.grace()
	if !w.native {
		// A plain sidecar gets SIGTERM together with the app and has to wait for its last lines.
		c.Linger = cmp.Or(c.Grace, config.DefaultGrace) - config.Duration(time.Second)
	}
	text, err := config.Encode(c)
	if err != nil {
		panic(err) // of plain strings and numbers; a webhook contains it
	}
	// The kubelet expands $(NAME) in values; $$ stands for one $.
	return strings.ReplaceAll(string(text), "$", "$$")
}

// config is the source in the sidecar's words, without its paths.
func (s *source) config() config.Source {
	c := config.Source{Container: s.owner.Name, Multiline: s.Multiline, Charset: s.Charset, Rules: s.Rules}
	if !s.ships() {
		c.Emit = cmp.Or(s.Emit, config.EmitRaw)
	}
	return c
}

// alike tells whether two sources differ in nothing but their paths.
func alike(a, b config.Source) bool {
	a.Paths, b.Paths = nil, nil
	return reflect.DeepEqual(a, b)
}

const (
	graceMargin = 5 * time.Second  // for the kubelet and what comes after the last line
	leastGrace  = 2 * time.Second  // what native sidecars get at worst
	shortGrace  = 10 * time.Second // below it, a busy node may lose last lines
)

// grace is how long the sidecar may take after SIGTERM; 0: its default, which
// fits Kubernetes' own default of 30 s.
func (w *work) grace() config.Duration {
	seconds := w.base.Spec.TerminationGracePeriodSeconds
	if seconds == nil || *seconds == int64(corev1.DefaultTerminationGracePeriodSeconds) {
		return 0
	}
	pod := time.Duration(min(*seconds, int64(24*60*60))) * time.Second
	return config.Duration(max(pod-graceMargin, leastGrace))
}

// warnGrace says where little time is left for the last lines.
func (w *work) warnGrace() {
	if s := w.base.Spec.TerminationGracePeriodSeconds; s != nil && time.Duration(*s)*time.Second < shortGrace {
		w.r.add(Warning, ShortGrace, "", "",
			"terminationGracePeriodSeconds is %d: last lines may be lost when the pod is deleted; %.0f or more leave time to deliver them", *s, shortGrace.Seconds())
	}
}
