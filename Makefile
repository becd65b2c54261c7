# What a change needs: see CONTRIBUTING.md. `make ci` is all of it at once.

GO ?= go

.PHONY: help test race layouts kill contention lint fuzz bench ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: ## run all tests
	$(GO) test ./...

race: ## run all tests with the race detector
	$(GO) test -race ./...

layouts: ## run the packet tests of package bridge with other layouts than the native one
	for l in hybrid docker-28 docker-18.05; do $(GO) test ./bridge -layout $$l || exit 1; done

kill: ## kill -9 processes in the middle of updates of 20,000 ports, 200 times, and of links
	$(GO) test ./bridge -run 'Killed' -v -timeout 60m -kill.rounds 200 -kill.ports 20000

contention: ## 10,000 updates of several processes next to nft and iptables, who never rest
	$(GO) test ./bridge -run EightWriters -v -timeout 60m -writers.updates 10000

lint: ## check format, vet, staticcheck and golangci-lint, import arrows included
	.ci/lint

fuzz: ## run every fuzz target for FUZZTIME (10s)
	.ci/fuzz $(or $(FUZZTIME),10s)

bench: ## run all benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

ci: ## run everything that .ci/run runs
	.ci/run
