# Everything that is done with this repository. "make run" needs Go and nothing else; "make test" fetches what it lacks.

SHELL := /bin/bash
.DEFAULT_GOAL := help
# Go's and npm's tools are parallel themselves.
.NOTPARALLEL:

# npm writes this file at the end of an install: it is as old as what is installed.
modules := web/node_modules/.package-lock.json

# For trying it out, the compiler need not optimise: most of the first minute would go into that.
quickly := -gcflags='all=-N -l -dwarf=false' -ldflags='-s -w'

.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: ## start one node with everything embedded, and print links to try it
	@echo "building; the first time this fetches and compiles everything, which takes a minute"
	@CGO_ENABLED=0 go run $(quickly) ./cmd/tallylight serve --dev

.PHONY: test
test: ## run every check there is, with nothing skipped; installs what is missing first
	@.ci/bring-up
	@.ci/steps format vet staticcheck go-test fuzz web-test web-dist e2e two-minutes

.PHONY: lint
lint: format vet staticcheck ## check the form of the Go code: gofmt, vet, staticcheck

.PHONY: format
format: # say which Go files gofmt would change
	@files=$$(find . -name node_modules -prune -o -name '*.go' -print | xargs gofmt -l) && \
	if [ -n "$$files" ]; then echo "gofmt would change these; \"gofmt -w\" with their names does:"; echo "$$files"; exit 1; fi

.PHONY: vet
vet: # with the fault checker's test, which is built when it is asked for
	@go vet -tags chaos ./...

.PHONY: staticcheck
staticcheck:
	@go tool staticcheck ./...

# The program as it is shipped. Several tests build it, each for itself and at the same time: where nothing is compiled
# yet, that would be SQLite three times over, which takes minutes.
.PHONY: shipped
shipped:
	@CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /dev/null ./cmd/tallylight

.PHONY: go-test
go-test: shipped ## run the Go tests with the race detector; none may skip
	@TALLYLIGHT_TEST_ALL=1 .ci/go-test ./...

# Targets are found where they are, so that none is forgotten. In "make test" they have 10 s each, after their seeds have run
# with the race detector like all tests.
.PHONY: fuzz
fuzz: FOR = 10s
fuzz: ## give any bytes to all that reads what comes from outside, each target for a while: make fuzz FOR=10m AT_ONCE=3
	@.ci/fuzz '$(FOR)' $(AT_ONCE)

.PHONY: soak
soak: shipped ## run the Go tests in full length, and the dashboard for ten minutes with 10,000 live broadcasts
	@TALLYLIGHT_TEST_ALL=1 TALLYLIGHT_SOAK=1 .ci/go-test -count=1 -timeout=2h ./...
	@$(MAKE) --no-print-directory web-soak

.PHONY: web-soak
web-soak: $(modules) # TALLYLIGHT_SOAK_MINUTES=2 is for a look, TALLYLIGHT_SOAK_ROWS=1000 for a small machine
	@.ci/none-skipped npm --prefix web run soak

.PHONY: pictures
pictures: $(modules) ## take the pictures for the README anew
	@npm --prefix web run pictures

# Two minutes of faults take three and a half. SEED=0 draws a seed, and the end of the run says which. NOTES names a file
# for what was observed, OVERLAY one for "go build -overlay".
FOR ?= 2m
SEED ?= 0
FAULTS ?=
NOTES ?=
OVERLAY ?=

.PHONY: chaos
chaos: ## break what can break under load, and look for broken promises: make chaos FOR=30m SEED=7 FAULTS=kill,freeze
	@go test -tags chaos -run '^TestChaos$$' -v -count=1 -timeout=0 ./internal/chaos -chaos.for='$(FOR)' -chaos.seed='$(SEED)' \
		-chaos.faults='$(FAULTS)' -chaos.notes='$(abspath $(NOTES))' -chaos.overlay='$(abspath $(OVERLAY))'

# What ends "make test": the same faults each time, so that what fails does so again. Other seeds are for longer runs.
.PHONY: two-minutes
two-minutes:
	@$(MAKE) --no-print-directory chaos FOR=2m SEED=71

SEEDS ?= 10

.PHONY: mutants
mutants: ## see that the fault checker catches a service that lacks a check: up to two minutes for each of SEEDS=10, three times
	@go test -tags chaos -run '^TestMutants$$' -v -count=1 -timeout=0 ./internal/chaos -chaos.seeds='$(SEEDS)'

.PHONY: web
web: $(modules) ## rebuild web/dist, which is to be committed
	@npm --prefix web run build

.PHONY: web-test
web-test: $(modules) ## check the types of the SDK and the pages, and run their unit tests
	@npm --prefix web run check
	@.ci/none-skipped npm --prefix web run test

.PHONY: web-dist
web-dist: $(modules) # see that web/dist is what its sources give
	@.ci/web-dist

.PHONY: e2e
e2e: $(modules) ## run the browser tests against a node of their own
	@.ci/none-skipped npm --prefix web run e2e

$(modules): web/package.json web/package-lock.json .ci/npm-ci
	@.ci/npm-ci
	@touch $@
