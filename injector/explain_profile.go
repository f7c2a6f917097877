package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"logging.taco/injector/annotation"
	"logging.taco/injector/profile"
)

// describeProfile writes for people what pods get, and what they may ask for.
func describeProfile(out io.Writer, p profile.Profile) {
	part(out, p)
	for _, o := range p.Namespaces {
		fmt.Fprintf(out, "in namespaces %s\n", o.Namespace)
		part(out, o.Profile)
	}
	fmt.Fprintf(out, "never injected\n  namespaces %s\n", strings.Join(slices.Concat([]string{p.Namespace}, p.SkippedNamespaces), ", "))
}

// part is the whole profile, or that of some namespaces.
func part(out io.Writer, p profile.Profile) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(key, format string, args ...any) { fmt.Fprintf(w, "  %s\t%s\n", key, fmt.Sprintf(format, args...)) }
	also := ""
	if len(p.AllowedImages) > 0 {
		also = ", " + strings.Join(p.AllowedImages, ", ")
	}
	row("image", "%s (%s); pods may name tags of %s%s", p.Image, p.ImagePullPolicy, profile.Repository(p.Image), also)
	for _, key := range annotation.SettingKeys {
		if value, said := p.Settings.Said(key); said {
			row(key, "%s", strings.ReplaceAll(value, "\n", ", "))
		}
	}
	row("native", "%s", p.Native)
	row("streaming", "requests %s; limits %s", words(p.Requests), words(p.Limits))
	row("shipping", "requests %s; limits %s", words(p.ShipRequests), words(p.ShipLimits))
	row("volumes", "logs %v, checkpoints %v", &p.SizeLimit, &p.StateSizeLimit)
	switch {
	case !p.SetUser:
		row("user", "given by the platform")
	case p.AllowRoot:
		row("user", "%d where the container's is unknown or root; pods may ask for root", p.User)
	default:
		row("user", "%d where the container's is unknown or root; never root", p.User)
	}
	if p.MetricsPort > 0 {
		row("metrics", "on port %d, of several sidecars each on the next", p.MetricsPort)
	} else {
		row("metrics", "none, where the pod does not ask for a port")
	}
	row("at most", "cpu %v, memory %v, size-limit %v", &p.MaxCPU, &p.MaxMemory, &p.MaxSizeLimit)
	for _, name := range slices.Sorted(maps.Keys(p.Outputs)) {
		o := p.Outputs[name]
		with := "no Secret"
		if o.Secret != "" {
			with = "Secret " + o.Secret
		}
		notes := ""
		if name == p.DefaultOutput {
			notes = "; the default"
		}
		if !p.AllowsOutput(name) {
			notes += "; not for these pods"
		}
		row("output "+name, "%s, %s %s, %s%s", strings.Join(o.To, ", "), o.IndexType, o.Index, with, notes)
	}
	w.Flush()
}
