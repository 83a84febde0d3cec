# `make` alone lists the targets. build, run and test need Go and nothing else; race needs a C compiler too.

GO    ?= go
T     ?= 30s
SEED  ?=
RUNS  ?= 500

export CGO_ENABLED = 0

SOURCES := $(shell find core protocol daemon console -name '*.go' -o -name '*.synod') go.mod go.sum

.DEFAULT_GOAL := help
.PHONY: help build run test processes race lint fmt sim soak fuzz bench check golden pictures clean

help: ## this list
	@echo "make TARGET [SEED=n] [RUNS=n] [T=30s]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: bin/synod bin/synodd ## bin/synod (client) and bin/synodd (replica)

bin/synod: $(SOURCES)
	$(GO) build -trimpath -o $@ ./console

bin/synodd: $(SOURCES)
	$(GO) build -trimpath -o $@ ./daemon

run: build ## five replicas on this machine: with the screen on a terminal, else with the shipped batch
	@if [ -t 0 ] && [ -t 1 ]; then exec bin/synod up; else exec bin/synod up --demo --random-ports --logs logs; fi

test: ## all tests, with short counts
	$(GO) test -short ./...

processes: ## real processes killed, halted and restarted under load; the shipped scenarios
	$(GO) test -count=1 -timeout 20m ./daemon/processtest ./console

race: export CGO_ENABLED = 1
race: ## the tests again under the race detector, short
	$(GO) test -race -short -p 1 ./...

lint: ## gofumpt, vet, staticcheck, the rules of core/tidy
	@unformatted=$$($(GO) tool gofumpt -l core protocol daemon console); \
	if [ -n "$$unformatted" ]; then echo "run make fmt, it changes:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags mutants ./...
	$(GO) tool staticcheck ./...
	$(GO) test ./core/tidy/...

fmt: ## format all sources
	$(GO) tool gofumpt -l -w core protocol daemon console

sim: ## simulated clusters: RUNS of them, or only the one of SEED with its trace
	SEED=$(SEED) SEEDS=$(RUNS) $(GO) test ./core/sim -run TestSeeds -count=1 -v -timeout 120m

soak: build ## the full counts: simulated seeds, kills of real processes, restarts of all (hours)
	SYNOD_SOAK=1 SEEDS=20000 SYNOD_WORLDS=200000 $(GO) test -count=1 -timeout 8h ./...

fuzz: ## every fuzz target for T each
	@set -e; for package in $$(grep -rl --include='*_test.go' '^func Fuzz' core protocol daemon console | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -rho --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' $$package | sed 's/^func //' | sort -u); do \
			if ! grep -ql "^func $$target(" $$package/*_test.go; then continue; fi; \
			echo "== $$package $$target"; \
			$(GO) test ./$$package -run '^$$' -fuzz "^$$target$$" -fuzztime $(T) -fuzzminimizetime 10x; \
		done; \
	done

bench: build ## put and get rates of a cluster that is started for it
	bin/synod bench --local --mix put --clients 256
	bin/synod bench --local --mix get --clients 256

check: lint test processes race sim ## what a change must pass
	$(GO) mod tidy -diff
	$(GO) mod verify

golden: ## write the golden files anew, then show what has changed
	@set -e; for package in $$(grep -rlE --include='*_test.go' '"rewrite"|datadriven\.' core protocol daemon console | xargs -n1 dirname | sort -u); do \
		$(GO) test ./$$package -count=1 -rewrite; \
	done
	git diff --stat

pictures: ## the screens as SVG, and as PNG where rsvg-convert is there
	mkdir -p console/pictures
	$(GO) test ./console/app -count=1 -run TestPictures -pictures ../pictures
	@if command -v rsvg-convert >/dev/null; then \
		for picture in console/pictures/*.svg; do rsvg-convert "$$picture" -o "$${picture%.svg}.png"; done; \
	else echo "no rsvg-convert: the PNG are as they were"; fi

clean: ## remove what was built, and the logs
	rm -rf bin logs out
