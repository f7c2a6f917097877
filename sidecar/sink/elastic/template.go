package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"logging.taco/sidecar/config"
)

// templateName and templateVersion name what --template auto puts there.
const (
	templateName    = "logging-taco"
	templateVersion = 1
	managedBy       = "logging.taco"
	templateTimeout = 10 * time.Second
	defaultWildcard = "logstash-*"
)

// template sees to the index template, once, before the first bulk: without it
// the first document would decide the types of its fields. Nothing it finds
// stops delivery; a backend that does not answer is asked again before the
// next request.
type template struct {
	mu   sync.Mutex
	done bool
}

func (t *template) ensure(s *Sink) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), templateTimeout)
	defer cancel()
	note, warn, err := s.client.ensureTemplate(ctx, s.opt.Output, s.index.wildcard())
	if err != nil {
		return // the bulk will say it
	}
	t.done = true
	switch {
	case warn:
		s.opt.Log.Warn(note)
	case note != "":
		s.opt.Log.Info(note)
	}
}

// mappings is the composable index template of the documents; wildcard is which
// indices it is for. It has what the node agent's template has and log_file, no
// more: what that leaves to the first document, such as stream, must not get
// another type here.
func mappings(wildcard string, stream bool) map[string]any {
	keyword := map[string]any{"type": "keyword", "ignore_above": 8191}
	date := map[string]any{"type": "date"}
	keywords := func(names ...string) map[string]any {
		m := map[string]any{}
		for _, n := range names {
			m[n] = keyword
		}
		return m
	}
	kubernetes := keywords("pod_name", "namespace_name", "pod_id", "host", "container_name", "docker_id")
	kubernetes["labels"] = map[string]any{"properties": keywords("app", "application", "component", "release_group")}
	t := map[string]any{
		"index_patterns": []string{wildcard},
		"priority":       10, // below what people make for themselves
		"version":        templateVersion,
		"_meta":          map[string]any{"managed-by": managedBy, "version": templateVersion},
		"template": map[string]any{"mappings": map[string]any{
			"dynamic_templates": []any{
				map[string]any{"labels": map[string]any{"path_match": "kubernetes.labels.*", "match_mapping_type": "string", "mapping": keyword}},
			},
			"properties": map[string]any{
				"@timestamp": date,
				"time":       date,
				"log":        map[string]any{"type": "text"},
				"log_file":   map[string]any{"properties": map[string]any{"path": keyword, "offset": map[string]any{"type": "long"}}},
				"kubernetes": map[string]any{"properties": kubernetes},
			},
		}},
	}
	if stream {
		t["data_stream"] = map[string]any{}
	}
	return t
}

// ensureTemplate looks at what is there, and puts ours where nothing of the
// user's own is meant for the same indices. An error: the backend did not answer.
func (c *client) ensureTemplate(ctx context.Context, o config.Output, wildcard string) (note string, warn bool, err error) {
	if o.Template == config.TemplateOff {
		return "", false, nil
	}
	status, body, err := c.call(ctx, http.MethodGet, "/_index_template?filter_path=index_templates.name,index_templates.index_template.index_patterns,index_templates.index_template._meta", nil)
	if err != nil || status >= 500 || status == http.StatusTooManyRequests {
		return "", false, fmt.Errorf("ask for templates: status %d: %w", status, err)
	}
	if status == http.StatusUnauthorized {
		return "", false, fmt.Errorf("ask for templates: status %d", status)
	}
	if status != http.StatusOK {
		return fmt.Sprintf("the index template is not looked at, since the backend answered %d; fields get the types of the first document, or of a template of yours", status), false, nil
	}
	var there struct {
		Templates []struct {
			Name  string `json:"name"`
			Index struct {
				Patterns patterns `json:"index_patterns"`
				Meta     struct {
					ManagedBy string  `json:"managed-by"`
					Version   float64 `json:"version"`
				} `json:"_meta"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	if err := json.Unmarshal(body, &there); err != nil {
		return "", false, fmt.Errorf("read the templates: %w", err)
	}
	ours := -1.0
	for _, t := range there.Templates {
		if t.Index.Meta.ManagedBy == managedBy {
			if t.Index.Patterns.cover(wildcard) {
				ours = t.Index.Meta.Version
			}
		} else if t.Index.Patterns.meet(wildcard) {
			return fmt.Sprintf("the index template %s of yours is for %s; it stays as it is", t.Name, wildcard), false, nil
		}
	}
	if ours >= templateVersion {
		return "", false, nil
	}
	// A composable template would put aside the older kind that matches.
	status, body, err = c.call(ctx, http.MethodGet, "/_template?filter_path=*.index_patterns", nil)
	if err != nil {
		return "", false, err
	}
	var older map[string]struct {
		Patterns patterns `json:"index_patterns"`
	}
	if status == http.StatusOK && json.Unmarshal(body, &older) == nil {
		for name, t := range older {
			if t.Patterns.meet(wildcard) {
				return fmt.Sprintf("the legacy index template %s of yours is for %s; it stays as it is", name, wildcard), false, nil
			}
		}
	}
	if o.Template == config.TemplateCheck {
		return fmt.Sprintf("no index template is for %s; fields get the types of the first document", wildcard), true, nil
	}
	want, err := json.Marshal(mappings(wildcard, o.IndexType == config.TypeDataStream))
	if err != nil {
		return "", false, err
	}
	name := templateName
	if wildcard != defaultWildcard {
		name += "-" + strings.Trim(strings.NewReplacer("*", "", ".", "-").Replace(wildcard), "-")
	}
	status, body, err = c.call(ctx, http.MethodPut, "/_index_template/"+name, want)
	switch {
	case err != nil || status >= 500:
		return "", false, fmt.Errorf("put the template: status %d: %w", status, err)
	case status != http.StatusOK:
		reason := ""
		if f := readRequestFault(body); f != nil {
			reason = ": " + f.Type + ": " + f.Reason
		}
		return fmt.Sprintf("the index template was not put: the backend answered %d%s; fields get the types of the first document", status, reason), true, nil
	}
	return fmt.Sprintf("the index template %s is put, for %s", name, wildcard), false, nil
}

// call sends a small request and reads the answer.
func (c *client) call(ctx context.Context, method, target string, body []byte) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://backend"+target, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Perform(r)
	if err != nil {
		return 0, nil, plain(err)
	}
	defer res.Body.Close()
	b, err := readAll(nil, io.LimitReader(res.Body, 4<<20), 4<<20)
	return res.StatusCode, b, err
}

// patterns are index patterns: a list, or one string.
type patterns []string

func (p *patterns) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*p = patterns{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(p))
}

// meet tells whether any index may match both one of these and the wildcard.
// A pattern for everything is not taken as meant for ours.
func (p patterns) meet(wildcard string) bool {
	for _, q := range p {
		if q != "*" && overlap(q, wildcard) {
			return true
		}
	}
	return false
}

// cover tells whether one of these is the wildcard.
func (p patterns) cover(wildcard string) bool {
	for _, q := range p {
		if q == wildcard {
			return true
		}
	}
	return false
}

// overlap tells, for patterns with * as the only wildcard, whether some name
// matches both.
func overlap(a, b string) bool {
	// meet[j]: a's part so far and b[:j] can match the same name.
	meet := make([]bool, len(b)+1)
	for i := range len(a) + 1 {
		diagonal := false // meet[j-1] of the row before
		for j := range len(b) + 1 {
			above, here := meet[j], i == 0 && j == 0
			if i > 0 && j > 0 && (a[i-1] == b[j-1] || a[i-1] == '*' || b[j-1] == '*') {
				here = diagonal
			}
			if i > 0 && (a[i-1] == '*' || j > 0 && b[j-1] == '*') {
				here = here || above
			}
			if j > 0 && (b[j-1] == '*' || i > 0 && a[i-1] == '*') {
				here = here || meet[j-1]
			}
			diagonal, meet[j] = above, here
		}
	}
	return meet[len(b)]
}
