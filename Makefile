# What a change needs: see CONTRIBUTING.md. `make ci` is all of it at once.

GO ?= go

.PHONY: help test race lint fuzz bench ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: ## run all tests
	$(GO) test ./...

race: ## run all tests with the race detector
	$(GO) test -race ./...

lint: ## check format, vet, staticcheck and golangci-lint, import arrows included
	.ci/lint

fuzz: ## run every fuzz target for FUZZTIME (10s)
	.ci/fuzz $(or $(FUZZTIME),10s)

bench: ## run all benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

ci: ## run everything that .ci/run runs
	.ci/run
