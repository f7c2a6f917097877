// Package backend runs real log backends for tests: single nodes of
// Elasticsearch and OpenSearch, started in two or three seconds from the jars
// that their makers publish on Maven Central. It needs a JDK and Maven; a test
// without them is skipped, with CI=true it fails. The first run downloads up to
// 100 MB a kind into the user's cache folder.
//
//	func TestMain(m *testing.M) { os.Exit(backend.Main(m)) }
//
//	func TestBulk(t *testing.T) {
//		node := backend.Start(t, backend.Elasticsearch, backend.Setting("http.max_content_length", "10kb"))
//		node.Post("/logs/_bulk", "{\"create\":{\"_id\":\"1\"}}\n{\"log\":\"hello\"}\n")
//		node.Kill() // as kill -9 does
//		node.Restart()
//		node.Refresh("logs")
//		if n := node.Count("logs", "log:hello"); n != 1 {
//			t.Errorf("%d documents after a crash, want 1", n)
//		}
//	}
//
// A test that needs no node of its own takes one that all tests of the program
// share, and keeps to indices that begin with its Prefix:
//
//	node := backend.Shared(t, backend.OpenSearch)
//	node.Put("/"+node.Prefix+"logs", map[string]any{"settings": …})
//
// What goes wrong between the two, a Proxy does: delays, resets, stalls. What no
// node can be made to answer, a Script answers. Discard keeps nothing, for
// benchmarks. To have a node or Discard at hand: make bin/backend.
package backend

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"
)

// A Kind is a product, and how it is set up.
type Kind string

const (
	Elasticsearch Kind = "elasticsearch"
	OpenSearch    Kind = "opensearch" // with ingest-common, painless and reindex
	// The same with the real security plugin: TLS and the users Admin and
	// Shipper. Its node asks as Admin unless told otherwise by As.
	OpenSearchSecure Kind = "opensearch-secure"
)

// Kinds are all kinds.
var Kinds = slices.Sorted(maps.Keys(products))

// An Option says how a node is to differ from the usual.
type Option func(*options)

type options struct {
	address   string
	port      int // 0: a free one
	data      string
	heap      string
	settings  map[string]string
	listening bool

	certificateLife time.Duration
}

// Setting sets one of the node's settings, as in elasticsearch.yml.
func Setting(name, value string) Option {
	return func(o *options) { o.settings[name] = value }
}

// Heap sets the size of the Java heap: "512m" if not set.
func Heap(size string) Option { return func(o *options) { o.heap = size } }

// Address and Port say where the node serves HTTP: 127.0.0.1 and any free port
// if not set.
func Address(address string) Option { return func(o *options) { o.address = address } }

func Port(port int) Option { return func(o *options) { o.port = port } }

// Data is a folder that is to outlive the node.
func Data(folder string) Option { return func(o *options) { o.data = folder } }

// Listening makes Start return as soon as the node answers at all, healthy or
// not: for nodes that are to have no master.
func Listening() Option { return func(o *options) { o.listening = true } }

// CertificateLife makes the certificate of a secure node expire; each start makes
// a new one.
func CertificateLife(d time.Duration) Option { return func(o *options) { o.certificateLife = d } }

// Start starts a node and waits until it is healthy. It ends, and its data is
// removed, with the test.
func Start(t testing.TB, kind Kind, options ...Option) *Node {
	t.Helper()
	s, err := newServer(kind, options...)
	if err == nil {
		t.Cleanup(func() {
			s.remove()
			if t.Failed() {
				t.Logf("the last words of %s:\n%s", s.product.title, s.said.String())
			}
		})
		err = s.start(t.Context())
	}
	if err != nil {
		giveUp(t, err)
	}
	return &Node{server: s, t: t, user: s.product.admin}
}

// giveUp ends a test whose node did not start.
func giveUp(t testing.TB, err error) {
	t.Helper()
	if missing, ok := err.(missingError); ok && os.Getenv("CI") != "true" {
		t.Skip(missing)
	}
	t.Fatal(err)
}

// Serve runs a node until the context is done. When it is healthy, ready is
// called with its URL and, of a secure one, the file of its authority.
func Serve(ctx context.Context, kind Kind, ready func(url, ca string), options ...Option) error {
	s, err := newServer(kind, options...)
	if err != nil {
		return err
	}
	defer s.remove()
	if err := s.start(ctx); err != nil {
		return err
	}
	n := &Node{server: s}
	ca := ""
	if s.authority != nil {
		ca = n.CA()
	}
	ready(n.URL(), ca)
	select {
	case <-ctx.Done():
		return s.stop()
	case <-s.process.Load().ended:
		return fmt.Errorf("%s ended by itself:\n%s", s.product.title, s.said.String())
	}
}
