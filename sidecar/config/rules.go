package config

import (
	"errors"
	"maps"
	"slices"

	"logging.taco/sidecar/record/parse"
)

// Rules say what the text of a source's records means, and which of them go
// out. All are optional; parse.Options says what the values can be.
type Rules struct {
	// Format names the parser that finds fields in a record.
	Format string `yaml:"format,omitempty"`
	// Types are types of fields: KEY:TYPE, with commas between them.
	Types string `yaml:"types,omitempty"`
	// TimeKey is the field with the record's time.
	TimeKey string `yaml:"time-key,omitempty"`
	// TimeFormat is how the time is written.
	TimeFormat string `yaml:"time-format,omitempty"`
	// TimeZone is that of times which do not say theirs.
	TimeZone string `yaml:"time-zone,omitempty"`
	// Drop are expressions: a record that one of them matches does not go out.
	Drop []string `yaml:"drop,omitempty"`
	// Keep are expressions: a record that none of them matches does not go out.
	Keep []string `yaml:"keep,omitempty"`
	// Redact are expressions for what must not leave the pod.
	Redact []string `yaml:"redact,omitempty"`
	// Add are constant fields.
	Add map[string]string `yaml:"add,omitempty"`
}

// Parse makes what reads records; nil where there is nothing to do. Its error
// is a *parse.OptionError.
func (r *Rules) Parse() (*parse.Rules, error) {
	return parse.New(parse.Options{
		Format: r.Format, Types: r.Types, TimeKey: r.TimeKey, TimeFormat: r.TimeFormat, TimeZone: r.TimeZone,
		Drop: r.Drop, Keep: r.Keep, Redact: r.Redact, Add: r.Add,
	})
}

// check tells what is wrong with the rules of source i; fields: its records go
// out with their fields.
func (r *Rules) check(i int, fields bool) error {
	if len(r.Drop) == 0 {
		r.Drop = nil
	}
	if len(r.Keep) == 0 {
		r.Keep = nil
	}
	if len(r.Redact) == 0 {
		r.Redact = nil
	}
	if len(r.Add) == 0 {
		r.Add = nil
	}
	var fault *parse.OptionError
	if _, err := r.Parse(); errors.As(err, &fault) {
		return &FieldError{i, fault.Key, fault.Value, fault.Reason}
	}
	if fields {
		return nil
	}
	const reason = "raw and prefix write the line as it is; fields and time are written with emit: json, or to an output"
	for _, set := range []struct{ key, value string }{
		{"format", r.Format}, {"types", r.Types}, {"time-key", r.TimeKey}, {"time-format", r.TimeFormat}, {"time-zone", r.TimeZone},
	} {
		if set.value != "" && set.value != "none" {
			return &FieldError{i, set.key, set.value, reason}
		}
	}
	if len(r.Add) > 0 {
		return &FieldError{i, "add", slices.Min(slices.Collect(maps.Keys(r.Add))), reason}
	}
	return nil
}
