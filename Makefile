# What a change needs: see CONTRIBUTING.md. `make ci` is all of it at once.

GO ?= go

.PHONY: help test race layouts flood lint fuzz bench ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: ## run all tests
	$(GO) test ./...

race: ## run all tests with the race detector
	$(GO) test -race ./...

layouts: ## run the packet tests with all other layouts than the native one
	.ci/layouts

flood: ## millions of packets, none of which may be lost or leak, during 1,000 updates and 100 restarts
	$(GO) test ./internal/endurance -run Flood -v -flood.updates 1000 -flood.restarts 100 -flood.packets 1000000

lint: ## check format, vet, staticcheck and golangci-lint, import arrows included
	.ci/lint

fuzz: ## run every fuzz target for FUZZTIME (10s)
	.ci/fuzz $(or $(FUZZTIME),10s)

bench: ## run all benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

ci: ## run everything that .ci/run runs
	.ci/run
