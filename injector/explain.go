package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	corev1 "k8s.io/api/core/v1"

	"logging.taco/injector/annotation"
	"logging.taco/injector/inject"
	"logging.taco/injector/manifest"
)

// explain is the command `injector explain`.
func (o *offline) explain(args []string) int {
	out := bufio.NewWriter(o.out)
	o.out = out
	status := o.explainTo(args)
	if err := out.Flush(); err != nil {
		return o.fail("explain", fmt.Errorf("write the explanation: %w", err))
	}
	return status
}

func (o *offline) explainTo(args []string) int {
	p, status := o.flags("explain", "Says for each pod what inject would add and why, what it warns of, and what it costs.\nExits 1 where a pod would be denied. With a profile alone, says what that allows.", true, args)
	if status >= 0 {
		return status
	}
	if len(o.files) == 0 {
		fmt.Fprintf(o.out, "%s is a valid profile\n", o.config)
		describeProfile(o.out, p)
		return exitOK
	}
	files, err := manifest.Read(o.files, o.in)
	if err != nil {
		return o.fail("explain", err)
	}
	status = exitOK
	pods := 0
	for _, f := range files {
		for _, u := range f.Unknown {
			if text := unknown(u); text != "" {
				if pods++; pods > 1 {
					fmt.Fprintln(o.out)
				}
				fmt.Fprintf(o.out, "%s (%s, line %d): left alone: %s\n", paint(o.outColours, bold, u.Kind+"/"+u.Name), f.Name, u.Line, text)
			}
		}
		for _, pod := range f.Pods {
			if pods++; pods > 1 {
				fmt.Fprintln(o.out)
			}
			_, report := inject.Inject(pod.Object, o.namespaceOf(pod), p)
			if report.Denied() {
				status = exitFailed
			}
			fmt.Fprintf(o.out, "%s in namespace %s (%s, line %d): ", paint(o.outColours, bold, pod.Kind+"/"+pod.Name), o.namespaceOf(pod), f.Name, pod.Line)
			o.describe(report, hintsOf(pod, report))
		}
	}
	if pods == 0 {
		fmt.Fprintln(o.out, "no pods and no pod templates here")
	}
	return status
}

// describe writes a report for people.
func (o *offline) describe(r inject.Report, hints []string) {
	out := o.out
	switch {
	case r.Denied():
		fmt.Fprintln(out, paint(o.outColours, red, "denied"))
		section(out, paint(o.outColours, red, "why"), r, inject.Denied)
		return
	case r.Skipped():
		fmt.Fprintf(out, "left alone: %s\n", r.Message())
		for _, hint := range hints {
			fmt.Fprintf(out, "  %s: %s\n", paint(o.outColours, yellow, "warning"), hint)
		}
		return
	}
	var names []string
	for _, c := range r.Containers {
		names = append(names, c.Name)
	}
	fmt.Fprintf(out, "%s with %s\n", paint(o.outColours, green, "injected"), strings.Join(names, ", "))
	section(out, "paths", r, inject.Info, inject.PathResolved)
	section(out, "output", r, inject.Info, inject.OutputChosen)
	section(out, "added", r, inject.Info, inject.ContainerAdded, inject.VolumeAdded, inject.MountAdded)
	section(out, "used", r, inject.Info, inject.VolumeReused)
	section(out, "notes", r, inject.Info, inject.HeldBounded, inject.WritableMount, inject.ClassKept, inject.PodBudget, inject.NoCPULimit, inject.NoMetrics, inject.Unchanged)
	section(out, paint(o.outColours, yellow, "warnings"), r, inject.Warning)
	fmt.Fprintln(out, "  sidecars")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, c := range r.Containers {
		fmt.Fprintf(w, "    %s\t%s\t%s\trequests %s\tlimits %s\n", c.Name, c.Image, user(c), words(c.Resources.Requests), words(c.Resources.Limits))
	}
	w.Flush()
	fmt.Fprintf(out, "  cost\n    requests %s; limits %s\n",
		total(r.Containers, func(c corev1.Container) corev1.ResourceList { return c.Resources.Requests }),
		total(r.Containers, func(c corev1.Container) corev1.ResourceList { return c.Resources.Limits }))
	// Each output has one sidecar; the others stream.
	outputs := 0
	for _, f := range r.Findings {
		if f.Reason == inject.OutputChosen {
			outputs++
		}
	}
	switch streams := len(r.Containers) > outputs; {
	case outputs == 0:
		fmt.Fprintln(out, "    every line is written a second time, to the node's container log, where kubectl logs reads it")
	case !streams:
		fmt.Fprintln(out, "    every line goes over the network to the output, and none to the node's container log")
	default:
		fmt.Fprintln(out, "    every line that is streamed is written a second time, to the node's container log; every other one goes over the network")
	}
}

// section writes the findings of a severity and, where given, of some reasons.
func section(out io.Writer, title string, r inject.Report, s inject.Severity, reasons ...inject.Reason) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	first := true
	for _, f := range r.Findings {
		if f.Severity != s || len(reasons) > 0 && !slices.Contains(reasons, f.Reason) {
			continue
		}
		if first {
			fmt.Fprintf(w, "  %s\n", title)
			first = false
		}
		what := f.Value
		if f.Severity != inject.Info && f.Key != "" {
			what = f.Key + ": " + annotation.Quote(f.Value)
		}
		fmt.Fprintf(w, "    %s\t%s\t%s\n", kind(f), what, f.Message)
	}
	w.Flush()
}

// kind is the word before a finding: for what is added what it is, else why.
func kind(f inject.Finding) string {
	switch f.Reason {
	case inject.ContainerAdded:
		return "container"
	case inject.VolumeAdded, inject.VolumeReused:
		return "volume"
	case inject.MountAdded:
		return "mount"
	case inject.PathResolved:
		return "path"
	case inject.OutputChosen:
		return "output"
	}
	return string(f.Reason)
}

func user(c corev1.Container) string {
	if c.SecurityContext == nil || c.SecurityContext.RunAsUser == nil {
		return "user given by the platform"
	}
	return fmt.Sprintf("user %d", *c.SecurityContext.RunAsUser)
}

// total is the sum of the containers' resources in words.
func total(containers []corev1.Container, of func(corev1.Container) corev1.ResourceList) string {
	sums := corev1.ResourceList{}
	for _, c := range containers {
		for name, q := range of(c) {
			sum := sums[name]
			sum.Add(q)
			sums[name] = sum
		}
	}
	return words(sums)
}

func words(l corev1.ResourceList) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(l)) {
		q := l[name]
		out = append(out, fmt.Sprintf("%s %v", name, &q))
	}
	if out == nil {
		return "none"
	}
	return strings.Join(out, ", ")
}
