# bash for pipefail; the loops say set -e themselves, for a make older than 3.82
# that does not know .SHELLFLAGS.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

GO        ?= go
FUZZTIME  ?= 10s
COUNT     ?= 10
BENCH     ?= .
TESTFLAGS ?=
BENCH_FLAGS ?=
CROSS     ?= darwin/arm64 freebsd/amd64 windows/amd64

# Tools run from the versions that tools/go.mod pins. The path is absolute so
# that it also holds from the folder of a nested module.
tool := $(GO) tool -modfile=$(CURDIR)/tools/go.mod

# Modules below stress/ and kio/, as far as they are there. tools holds no code.
nested := $(patsubst %/go.mod,%,$(wildcard stress/*/go.mod kio/*/go.mod))

# say prints the name of a step before it begins.
say = @printf '\n== %s\n' '$(1)'

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: fmt
fmt: ## format all Go files in place
	$(call say,fmt)
	$(tool) golangci-lint fmt

.PHONY: fmt-check
fmt-check: ## show what fmt would change, and fail if it is anything
	$(call say,fmt-check)
	$(tool) golangci-lint fmt --diff

.PHONY: vet
vet: ## go vet
	$(call say,vet)
	$(GO) vet ./...

.PHONY: lint
lint: ## golangci-lint over this module and the nested ones
	$(call say,lint)
	$(tool) golangci-lint run ./...
	@set -e; for m in $(nested); do \
		printf '\n== lint %s\n' "$$m"; \
		(cd "$$m" && $(tool) golangci-lint run --config '$(CURDIR)/.golangci.yml' ./...); \
	done

.PHONY: test
test: ## unit tests
	$(call say,test)
	$(GO) test $(TESTFLAGS) ./...

.PHONY: race
race: ## unit tests under the race detector
	$(call say,race)
	$(GO) test -race $(TESTFLAGS) ./...

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (10s)
	@set -e; for p in $$($(GO) list ./...); do \
		targets=$$($(GO) test -list '^Fuzz' "$$p" | awk '/^Fuzz/'); \
		for f in $$targets; do \
			printf '\n== fuzz %s %s\n' "$$p" "$$f"; \
			$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime '$(FUZZTIME)' "$$p"; \
		done; \
	done

.PHONY: fuzz-seeds
fuzz-seeds: ## run the seeds of the fuzz targets once
	$(call say,fuzz-seeds)
	$(GO) test -run '^Fuzz' ./...

.PHONY: bench
bench: ## compare with the peers' clients; options in BENCH_FLAGS
	$(call say,bench)
	cd stress/peers && $(GO) run ./bench $(BENCH_FLAGS)

# Apache Kafka itself: NODES brokers on this machine, or whatever KAFKA_BROKERS names.
NODES ?= 1
kafka := cd stress/kafka && $(GO) run ./cmd/kafka

.PHONY: kafka-up
kafka-up: ## start Apache Kafka on this machine, NODES (1) of it
	$(call say,kafka-up)
	$(kafka) up -nodes $(NODES)

.PHONY: kafka-test
kafka-test: ## the suite against Apache Kafka; starts and ends one where none runs
	$(call say,kafka-test)
	$(kafka) with -nodes $(NODES) -- $(GO) test -count=1 -timeout 20m -v ./suite

.PHONY: kafka-bench
kafka-bench: ## CPU a request against Apache Kafka, beside the peers' clients
	$(call say,kafka-bench)
	$(kafka) with -nodes $(NODES) -- $(GO) run ./bench $(BENCH_FLAGS)

.PHONY: kafka-down
kafka-down: ## end what kafka-up has started
	$(call say,kafka-down)
	$(kafka) down

.PHONY: micro
micro: ## Go benchmarks, COUNT (10) times each, summed up by benchstat
	$(call say,micro)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./... | tee bench.out
	$(tool) benchstat bench.out

.PHONY: cover
cover: ## write cover.out and print the total
	$(call say,cover)
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -n 1

.PHONY: cross
cross: ## build and vet for the other systems
	@set -e; for target in $(CROSS); do \
		printf '\n== cross %s\n' "$$target"; \
		export GOOS="$${target%/*}" GOARCH="$${target#*/}" CGO_ENABLED=0; \
		$(GO) build -o /dev/null ./...; \
		$(GO) vet ./...; \
	done

.PHONY: nested
nested: ## build, vet and test the modules below stress/ and kio/
	@set -e; for m in $(nested); do \
		printf '\n== nested %s\n' "$$m"; \
		(cd "$$m" && $(GO) build -o /dev/null ./... && $(GO) vet ./... && $(GO) test ./...); \
	done

.PHONY: vuln
vuln: ## govulncheck; needs its database, so check leaves it out
	$(call say,vuln)
	$(tool) govulncheck ./...

.PHONY: check
check: fmt-check vet lint cross race fuzz-seeds nested ## all that CI runs
	@printf '\n== check passed\n'
