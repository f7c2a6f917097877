package inject

import (
	"cmp"
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
	if w.req.Split {
		for _, s := range w.sources {
			w.groups = append(w.groups, &group{name: unique(splitText(s.Path), s.String(), taken), sources: []*source{s}})
		}
	} else {
		name := sidecarName
		if w.ships() {
			name = shipperName
		}
		w.groups = []*group{{name: name, sources: w.sources}}
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
		Env:                      slices.Concat(g.env, w.shipEnv(), []corev1.EnvVar{{Name: configVariable, Value: w.config(g)}}),
		Resources:                w.resources(),
		SecurityContext:          w.securityContext(g),
		TerminationMessagePath:   corev1.TerminationMessagePathDefault,
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts: slices.Concat(g.mounts, w.shipMounts(), []corev1.VolumeMount{
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
	c := config.Config{State: stateFolder + "/" + g.name, MaxHeld: w.held(g)}
	emit := cmp.Or(w.req.Emit, w.profile.Emit, config.EmitRaw)
	if w.ships() {
		emit = "" // a document has its own form
		c.Pod, c.Output = podFolder, w.output.Output.Output
		if w.output.Secret != "" {
			c.Output.Credentials = credentialsFolder
		}
	}
	for _, s := range g.sources {
		i := slices.IndexFunc(c.Sources, func(t config.Source) bool { return t.Container == s.owner.Name })
		if i < 0 {
			i = len(c.Sources)
			c.Sources = append(c.Sources, config.Source{
				Container: s.owner.Name, Emit: emit, Multiline: w.req.Multiline, Charset: w.req.Charset,
			})
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
