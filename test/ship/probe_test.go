package ship

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"logging.taco/test/backend"
)

// TestProbe: what `check --probe` says of a backend, without storing anything.
func TestProbe(t *testing.T) {
	t.Parallel()
	probe := func(s *shipment, output string, status int, says ...string) {
		s.t.Helper()
		file := filepath.Join(s.t.TempDir(), "config.yaml")
		must(s.t, writeFile(file, fmt.Sprintf("sources:\n- paths: [%q]\noutput:\n  to: [%q]\n  index: %q\n%s", s.path("*.log"), s.to, s.index, output)))
		a := launchAt(s.t, "127.0.0.1:9", s.env, s.secrets, "check", "--config="+file, "--probe")
		a.exit(status)
		for _, what := range says {
			if !strings.Contains(a.said.String(), what) {
				s.t.Errorf("it does not say %q:\n%s", what, a.said.String())
			}
		}
	}
	for kind, version := range map[backend.Kind]string{backend.Elasticsearch: "version: Elasticsearch 7.17.", backend.OpenSearch: "version: opensearch 2.19."} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			n := backend.Shared(t, kind)
			s := ship(t, n)
			probe(s, "", 0, version, "none sent, none asked for", "is put, for "+s.all, "documents may be created in "+n.Prefix)
			probe(s, "", 0, "ours is there")
			n.Refresh(s.all)
			if stored := n.Count(s.all, ""); stored != 0 {
				t.Errorf("it has stored %d documents", stored)
			}
			s.index = n.Prefix + "blocked"
			s.ask(http.MethodPut, "/"+s.index, object{"settings": object{"index.blocks.write": true}})
			probe(s, "  template: off\n", 1, "template: left alone", "index write (api)")
		})
	}
	t.Run("secure", func(t *testing.T) {
		t.Parallel()
		s, n, secret := shipSecurely(t, nil)
		right := shipper(n, t)
		secret.set(right)
		credentials := fmt.Sprintf("  credentials: %q\n", secret.dir)
		probe(s, credentials, 0, "not told to this user", "authentication: accepted", "documents may be created in")
		s.index = "outside-of-the-role"
		probe(s, credentials, 1, "security_exception")
		secret.set(with(right, "password", "wrong-"+canaryPassword))
		probe(s, credentials, 1, "not accepted (401)")
		secret.set(with(right, "ca.crt", ""))
		probe(s, credentials, 1, "certificate signed by unknown authority")
	})
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		probe(shipTo(t, "http://"+freeAddress(t)), "", 1, "connection refused")
	})
}
