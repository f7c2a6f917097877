package annotation

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"logging.taco/sidecar/config"
)

// Settings are how files are read and delivered. The single annotations give
// them for all files of the pod, a source of the config annotation for its own,
// and the profile where neither does. A zero field was not said; an empty list
// was, and is nothing.
type Settings struct {
	Mode      Delivery
	Output    string
	Split     *bool
	Emit      config.Emit
	Multiline string
	Charset   string
	// Rules say what a record means: its fields, its time, what is left out.
	config.Rules
}

// Delivery is where the lines go, the value of the mode annotation.
type Delivery string

const (
	Stream Delivery = "stream" // to the sidecar's standard output
	Ship   Delivery = "ship"   // to an output of the profile
)

// SettingKeys are the keys of settings, without their prefix.
var SettingKeys = func() (keys []string) {
	for _, k := range Keys {
		name := strings.TrimPrefix(k, Prefix)
		if _, setting := new(Settings).set(name, ""); setting {
			keys = append(keys, name)
		}
	}
	return keys
}()

// Over is s, and below where s says nothing. A format comes with its types and
// its time, so that another one does not inherit these. What is redacted and what
// is added adds up: nothing below is taken back.
func (s Settings) Over(below Settings) Settings {
	o := Settings{
		Mode:      cmp.Or(s.Mode, below.Mode),
		Output:    cmp.Or(s.Output, below.Output),
		Split:     cmp.Or(s.Split, below.Split),
		Emit:      cmp.Or(s.Emit, below.Emit),
		Multiline: cmp.Or(s.Multiline, below.Multiline),
		Charset:   cmp.Or(s.Charset, below.Charset),
		Rules:     s.Rules,
	}
	if s.Format == "" {
		o.Format = below.Format
		o.Types = cmp.Or(s.Types, below.Types)
		o.TimeKey = cmp.Or(s.TimeKey, below.TimeKey)
		o.TimeFormat = cmp.Or(s.TimeFormat, below.TimeFormat)
		o.TimeZone = cmp.Or(s.TimeZone, below.TimeZone)
	}
	if s.Drop == nil {
		o.Drop = below.Drop
	}
	if s.Keep == nil {
		o.Keep = below.Keep
	}
	o.Redact = slices.Clone(below.Redact)
	for _, e := range s.Redact {
		if !slices.Contains(o.Redact, e) {
			o.Redact = append(o.Redact, e)
		}
	}
	if len(s.Add)+len(below.Add) > 0 {
		o.Add = maps.Clone(below.Add)
		if o.Add == nil {
			o.Add = map[string]string{}
		}
		maps.Copy(o.Add, s.Add)
	}
	return o
}

// Fields tells whether records go out with their fields: as documents or JSON.
func (s Settings) Fields() bool { return s.Mode == Ship || s.Emit == config.EmitJSON }

// FieldKeys are the keys that say something of fields alone.
var FieldKeys = []string{"format", "types", "time-key", "time-format", "time-zone", "add"}

// WithoutFields is s without what FieldKeys say.
func (s Settings) WithoutFields() Settings {
	s.Rules = config.Rules{Drop: s.Drop, Keep: s.Keep, Redact: s.Redact}
	return s
}

// Check has the sidecar's own rules decide on the settings as a whole; nil: it
// takes them.
func (s Settings) Check() *config.FieldError {
	c := config.Default()
	c.Sources = []config.Source{{Paths: []string{"/any"}, Emit: s.Emit, Multiline: s.Multiline, Charset: s.Charset, Rules: s.Rules}}
	if s.Mode == Ship {
		c.Sources[0].Emit = config.EmitJSON // has fields too, and needs no address
	}
	var wrong *config.FieldError
	if errors.As(c.Validate(), &wrong) {
		return wrong
	}
	return nil
}

// Said tells whether the settings say something under a key, and what: an
// expression of several, a key of the constant fields.
func (s Settings) Said(key string) (value string, said bool) {
	list := func(items []string) (string, bool) { return strings.Join(items, "\n"), len(items) > 0 }
	switch key {
	case "mode":
		value = string(s.Mode)
	case "output":
		value = s.Output
	case "split":
		if s.Split != nil && *s.Split {
			value = "true"
		}
	case "emit":
		value = string(s.Emit)
	case "multiline":
		value = s.Multiline
	case "charset":
		value = s.Charset
	case "format":
		if value = s.Format; value == "none" {
			value = "" // takes back what a profile says, and else nothing
		}
	case "types":
		value = s.Types
	case "time-key":
		value = s.TimeKey
	case "time-format":
		value = s.TimeFormat
	case "time-zone":
		value = s.TimeZone
	case "drop":
		return list(s.Drop)
	case "keep":
		return list(s.Keep)
	case "redact":
		return list(s.Redact)
	case "add":
		return list(slices.Sorted(maps.Keys(s.Add)))
	}
	return value, value != ""
}
