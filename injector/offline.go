package main

import (
	"bytes"
	"encoding/json"
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
	program                string // as its user calls it
	in                     io.Reader
	out, err               io.Writer
	outColours, errColours bool

	files     []string
	config    string
	version   string
	namespace string
	output    format
}

// format is how inject and uninject print.
type format string

const (
	asYAML  format = "yaml"  // the manifests as they are written
	asJSON  format = "json"  // each document as JSON
	asPatch format = "patch" // for each changed object a JSON patch
)

func (f *format) String() string { return string(*f) }

func (f *format) Set(s string) error {
	switch *f = format(s); *f {
	case asYAML, asJSON, asPatch:
		return nil
	}
	return errors.New("use yaml, json or patch")
}

// flags parses a command's flags and loads what they name. A negative status
// means go on.
func (o *offline) flags(command, about string, withProfile bool, args []string) (profile.Profile, int) {
	set := flag.NewFlagSet(o.program+" "+command, flag.ContinueOnError)
	set.SetOutput(o.err)
	set.Func("f", "manifests: a `FILE`, a folder (its .yaml, .yml and .json files) or - for standard input; may be repeated", func(s string) error {
		if s == "" {
			return errors.New("an empty name")
		}
		o.files = append(o.files, s)
		return nil
	})
	if o.output = asYAML; command != "explain" {
		set.Var(&o.output, "o", "print the manifests as yaml, as they are written; as json; or as a JSON patch for each changed object, a line each: `FORMAT`")
	}
	if withProfile {
		set.StringVar(&o.config, "config", "", "the administrator's profile, a YAML `FILE`; without it the defaults")
		set.StringVar(&o.version, "kubernetes-version", "", "the cluster's `VERSION`; before 1.29 native: auto means a plain sidecar")
		set.StringVar(&o.namespace, "namespace", "default", "the `NAMESPACE` of pods that do not name one")
	}
	set.Usage = func() {
		fmt.Fprintf(o.err, "usage: %s %s -f FILE|DIR|- [flags]\n\n%s\n\n", o.program, command, about)
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
		o.fail(command, err)
		set.Usage()
		return p, exitUsage
	}
	if o.config != "" {
		kubernetes := p.Kubernetes
		if p, err = profile.Load(o.config); err != nil {
			o.fail(command, err)
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
		return after, report, hintsOf(pod, report)
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
		return o.fail(command, err)
	}
	status := exitOK
	var patches bytes.Buffer
	for _, f := range files {
		for _, pod := range f.Pods {
			after, report, hints := change(pod)
			if report.Denied() {
				fmt.Fprintf(o.err, "%s: %s: %s\n", o.label(f, pod), paint(o.errColours, red, "denied"), report.Message())
				status = exitFailed
				continue
			}
			for _, w := range append(report.Warnings(), hints...) {
				fmt.Fprintf(o.err, "%s: %s: %s\n", o.label(f, pod), paint(o.errColours, yellow, "warning"), w)
			}
			patch, err := inject.Patch(pod.Object, after)
			if err != nil {
				status = o.fail(command, err)
			}
			if o.output != asPatch {
				pod.Change(patch)
			} else if len(patch) > 0 {
				if err := json.NewEncoder(&patches).Encode(pod.Patch(patch)); err != nil {
					status = o.fail(command, err)
				}
			}
		}
		for _, u := range f.Unknown {
			if text := unknown(u); text != "" && command == "inject" {
				fmt.Fprintf(o.err, "%s:%d: %s %s: %s: %s\n", f.Name, u.Line, u.Kind, u.Name, paint(o.errColours, yellow, "warning"), text)
			}
		}
		if err := f.Apply(); err != nil {
			status = o.fail(command, err)
		}
	}
	if status != exitOK {
		return status
	}
	text := patches.Bytes()
	switch o.output {
	case asYAML:
		text = manifest.Join(files)
	case asJSON:
		if text, err = manifest.JSON(files); err != nil {
			return o.fail(command, err)
		}
	}
	if _, err := o.out.Write(text); err != nil {
		return o.fail(command, fmt.Errorf("write the manifests: %w", err))
	}
	return exitOK
}

// fail says what went wrong, and gives the status for it.
func (o *offline) fail(command string, err error) int {
	fmt.Fprintf(o.err, "%s %s: %v\n", o.program, command, err)
	return exitFailed
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

// hintsOf warns where a pod is left alone and its author may mean otherwise: of
// annotations on a workload that its pods do not get, and of a sidecar that stays.
func hintsOf(pod *manifest.Pod, report inject.Report) []string {
	if !report.Skipped() {
		return nil
	}
	if _, injected := pod.Object.Annotations[annotation.Status]; injected {
		return []string{"it was injected before, and keeps its sidecar; uninject takes that out"}
	}
	for _, key := range annotation.Keys {
		if _, ok := pod.Around[key]; ok {
			return []string{fmt.Sprintf("%s is on the %s itself, which no pod gets; it belongs to the pod template (metadata.annotations there)", key, pod.Kind)}
		}
	}
	return nil
}

// unknown says what becomes of an annotated object of a kind that is not known;
// nothing where it has no annotations of ours.
func unknown(u manifest.Unknown) string {
	for _, key := range annotation.Keys {
		if _, ok := u.Annotations[key]; ok {
			return fmt.Sprintf("%s is in the template of a kind that is not known here, so it stays as it is; its pods get their sidecars from the webhook alone", key)
		}
	}
	return ""
}
