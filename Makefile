# Everything here works on a machine that has Go, Node and make; what else a
# target needs it installs, or says how to.

SHELL := /bin/bash
.DEFAULT_GOAL := help

GO       ?= go
TOOLS    := $(CURDIR)/.tools
LINT     := $(TOOLS)/golangci-lint-2.15.0
GUEST_GO := sdk/go/examples/normalise/normalise.wasm
FUZZTIME ?= 1m

.PHONY: help
help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the server into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/prismrt ./cmd/prismrt

.PHONY: guests
guests: tools ## build the sample plugins, in every language there is an SDK for
	sh sdk/each.sh all

.PHONY: $(GUEST_GO)
$(GUEST_GO):
	$(MAKE) -C sdk/go

.PHONY: tools
tools: ## install what guests are built with, where it is missing
	sh sdk/each.sh tools

# A test whose tool cannot be had is skipped, and says so.
.PHONY: testtools
testtools: ## install what tests use besides: Rust, strace and interpreters
	-sh cmd/prismrt/testdata/tools.sh
	-sh runtime/profile/testdata/burn/tools.sh
	-$(MAKE) -C bench python javascript ruby

DEMO := bin/demo -server bin/prismrt -plugin $(GUEST_GO) -data ../shared/data/market,sdk/testdata/market

.PHONY: bin/demo
bin/demo:
	$(GO) build -o $@ ./cmd/demo

.PHONY: demo
demo: build bin/demo $(GUEST_GO) ## upload the sample plugin, send exchange messages through it, show what came out
	$(DEMO)

.PHONY: run
run: build bin/demo $(GUEST_GO) ## the same, and leave it serving
	$(DEMO) -keep

.PHONY: test
test: guests testtools ## run all tests under the race detector, and without it those that take too long there
	$(GO) test -race ./...
	$(GO) test -run 'NothingSurvives|FewAllocations|ManyShortCalls' ./runtime/engine ./runtime/profile ./api
	$(MAKE) -C bench
	$(GO) test ./bench
	$(MAKE) -C bench small
	cd deploy && $(GO) test ./...
	cd bench/extism && $(GO) test ./...
	sh sdk/each.sh test

.PHONY: lint
lint: $(LINT) ## vet and lint, guests included
	$(GO) vet ./...
	$(LINT) run ./...
	cd sdk/go && $(GO) vet ./... && GOOS=wasip1 GOARCH=wasm $(GO) vet ./... && $(LINT) run --config $(CURDIR)/.golangci.yml ./...
	cd deploy && $(GO) vet ./... && $(LINT) run --config $(CURDIR)/.golangci.yml ./...
	cd bench/extism && $(GO) vet ./... && $(LINT) run --config $(CURDIR)/.golangci.yml ./...
	$(GO) mod tidy -diff
	cd sdk/go && $(GO) mod tidy -diff
	cd deploy && $(GO) mod tidy -diff
	cd bench/extism && $(GO) mod tidy -diff

$(LINT):
	GOBIN=$(TOOLS) GOFLAGS= $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(TOOLS)/golangci-lint $@

.PHONY: check
check: test lint ## what CI runs

.PHONY: fuzz
fuzz: ## fuzz whatever reads foreign bytes, FUZZTIME (1m) each
	$(GO) test -run '^$$' -fuzz FuzzParse -fuzztime $(FUZZTIME) ./runtime/wasm
	$(GO) test -run '^$$' -fuzz FuzzMeter$$ -fuzztime $(FUZZTIME) ./runtime/wasm
	$(GO) test -run '^$$' -fuzz FuzzRewrite -fuzztime $(FUZZTIME) ./runtime/wasm
	$(GO) test -run '^$$' -fuzz FuzzMeteredRunsAsWritten -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./runtime/wasm
	$(GO) test -run '^$$' -fuzz FuzzUnlink -fuzztime $(FUZZTIME) ./runtime/wasm
	$(GO) test -run '^$$' -fuzz FuzzExtend -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./runtime/wasm
	$(GO) test -run '^$$' -fuzz FuzzLines -fuzztime $(FUZZTIME) ./runtime/wasm/lines
	$(GO) test -run '^$$' -fuzz Fuzz -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./host/wasi
	$(GO) test -run '^$$' -fuzz FuzzABI -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./host/extism
	$(GO) test -run '^$$' -fuzz FuzzParseID -fuzztime $(FUZZTIME) ./runtime/event
	$(GO) test -run '^$$' -fuzz FuzzParseEventID -fuzztime $(FUZZTIME) ./runtime/queue
	$(GO) test -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZTIME) ./runtime/config
	$(GO) test -run '^$$' -fuzz FuzzResponse -fuzztime $(FUZZTIME) ./runtime/cgi
	$(GO) test -run '^$$' -fuzz FuzzSplit -fuzztime $(FUZZTIME) ./api
	$(GO) test -run '^$$' -fuzz FuzzQuoted -fuzztime $(FUZZTIME) ./api
	$(GO) test -run '^$$' -fuzz FuzzTaskLine -fuzztime $(FUZZTIME) ./api
	$(GO) test -run '^$$' -fuzz FuzzEvents -fuzztime $(FUZZTIME) ./sdk/client
	$(GO) test -run '^$$' -fuzz FuzzParseManifest -fuzztime $(FUZZTIME) ./plugins
	$(GO) test -run '^$$' -fuzz FuzzCheck -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./runtime/outbound
	$(GO) test -run '^$$' -fuzz FuzzParseSpec -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./runtime/schedule
	cd sdk/go && $(GO) test -run '^$$' -fuzz Fuzz -fuzztime $(FUZZTIME) ./examples/normalise

.PHONY: bench
bench: guests ## run the benchmarks that BENCHMARKS.md quotes
	$(GO) test -run '^$$' -bench . -benchmem -count 6 ./runtime/...
	$(MAKE) -C bench
	cd bench/extism && $(GO) test -run '^$$' -bench . -benchmem -count 6 .
	$(GO) test -run '^$$' -bench Cost -benchtime 40x -timeout 1h ./bench

.PHONY: holds
holds: build ## call hostile guests, and measure what others notice of it
	$(MAKE) -C cmd/holds/guests
	$(GO) run ./cmd/holds limits
	$(GO) run ./cmd/holds freeze
	$(GO) run ./cmd/holds gc

.PHONY: load
load: build ## measure the HTTP path: throughput beside servers that do less, fairness, overload, durable tasks
	$(MAKE) -C cmd/load/guests
	$(GO) run ./cmd/load throughput
	$(GO) run ./cmd/load fairness
	$(GO) run ./cmd/load overload
	$(GO) run ./cmd/load tasks
	$(GO) run ./cmd/load backlog
	$(MAKE) -C bench python javascript ruby
	$(GO) run ./cmd/load scripts

.PHONY: ledger
ledger: build testtools ## treat a server badly: kills, power failures, full disks; and account for every task
	$(MAKE) -C cmd/ledger/guests
	$(GO) run ./cmd/ledger kill
	$(GO) run ./cmd/ledger power
	$(GO) run ./cmd/ledger full
	$(GO) run ./cmd/ledger sync
	$(GO) run ./cmd/ledger clock

.PHONY: clean
clean: ## remove what was built
	rm -rf bin .data
	sh sdk/each.sh clean
