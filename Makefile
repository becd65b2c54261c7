# What a change needs: see CONTRIBUTING.md. `make ci` is all of it at once.

GO ?= go
# seawallctl is a module of its own.
PACKAGES = ./... ./examples/seawallctl/...

.PHONY: help test race layouts flood soak kill contention lint fuzz bench ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: ## run all tests
	$(GO) test $(PACKAGES)

race: ## run all tests with the race detector
	$(GO) test -race $(PACKAGES)

layouts: ## run the packet tests with all other layouts than the native one
	.ci/layouts

flood: ## millions of packets, none of which may be lost or leak, during 1,000 updates and 100 restarts
	$(GO) test ./internal/endurance -run Flood -v -flood.updates 1000 -flood.restarts 100 -flood.packets 1000000

soak: ## an hour (SOAK=1h) of random facts, damage and restarts
	$(GO) test ./internal/endurance -run Soak -v -timeout 0 -soak.for $(or $(SOAK),1h)

kill: ## kill -9 processes in the middle of updates of 20,000 ports, 200 times, and of links
	$(GO) test ./bridge -run 'Killed' -v -timeout 60m -kill.rounds 200 -kill.ports 20000

contention: ## 10,000 updates of several processes next to nft and iptables, who never rest
	$(GO) test ./bridge -run EightWriters -v -timeout 60m -writers.updates 10000

lint: ## check format, vet, staticcheck and golangci-lint, import arrows included
	.ci/lint

fuzz: ## run every fuzz target for FUZZTIME (10s)
	.ci/fuzz $(or $(FUZZTIME),10s)

bench: ## run all benchmarks
	$(GO) test -run '^$$' -bench . -benchmem $(PACKAGES)

ci: ## run everything that .ci/run runs
	.ci/run
