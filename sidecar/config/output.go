package config

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Output is where and how records are shipped; without To, they go to stdout.
type Output struct {
	// To is the backend's addresses, http:// or https://; any of them will do.
	To []string `yaml:"to"`
	// Index is the pattern of the index's name: strftime of the record's time
	// in UTC, {field} for a field.
	Index string `yaml:"index"`
	// IndexType is what Index names.
	IndexType IndexType `yaml:"index-type"`
	// IDs gives documents ids of pod, generation and offset: what is sent again is not stored again.
	IDs bool `yaml:"ids"`
	// Gzip compresses bulks.
	Gzip bool `yaml:"gzip"`
	// BatchSize is the length in bytes, before compression, at which a bulk goes out.
	BatchSize Size `yaml:"batch-size"`
	// BatchWait is the shortest time between two bulks that are not full.
	BatchWait Duration `yaml:"batch-wait"`
	// InFlight is how many bulks may be under way at once; more than 1 gives up their order.
	InFlight int `yaml:"in-flight"`
	// Timeout bounds one request.
	Timeout Duration `yaml:"timeout"`
	// Template is what happens to the index template at the start.
	Template Template `yaml:"template"`
	// Credentials is a folder of files, each optional: username, password, api-key, token, ca.crt, tls.crt, tls.key.
	Credentials string `yaml:"credentials"`
	// ServerName is the name in the backend's certificate; empty: the host of the URL.
	ServerName string `yaml:"server-name"`
	// DeadLetter is the file of records that the backend will never take;
	// empty: dead-letter.ndjson in State, or none without State.
	DeadLetter string `yaml:"dead-letter"`
	// DeadLetterSize bounds that file and its one predecessor, in bytes each.
	DeadLetterSize Size `yaml:"dead-letter-size"`
}

// IndexType is what documents are written to.
type IndexType string

const (
	TypeIndex      IndexType = "index"
	TypeDataStream IndexType = "data-stream"
)

// Template is what happens to the index template at the start.
type Template string

const (
	TemplateAuto  Template = "auto"  // put where it is missing or of an older version
	TemplateCheck Template = "check" // compared, and said where it differs
	TemplateOff   Template = "off"
)

// Limits of the output's values.
const (
	MaxBatchSize = Size(16 << 20)
	MinBatchSize = Size(4 << 10)
	MaxInFlight  = 16
)

// DefaultDataStream is the name of a data stream where none is given.
const DefaultDataStream = "logs-taco-default"

// DefaultOutput has every default and no address.
func DefaultOutput() Output {
	return Output{
		Index:          "logstash-%Y.%m.%d",
		IndexType:      TypeIndex,
		IDs:            true,
		Gzip:           true,
		BatchSize:      1 << 20,
		BatchWait:      Duration(200 * time.Millisecond),
		InFlight:       1,
		Timeout:        Duration(time.Minute),
		Template:       TemplateAuto,
		DeadLetterSize: 16 << 20,
	}
}

// IsZero tells YAML that there is nothing to write.
func (o Output) IsZero() bool { return len(o.To) == 0 }

// MarshalYAML leaves out what the defaults say.
func (o Output) MarshalYAML() (any, error) {
	type plain Output
	var n, defaults yaml.Node
	if err := errors.Join(n.Encode(plain(o)), defaults.Encode(plain(DefaultOutput()))); err != nil {
		return nil, err
	}
	kept := n.Content[:0]
	for i := 0; i < len(n.Content); i += 2 {
		if value, usual := n.Content[i+1], defaults.Content[i+1]; value.Kind != usual.Kind || value.Value != usual.Value || len(value.Content) > 0 {
			kept = append(kept, n.Content[i], value)
		}
	}
	n.Content = kept
	return &n, nil
}

// Ships tells whether records are shipped, and not streamed.
func (c *Config) Ships() bool { return len(c.Output.To) > 0 }

// validate checks the values; its error is a *FieldError.
func (o *Output) validate() error {
	fault := func(key, value, reason string) error { return &FieldError{-1, "output." + key, value, reason} }
	if len(o.To) == 0 {
		d := DefaultOutput()
		if o.Index != d.Index || o.IndexType != d.IndexType || o.Credentials != "" || o.ServerName != "" ||
			o.IDs != d.IDs || o.Gzip != d.Gzip || o.BatchSize != d.BatchSize || o.BatchWait != d.BatchWait ||
			o.InFlight != d.InFlight || o.Template != d.Template || o.DeadLetter != "" ||
			o.DeadLetterSize != d.DeadLetterSize || o.Timeout != d.Timeout {
			return fault("to", "", "an output needs the backend's address, such as http://elasticsearch:9200")
		}
		return nil
	}
	for _, to := range o.To {
		if reason := addressFault(to); reason != "" {
			return fault("to", redacted(to), reason)
		}
	}
	if o.IndexType == TypeDataStream && o.Index == DefaultOutput().Index {
		o.Index = DefaultDataStream
	}
	if reason := indexFault(o.Index); reason != "" {
		return fault("index", o.Index, reason)
	}
	switch o.IndexType {
	case TypeIndex, TypeDataStream:
	default:
		return fault("index-type", string(o.IndexType), "use index or data-stream")
	}
	if o.IndexType == TypeDataStream && strings.ContainsRune(o.Index, '%') {
		return fault("index", o.Index, "a data stream has no date in its name; it rolls over by itself")
	}
	switch o.Template {
	case TemplateAuto, TemplateCheck, TemplateOff:
	default:
		return fault("template", string(o.Template), "use auto, check or off")
	}
	if o.BatchSize < MinBatchSize || o.BatchSize > MaxBatchSize {
		return fault("batch-size", o.BatchSize.String(), fmt.Sprintf("use a size from %v to %v", MinBatchSize, MaxBatchSize))
	}
	if o.InFlight < 1 || o.InFlight > MaxInFlight {
		return fault("in-flight", fmt.Sprint(o.InFlight), fmt.Sprintf("use a number from 1 to %d", MaxInFlight))
	}
	if o.Timeout < Duration(time.Second) {
		return fault("timeout", o.Timeout.String(), "use at least 1s")
	}
	if o.DeadLetterSize < Size(64<<10) {
		return fault("dead-letter-size", o.DeadLetterSize.String(), "use at least 64KiB")
	}
	for key, p := range map[string]string{"credentials": o.Credentials, "dead-letter": o.DeadLetter} {
		if p != "" && !path.IsAbs(p) {
			return fault(key, p, "use an absolute path")
		}
	}
	return nil
}

// addressFault tells why records cannot be shipped to an address, or nothing.
func addressFault(to string) string {
	u, err := url.Parse(to)
	switch {
	case err != nil:
		return "this is not a URL such as http://elasticsearch:9200"
	case u.Scheme != "http" && u.Scheme != "https":
		return "use http://HOST:PORT or https://HOST:PORT, of Elasticsearch or OpenSearch"
	case u.Host == "" || u.Hostname() == "":
		return "the host is missing"
	case u.User != nil:
		return "put the user's name and password into the files of a credentials folder, or into $TACO_USERNAME and $TACO_PASSWORD; an address is shown to anyone"
	case u.RawQuery != "" || u.Fragment != "":
		return "leave out what follows ? or #"
	}
	return ""
}

// redacted leaves a password out of what is said about an address.
func redacted(to string) string {
	if u, err := url.Parse(to); err == nil {
		return u.Redacted()
	}
	if before, after, found := strings.Cut(to, "@"); found && strings.Contains(before, ":") {
		return "…@" + after
	}
	return to
}

// indexFault tells why a pattern names no index, or nothing. The rules are
// Elasticsearch's for index names; fields are cleaned when they are filled in.
func indexFault(pattern string) string {
	if pattern == "" {
		return "an index needs a name"
	}
	if !utf8.ValidString(pattern) {
		return "the name is not UTF-8"
	}
	if len(pattern) > 200 {
		return "the pattern is longer than 200 bytes"
	}
	if strings.ContainsAny(pattern[:1], "-_+") {
		return "a name cannot begin with -, _ or +"
	}
	for rest := pattern; rest != ""; {
		c := rest[0]
		switch {
		case c == '{':
			name, after, found := strings.Cut(rest[1:], "}")
			if !found || name == "" || strings.ContainsAny(name, "{%") {
				return "a { needs the name of a field and its }"
			}
			rest = after
			continue
		case c == '%':
			if len(rest) < 2 || !strings.ContainsRune("YmdHjyUVG%", rune(rest[1])) || rest[1] == '%' {
				return "after % one of Y, y, m, d, H, j, U, V, G is known"
			}
			rest = rest[2:]
			continue
		case 'A' <= c && c <= 'Z':
			return "the name must be in lower case"
		case strings.IndexByte("\\/*?\"<>| ,#:}", c) >= 0 || c < 0x20:
			return fmt.Sprintf("a name cannot hold %q", string(c))
		}
		rest = rest[1:]
	}
	return ""
}
