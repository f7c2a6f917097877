# Run `make` alone for the list of targets.
.DEFAULT_GOAL := help

# The version of programs and images. The chart, what is made from it, and
# injector/profile/profile.go name images with it; `make lint` compares.
VERSION := v0.1.0

GO ?= go
export CGO_ENABLED ?= 0
# The same flags everywhere, so that nothing is compiled twice.
export GOFLAGS := -trimpath -buildvcs=false
LDFLAGS := -s -w -X main.version=$(VERSION)
export VERSION CLUSTER IMAGES_LOADED

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: bin/sidecar bin/injector ## build both programs into bin/

# go build knows best what is up to date.
.PHONY: bin/sidecar bin/injector bin/cluster bin/backend
bin/sidecar bin/injector:
	$(GO) build -ldflags '$(LDFLAGS)' -o $@ ./$(notdir $@)
bin/cluster:
	cd test/cluster && $(GO) build -o ../../$@ .
bin/backend:
	$(GO) build -o $@ ./test/backend/cmd

.PHONY: demo
demo: build bin/cluster ## the main job on a real cluster of this machine's own, or with CLUSTER=current on yours
	@test/demo/demo.sh up

.PHONY: demo-ship
demo-ship: build bin/cluster bin/backend ## the same with a pod that ships to Elasticsearch, a real node on this machine
	@test/demo/demo.sh ship

.PHONY: demo-down
demo-down: bin/cluster ## remove what make demo and make demo-ship made
	@test/demo/demo.sh down

# All that CI runs. What a machine lacks is installed where that can be done
# (Debian, as root); elsewhere the tests that need it are skipped and say so,
# but with CI=true they fail. -count=1 where tests run programs that they build:
# Go's cache of results does not know of these.
.NOTPARALLEL:
.PHONY: test
test: machine lint unit manifests-test torture backend-test ship-test cluster-test image-test e2e ## everything that CI runs; as root on Debian it installs what it needs
	@printf '\n=== all passed\n'

SECTION = @printf '\n=== %s\n'

.PHONY: machine
machine: bin/cluster
	$(SECTION) 'this machine: what the tests need'
	@BIN=bin test/machine.sh

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, one version everywhere, who imports whom, README against the code
	$(SECTION) 'lint'
	@unformatted=$$(gofmt -l sidecar injector test); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	@grep -q '^appVersion: $(VERSION) ' manifests/chart/logging-taco/Chart.yaml && grep -q 'injector:$(VERSION)$$' manifests/install.yaml && \
	  grep -q 'sidecar:$(VERSION)"$$' injector/profile/profile.go || \
	  { echo 'manifests/chart/logging-taco/Chart.yaml, manifests/install.yaml and injector/profile/profile.go do not all say $(VERSION), as this Makefile does'; exit 1; }
	$(GO) vet ./...
	cd test/cluster && $(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -count=1 ./test/architecture ./test/readme

# The injector's tests run a real API server, of those that the node runs too.
.PHONY: unit
unit: bin/cluster
	$(SECTION) 'unit tests, and the injector with a real API server, all with the race detector'
	assets=$$(bin/cluster build) && KUBEBUILDER_ASSETS=$$assets CGO_ENABLED=1 $(GO) test -race ./sidecar/... ./injector/... ./test/bench

# They run helm, an API server, promtool and both programs.
.PHONY: manifests-test
manifests-test: bin/cluster ## the chart, what is made from it, alerts and dashboard
	$(SECTION) 'what is installed'
	helm=$$(bin/cluster helm) && assets=$$(bin/cluster build) && promtool=$$(test/promtool.sh || true) && \
	  HELM=$$helm KUBEBUILDER_ASSETS=$$assets PROMTOOL=$$promtool $(GO) test -count=1 ./test/manifests

.PHONY: manifests
manifests: bin/cluster ## make manifests/install.yaml and its like from the chart
	helm=$$(bin/cluster helm) && HELM=$$helm $(GO) test -count=1 ./test/manifests -run TestMadeFromTheChart -update

.PHONY: torture
torture: ## rotation, restarts and bad luck: what is written against what arrives
	$(SECTION) 'torture'
	$(GO) test -count=1 ./test/torture

.PHONY: backend-test
backend-test:
	$(SECTION) 'real log backends'
	CGO_ENABLED=1 $(GO) test -race -count=1 ./test/backend/...

.PHONY: ship-test
ship-test:
	$(SECTION) 'shipping to real nodes: documents, statuses, security, faults'
	CGO_ENABLED=1 $(GO) test -race -count=1 ./test/ship

.PHONY: cluster-test
cluster-test:
	$(SECTION) 'the test cluster'
	cd test/cluster && $(GO) test -count=1 ./...

.PHONY: image-test
image-test:
	$(SECTION) 'images'
	$(GO) test -count=1 ./test/images

.PHONY: e2e
e2e: bin/cluster
	$(SECTION) 'end to end, on a real node'
	helm=$$(bin/cluster helm) && HELM=$$helm $(GO) test -count=1 -v ./test/e2e

.PHONY: bench
bench: ## the sidecar side by side with its peers: throughput, latency, idle cost, shipping, parsing
	$(GO) run ./test/bench

.PHONY: images
images: ## the images of both programs, with docker, podman or buildah
	@test/images/build.sh
