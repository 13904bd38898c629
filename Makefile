# Parley. `make` or `make help` lists the targets. Nothing has to be installed by
# hand: check's tools are built from the versions in tools/go.mod, and the interop
# targets install their servers themselves.

SHELL := /bin/bash -eu -o pipefail
MAKEFLAGS += --no-print-directory

GO      ?= go
T       ?= 60s
COVER   ?= 95
ROUNDS  ?= 7
BENCH   ?=
RUNS    ?= 3
BIN     := $(CURDIR)/.bin
CACHE   := $(CURDIR)/.cache

# The race detector needs cgo, and that a C compiler.
RACE := $(if $(shell command -v $${CC:-cc} || command -v gcc),-race)

# Every module of the repository, the root first; `go test ./...` in one does not
# enter the others. The tools module holds no code.
MODULES := $(shell find . -name go.mod -not -path '*/testdata/*' -not -path './.*/*' -not -path './tools/*' -printf '%h\n' | sort)

# each runs a command in every module. The root is taken alone, as its users get
# it; a nested module finds the root through go.work.
define each
	@for m in $(MODULES); do \
		if [ $$m = . ]; then export GOWORK=off; else unset GOWORK; fi; \
		printf '%s: %s\n' "$$m" '$(1)'; \
		(cd $$m && $(1)); \
	done
endef

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

.PHONY: build
build: ## build the command into .bin/parley
	GOWORK=off $(GO) build -o $(BIN)/parley ./cmd/parley

.PHONY: test
test: ## all tests; needs Go and make, and with a C compiler the race detector watches
	$(call each,$(GO) test $(RACE) -shuffle=on ./...)

.PHONY: test-simd
test-simd: ## the content scanner with vectors, as GOEXPERIMENT=simd builds it
	GOWORK=off GOEXPERIMENT=simd $(GO) test ./codec

.PHONY: check
check: fmt-check vet lint arch tidy-check generate-check allocs test-simd ## everything a change must pass beside the tests

.PHONY: fmt
fmt: $(BIN)/.tools ## format the source
	@$(BIN)/gofumpt -w $(MODULES)

.PHONY: fmt-check
fmt-check: $(BIN)/.tools ## is the source formatted (gofumpt)
	@bad=$$($(BIN)/gofumpt -l .); [ -z "$$bad" ] || { printf 'not formatted, run make fmt:\n%s\n' "$$bad"; exit 1; }

.PHONY: vet
vet: ## go vet, with and without the build tags of the tests
	$(call each,$(GO) vet ./...)
	$(call each,$(GO) vet -tags interop ./...)

.PHONY: lint
lint: $(BIN)/.tools ## staticcheck
	$(call each,$(BIN)/staticcheck -tags interop ./...)

.PHONY: arch
arch: ## who may import whom, and other rules of the house
	GOWORK=off $(GO) test ./internal/archtest

.PHONY: tidy-check
tidy-check: ## is every go.mod tidy
	@.ci/tidy-check $(MODULES) ./tools

.PHONY: generate
generate: ## write the files that come from the table
	GOWORK=off $(GO) generate ./...

.PHONY: generate-check
generate-check: ## are the generated files fresh
	@.ci/generate-check

.PHONY: allocs
allocs: ## what the race detector would spoil or make too dear: allocations, the sweeps over every octet
	$(call each,$(GO) test -count=1 -run "Alloc|EveryOctet|EveryWait|CancelEverywhere" ./...)

.PHONY: cover
cover: ## coverage of the core, at least COVER percent
	@mkdir -p $(CACHE)
	@.ci/cover $(COVER) $(CACHE)/cover.out

.PHONY: fuzz
fuzz: ## every fuzz target for T each: make fuzz T=60s
	@.ci/fuzz $(T)

.PHONY: conformance
conformance: ## the scenarios against this engine, with the coverage they reach
	GOWORK=off $(GO) test -count=1 ./conformance/...
	GOWORK=off $(GO) run ./cmd/parley conform run
	GOWORK=off $(GO) run ./cmd/parley conform coverage

.PHONY: held-mutants
held-mutants: ## do the tests that hold requirements find the faults of conformance/register/mutants.diff
	GOWORK=off $(GO) test -tags interop -count=1 -timeout 30m -run TestSourceMutantsDie ./conformance

.PHONY: bench
bench: ## every client against the limit, and docs/performance.md from that; half an hour, on a quiet machine. Some of it: make bench BENCH="--workload w1 --client parley"
	cd bench && $(GO) run . compare --rounds $(ROUNDS) $(BENCH)

.PHONY: simulation
simulation: ## ten thousand servers in virtual time, then docs/simulation.md and the Sender in docs/defaults.md; minutes
	cd bench && $(GO) test -v -count=1 -timeout 30m ./simulate -run Document -write $(CURDIR)/docs

.PHONY: bench-parts
bench-parts: ## benchmarks of every module, six runs each, summed up by benchstat
bench-parts: $(BIN)/.tools
	@mkdir -p $(CACHE)
	@: > $(CACHE)/bench.txt
	$(call each,$(GO) test -run "^$$" -bench . -benchmem -count 6 ./... | tee -a $(CACHE)/bench.txt)
	$(BIN)/benchstat $(CACHE)/bench.txt

.PHONY: interop-short
interop-short: ## against Postfix and smtp-sink, with the clients that need nothing more; installs them if missing
	interop/install.sh short
	GOWORK=off $(GO) test -tags interop -short -count=1 ./interop/...

.PHONY: conform-servers
conform-servers: ## real servers held against the RFCs by "parley conform server"; installs what is missing
	interop/install.sh all
	PARLEY_SERVERS_DOC=$(CURDIR)/docs/servers.md GOWORK=off $(GO) test -tags interop -count=1 -timeout 30m -v -run TestServersAreJudged ./interop

.PHONY: conform-clients
conform-clients: ## mail clients against the suite, RUNS times, then docs/clients.md; installs what is missing
	interop/install.sh all
	@mkdir -p $(CACHE)/clients
	PARLEY_CLIENTS_RUNS=$(RUNS) PARLEY_CLIENTS_JSON=$(CACHE)/clients PARLEY_CLIENTS_DOC=$(CURDIR)/docs/clients.md GOWORK=off $(GO) test -tags interop -count=1 -timeout 60m -v -run "^TestClients$$" ./interop

.PHONY: interop
interop: ## against every peer; installs what is missing
	interop/install.sh all
	cd auth/gssapi && $(GO) test -tags interop -count=1 ./...
	@mkdir -p $(CACHE)
	cd interop/kerberos && PARLEY_INTEROP_KERBEROS=$(CACHE)/kerberos.json $(GO) test -tags interop -count=1 ./...
	PARLEY_INTEROP_KERBEROS=$(CACHE)/kerberos.json PARLEY_INTEROP_DOC=$(CURDIR)/docs/interop.md GOWORK=off $(GO) test -tags interop -count=1 -timeout 30m -skip "^TestClients$$" ./interop/... ./message ./conformance/html

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN) $(CACHE)

$(BIN)/.tools: tools/go.mod tools/go.sum
	@mkdir -p $(BIN)
	cd tools && GOWORK=off $(GO) build -o $(BIN)/ tool
	@touch $@
