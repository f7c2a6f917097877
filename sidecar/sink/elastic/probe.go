package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"logging.taco/sidecar/config"
)

// probeTimeout bounds all questions to one address.
const probeTimeout = 20 * time.Second

// Probe asks each address of the output whether records can be shipped to it:
// its version, whether it knows us, what it has of templates, and whether we
// may create documents. No document is stored: the one that is sent is one that
// every backend refuses, after it has looked at our rights. The template is put
// and the index made as before the first record. The error: records cannot be
// shipped there.
func Probe(o Options, w io.Writer) error {
	s, err := New(o)
	if err != nil {
		return err
	}
	index := s.index.of(s.opt.Now(), func(string) string { return "probe" })
	var failed error
	for _, to := range o.Output.To {
		one := o.Output
		one.To = []string{to}
		fmt.Fprintf(w, "%s\n", to)
		if err := probe(one, s, index, w); err != nil {
			fmt.Fprintf(w, "  records cannot be shipped: %v\n", err)
			failed = fmt.Errorf("%s: %w", to, err)
		}
	}
	return failed
}

func probe(o config.Output, s *Sink, index string, w io.Writer) error {
	c, err := newClient(o, s.opt.Getenv, s.opt.UserAgent, s.opt.Log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()

	status, body, err := c.call(ctx, http.MethodGet, "/", nil)
	if err != nil {
		return err
	}
	switch status {
	case http.StatusOK:
		var root struct {
			Version struct{ Number, Distribution string }
		}
		if json.Unmarshal(body, &root) != nil || root.Version.Number == "" {
			return fmt.Errorf("what answers there is neither Elasticsearch nor OpenSearch")
		}
		product := "Elasticsearch"
		if root.Version.Distribution != "" {
			product = root.Version.Distribution
		}
		fmt.Fprintf(w, "  version: %s %s\n", product, root.Version.Number)
	case http.StatusUnauthorized:
		return fmt.Errorf("the credentials are not accepted (401)")
	case http.StatusForbidden:
		fmt.Fprintf(w, "  version: not told to this user, which does no harm (403)\n")
	default:
		return fmt.Errorf("GET / was answered with status %d", status)
	}
	if c.authorized() {
		fmt.Fprintf(w, "  authentication: accepted\n")
	} else {
		fmt.Fprintf(w, "  authentication: none sent, none asked for\n")
	}

	// As at the start of delivery: the index that is made below must not come
	// to be without it.
	switch note, _, err := c.ensureTemplate(ctx, o, s.index.wildcard()); {
	case o.Template == config.TemplateOff:
		fmt.Fprintf(w, "  template: left alone\n")
	case err != nil:
		fmt.Fprintf(w, "  template: %v\n", err)
	case note != "":
		fmt.Fprintf(w, "  template: %s\n", note)
	default:
		fmt.Fprintf(w, "  template: ours is there, for %s\n", s.index.wildcard())
	}

	// A document cannot have a field of this name (e.g. Elasticsearch's MetadataFieldMapper).
	action := "{\"create\":{\"_id\":\"logging-taco-probe\"}}\n{\"@timestamp\":\"2000-01-01T00:00:00Z\",\"_id\":\"probe\"}\n"
	status, body, err = c.call(ctx, http.MethodPost, "/"+index+"/_bulk?timeout=10s", []byte(action))
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return refusal(status, readRequestFault(body))
	}
	var refused error
	if err := readOutcomes(body, 1, func(_ int, o outcome) {
		if f := itemFate(o.status, o.fault); f == hold || f == later {
			refused = refusal(o.status, o.fault)
		}
	}); err != nil {
		return err
	}
	if refused == nil {
		fmt.Fprintf(w, "  write: documents may be created in %s\n", index)
	}
	return refused
}

func refusal(status int, f *fault) error {
	if f == nil {
		return fmt.Errorf("writing is answered with status %d", status)
	}
	return fmt.Errorf("writing is answered with status %d, %s: %s", status, f.Type, f.Reason)
}
