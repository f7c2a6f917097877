# Run `make` alone for the list of targets.
.DEFAULT_GOAL := help
GO ?= go
VERSION ?= v0.1.0
export CGO_ENABLED ?= 0
LDFLAGS := -s -w -X main.version=$(VERSION)

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: bin/sidecar bin/injector ## build both programs into bin/

.PHONY: bin/sidecar bin/injector
bin/sidecar bin/injector:
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./$(notdir $@)

.PHONY: test
test: ## unit tests, race detector, lint
	$(GO) vet ./...
	CGO_ENABLED=1 $(GO) test -race ./...
