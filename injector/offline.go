package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
	"logging.taco/injector/inject"
	"logging.taco/injector/manifest"
	"logging.taco/injector/profile"
)

// offline are the commands that work on manifests and need no cluster.
type offline struct {
	in       io.Reader
	out, err io.Writer

	files     []string
	config    string
	version   string
	namespace string
}

// flags parses a command's flags and loads what they name. A negative status
// means go on.
func (o *offline) flags(command, about string, withProfile bool, args []string) (profile.Profile, int) {
	set := flag.NewFlagSet("injector "+command, flag.ContinueOnError)
	set.SetOutput(o.err)
	set.Func("f", "manifests: a `FILE`, a folder (its .yaml, .yml and .json files) or - for standard input; may be repeated", func(s string) error {
		if s == "" {
			return errors.New("an empty name")
		}
		o.files = append(o.files, s)
		return nil
	})
	if withProfile {
		set.StringVar(&o.config, "config", "", "the administrator's profile, a YAML `FILE`; without it the defaults")
		set.StringVar(&o.version, "kubernetes-version", "", "the cluster's `VERSION`; before 1.29 native: auto means a plain sidecar")
		set.StringVar(&o.namespace, "namespace", "default", "the `NAMESPACE` of pods that do not name one")
	}
	set.Usage = func() {
		fmt.Fprintf(o.err, "usage: injector %s -f FILE|DIR|- [flags]\n\n%s\n\n", command, about)
		set.PrintDefaults()
	}
	p := profile.Default()
	if err := set.Parse(args); errors.Is(err, flag.ErrHelp) {
		return p, exitOK
	} else if err != nil {
		return p, exitUsage
	}
	var err error
	switch {
	case set.NArg() > 0:
		err = fmt.Errorf("%q is not a flag; manifests are named with -f", set.Arg(0))
	case len(o.files) == 0 && (command != "explain" || o.config == ""):
		err = errors.New("name the manifests with -f FILE, or -f - for standard input")
	case o.version != "":
		p.Kubernetes, err = profile.ParseVersion(o.version)
	}
	if err != nil {
		fmt.Fprintf(o.err, "injector %s: %v\n", command, err)
		set.Usage()
		return p, exitUsage
	}
	if o.config != "" {
		kubernetes := p.Kubernetes
		if p, err = profile.Load(o.config); err != nil {
			fmt.Fprintf(o.err, "injector %s: %v\n", command, err)
			return p, exitUsage
		}
		p.Kubernetes = kubernetes
	}
	return p, -1
}

// inject is the command `injector inject`.
func (o *offline) inject(args []string) int {
	p, status := o.flags("inject", "Prints the manifests with sidecars in the pods that ask for them, and everything else as it is.\nNothing is printed when a pod is denied.", true, args)
	if status >= 0 {
		return status
	}
	return o.rewrite("inject", func(pod *manifest.Pod) (*corev1.Pod, inject.Report, []string) {
		after, report := inject.Inject(pod.Object, o.namespaceOf(pod), p)
		return after, report, misplaced(pod, report)
	})
}

// uninject is the command `injector uninject`.
func (o *offline) uninject(args []string) int {
	_, status := o.flags("uninject", "Prints the manifests without what inject has put in, and everything else as it is.", false, args)
	if status >= 0 {
		return status
	}
	return o.rewrite("uninject", func(pod *manifest.Pod) (*corev1.Pod, inject.Report, []string) {
		before, report := inject.Uninject(pod.Object)
		return before, report, nil
	})
}

// rewrite prints all manifests with their pods changed, or nothing at all.
func (o *offline) rewrite(command string, change func(*manifest.Pod) (*corev1.Pod, inject.Report, []string)) int {
	files, err := manifest.Read(o.files, o.in)
	if err != nil {
		fmt.Fprintf(o.err, "injector %s: %v\n", command, err)
		return exitFailed
	}
	status := exitOK
	for _, f := range files {
		for _, pod := range f.Pods {
			after, report, hints := change(pod)
			if report.Denied() {
				fmt.Fprintf(o.err, "%s: denied: %s\n", o.label(f, pod), report.Message())
				status = exitFailed
				continue
			}
			for _, w := range append(report.Warnings(), hints...) {
				fmt.Fprintf(o.err, "%s: warning: %s\n", o.label(f, pod), w)
			}
			patch, err := inject.Patch(pod.Object, after)
			if err == nil {
				err = pod.Change(patch)
			}
			if err != nil {
				fmt.Fprintf(o.err, "injector %s: %v\n", command, err)
				status = exitFailed
			}
		}
	}
	if status != exitOK {
		return status
	}
	if _, err := o.out.Write(manifest.Join(files)); err != nil {
		fmt.Fprintf(o.err, "injector %s: write the manifests: %v\n", command, err)
		return exitFailed
	}
	return exitOK
}

func (o *offline) namespaceOf(pod *manifest.Pod) string {
	if pod.Namespace != "" {
		return pod.Namespace
	}
	return o.namespace
}

// label names a pod for people: where it is and what it is.
func (o *offline) label(f *manifest.File, pod *manifest.Pod) string {
	return fmt.Sprintf("%s:%d: %s %s", f.Name, pod.Line, pod.Kind, pod.Name)
}

// misplaced warns of annotations on a workload that its pods do not get.
func misplaced(pod *manifest.Pod, report inject.Report) []string {
	for _, key := range annotation.Keys {
		if _, ok := pod.Around[key]; ok && report.Skipped() {
			return []string{fmt.Sprintf("%s is on the %s itself, which no pod gets; it belongs to the pod template (metadata.annotations there)", key, pod.Kind)}
		}
	}
	return nil
}
