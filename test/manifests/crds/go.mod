// The kinds of cert-manager and of Prometheus' operator, which the chart makes
// objects of: the tests have an API server check these. A module of its own, of
// which only the files are used.
module logging.taco/test/manifests/crds

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
