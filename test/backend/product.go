package backend

import "slices"

// A product is what a kind is made of.
type product struct {
	kind    Kind
	title   string
	java    string   // the Java package of its classes
	plugins []string // their classes, as well
	secure  bool
	admin   User   // nobody where nobody is asked
	prefix  string // of all indices in a shared node
}

var products = map[Kind]product{
	Elasticsearch: {
		kind: Elasticsearch, title: "Elasticsearch", java: "org.elasticsearch",
		plugins: []string{"org.elasticsearch.transport.Netty4Plugin", "org.elasticsearch.reindex.ReindexPlugin"},
	},
	OpenSearch: {
		kind: OpenSearch, title: "OpenSearch", java: "org.opensearch",
		plugins: openSearchPlugins,
	},
	OpenSearchSecure: {
		kind: OpenSearchSecure, title: "OpenSearch with its security plugin", java: "org.opensearch",
		plugins: append(slices.Clip(openSearchPlugins), "org.opensearch.security.OpenSearchSecurityPlugin"),
		secure:  true, admin: Admin, prefix: "logstash-",
	},
}

var openSearchPlugins = []string{
	"org.opensearch.transport.Netty4Plugin", "org.opensearch.index.reindex.ReindexPlugin",
	"org.opensearch.ingest.common.IngestCommonPlugin", "org.opensearch.painless.PainlessPlugin",
}
