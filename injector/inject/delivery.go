package inject

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"logging.taco/injector/annotation"
	"logging.taco/injector/profile"
	"logging.taco/sidecar/config"
)

// delivery is how the files of a source go out, with every setting decided.
type delivery struct {
	annotation.Settings
	output *output // nil: to the sidecar's stdout
}

// output is one of the profile's that the pod ships to.
type output struct {
	profile.Output
	name   string
	why    string // why this one
	volume string // with its credentials; empty: it needs none
}

// ships tells whether records are shipped, and not streamed.
func (d delivery) ships() bool { return d.Mode == annotation.Ship }

// splits tells whether each path gets a container of its own.
func (d delivery) splits() bool { return !d.ships() && d.Split != nil && *d.Split }

// deliveries decides how each source of the request is delivered: as it says
// itself, or else as the pod does, or else as the profile does.
func (w *work) deliveries() []delivery {
	var all []delivery
	for _, s := range w.req.Sources {
		d := delivery{Settings: s.Settings.Over(w.req.Settings).Over(w.profile.Settings)}
		if !d.Fields() {
			// What others say of fields is not for a source without any.
			d.Settings = d.WithoutFields()
		}
		for _, key := range slices.SortedFunc(maps.Keys(s.Places), func(a, b string) int { return cmp.Compare(s.Places[a].Line, s.Places[b].Line) }) {
			value, said := s.Settings.Said(key)
			if reason := d.idle(key, "this source", ""); said && reason != "" {
				w.deny(InvalidValue, s.Places[key], value, "%s", reason)
			}
		}
		if wrong := d.Check(); wrong != nil {
			w.deny(InvalidValue, placeOf(wrong.Key, s), wrong.Value, "%s", annotation.Fit(wrong.Reason))
		}
		if d.ships() {
			d.Emit = "" // a document has its own form
			d.output = w.outputOf(d.Output, s)
		}
		all = append(all, d)
	}
	// What is said for the whole pod has to mean something to one of its sources.
	for _, key := range annotation.SettingKeys {
		value, said := w.req.Settings.Said(key)
		reason := ""
		for _, d := range all {
			if reason = d.idle(key, "this pod", annotation.Prefix); reason == "" {
				break
			}
		}
		if said && reason != "" {
			w.deny(InvalidValue, annotation.Place{Key: annotation.Prefix + key}, value, "%s", reason)
		}
	}
	w.nameOutputs()
	return all
}

// idle is why a setting has no effect on a delivery, which is not what its author
// expects; empty: it has one. Keys are named with the prefix.
func (d delivery) idle(key, who, prefix string) string {
	switch {
	case key == "output" && !d.ships():
		return fmt.Sprintf("names what mode: ship sends to, and %s streams; leave it out, or add %smode: ship", who, prefix)
	case key == "emit" && d.ships():
		return fmt.Sprintf("is for stdout, and %s ships: each record becomes a document; leave it out", who)
	case key == "split" && d.ships():
		return fmt.Sprintf("tells files apart in kubectl logs, and %s ships: each document names its file; leave it out", who)
	case slices.Contains(annotation.FieldKeys, key) && !d.Fields():
		return fmt.Sprintf("is for records with fields, and %s writes lines as they are; leave it out, or add %semit: json", who, prefix)
	}
	return ""
}

// placeOf is where the setting is said: in the source, or for the whole pod.
func placeOf(key string, s annotation.Source) annotation.Place {
	if at, own := s.Places[key]; own {
		return at
	}
	return annotation.Place{Key: annotation.Prefix + key}
}

// outputOf is the output of that name, or the profile's default one; nil: denied.
func (w *work) outputOf(name string, s annotation.Source) *output {
	why, key := "as named", "output"
	if name == "" {
		name, why, key = w.profile.DefaultOutput, "the profile's default", "mode"
	}
	if i := slices.IndexFunc(w.outputs, func(o *output) bool { return o.name == name }); i >= 0 {
		return w.outputs[i]
	}
	o := &output{name: name, why: why}
	o.Output = w.profile.Outputs[name]
	w.outputs = append(w.outputs, o)
	allowed := slices.DeleteFunc(slices.Sorted(maps.Keys(w.profile.Outputs)), func(name string) bool { return !w.profile.AllowsOutput(name) })
	names := strings.Join(allowed, ", ")
	if names == "" {
		key = "mode"
	}
	at := placeOf(key, s)
	switch {
	case w.profile.AllowsOutput(name):
	case names == "":
		w.deny(NoOutput, at, string(annotation.Ship), "the profile has no outputs, so that pods can only stream")
	case name == "":
		w.deny(NoOutput, at, string(annotation.Ship), "the profile has no default output; name one with %s: it has %s", annotation.Output, names)
	default:
		w.deny(UnknownOutput, at, name, "the profile has no such output; it has %s", names)
	}
	return o
}

// nameOutputs names the volumes of the credentials: after their output, where
// there are several.
func (w *work) nameOutputs() {
	for _, o := range w.outputs {
		if o.Secret == "" {
			continue
		}
		o.volume = credentialsVolume
		if len(w.outputs) > 1 {
			o.volume = label(strings.TrimPrefix(credentialsVolume, namePrefix) + "-" + o.name)
		}
	}
}

// explainOutputs says where the records go.
func (w *work) explainOutputs() {
	for _, o := range w.outputs {
		kind := "index"
		if o.IndexType == config.TypeDataStream {
			kind = "data stream"
		}
		with := "without credentials"
		if o.Secret != "" {
			with = fmt.Sprintf("with the credentials in the Secret %s of the pod's namespace", o.Secret)
		}
		w.r.add(Info, OutputChosen, annotation.Output, o.name, "%s; ships to %s, %s %s, %s", o.why, strings.Join(o.To, ", "), kind, o.Index, with)
	}
}
