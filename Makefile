# Two commands: `make run` and `make test`. Everything they need, they install.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BINARY := target/ci/silverback
CONFORMANCE := $(if $(wildcard e2e/conformance/run),e2e/conformance,../shared/conformance)
# All modes of the conformance runner.
MODES := --mode dbless --mode dbless-expressions --mode dbless-tracing --mode db --mode db-rbac
# What `make test` consists of, in order.
STEPS := setup-test lint unit ui build system conformance alerts adversarial browser image-steps
# Packages whose dependencies have features of their own: built beside the others, they would have all of those built
# once more for the binary.
ASIDE := e2e ui xtask
export RUST_BACKTRACE ?= 1

.PHONY: help run docs build ui browser browser-pages pictures browser-figures dist test steps lint unit system conformance alerts adversarial image image-steps bench h2spec figures setup setup-test clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup ui build ## install what is missing, build, start the gateway and say where it is
	@deploy/quickstart/run $(BINARY)

build: ## the gateway, optimised, quick to link
	cargo build --profile ci -p silverback

ui: ## the manager, for the gateway to embed; prints its size
	cargo xtask ui

docs: ## the parts of docs/ that follow from definitions, written anew
	cargo xtask docs
	WRITE_PAGES=1 cargo test --profile ci -q -p silverback --test plugin_pages

dist: ## the gateway as it ships: fat LTO
	cargo build --profile dist -p silverback

test: $(STEPS) ## lints, unit tests, the real binary from outside, the manager in a browser, the image's steps
	@echo "all tests passed"

steps: ## what `make test` consists of, in its order
	@echo $(STEPS)

lint: ## format, clippy, licences and bans
	cargo fmt --all --check
	cargo clippy --profile ci --workspace --all-targets -- -D warnings
	cargo deny --log-level error check bans licenses sources
	cargo xtask docs --check

unit: ## unit and property tests of every room
	cargo test --profile ci --workspace $(addprefix --exclude ,$(ASIDE))
	cargo test --profile ci -p ui
	cargo test -p xtask

system: build ## the real binary from outside
	cargo test --profile ci -p e2e -- --test-threads=1

conformance: build ## Kong's observable behaviour; what passed keeps passing
	python3 $(CONFORMANCE)/run --start '$(BINARY) start' $(MODES) --baseline e2e/conformance-passing.txt --report target/conformance.json
	e2e/with-postgres python3 $(CONFORMANCE)/run --start '$(abspath $(BINARY)) start' --mode db --mode db-rbac --database postgres --jobs 1 --baseline e2e/conformance-passing.txt --report target/conformance-postgres.json
	python3 $(CONFORMANCE)/run --start '$(BINARY) start' $(MODES) --also e2e/beyond $(patsubst e2e/beyond/%/,--only '%/*',$(wildcard e2e/beyond/*/))

browser: build ## the manager in Chromium, served by the gateway (after `make ui build`)
	cd e2e/browser && SILVERBACK_BINARY=$(abspath $(BINARY)) npx playwright test
	cd e2e/browser && SILVERBACK_BINARY=$(abspath $(BINARY)) KONG_DATABASE=postgres ../with-postgres npx playwright test --project=open journey lists operations

browser-pages: ui ## the same with the pages of ui/dist, without building the gateway anew
	cd e2e/browser && PAGES=dist SILVERBACK_BINARY=$(abspath $(BINARY)) npx playwright test

alerts: setup-test ## the alerting rules, tested by promtool
	cd deploy/prometheus && promtool check rules rules.yml && promtool test rules rules.test.yml

adversarial: LATER = $(addprefix --without ,$(shell grep -v '^\#' e2e/adversarial-later.txt))
adversarial: build ## hostile clients and upstreams, by both ways in which a worker writes
	python3 $(CONFORMANCE)/adversarial.py --start '$(BINARY) start' $(LATER)
	KONG_IO_URING=off python3 $(CONFORMANCE)/adversarial.py --start '$(BINARY) start' $(LATER)

pictures: build ## the pictures of docs/manager.md, from the manager itself (after `make ui build`)
	cd e2e/browser && PICTURES=1 SILVERBACK_BINARY=$(abspath $(BINARY)) npx playwright test --project=open tour

browser-figures: build ## how fast the manager is in Chromium, beside its bounds (after `make ui build`)
	cd e2e/browser && node figures.mjs $(abspath $(BINARY))

image: ## the container image, where there is a Docker daemon
	docker build -t silverback .

image-steps: build ## the steps of the image and its life, without Docker
	e2e/with-postgres deploy/image-steps --binary $(BINARY)

bench: dist ## processor time per request beside nginx, and beside HAProxy and Envoy where they are
	../shared/bench/run --start 'target/dist/silverback start'
	e2e/bench/grpc --start 'target/dist/silverback start' --max-ratio 0.65
	e2e/bench/peers --start 'target/dist/silverback start'

h2spec: build ## the cases of h2spec, which is built from the Go proxy where it is not there (needs Go and nginx)
	e2e/bench/h2spec --start '$(BINARY) start'

figures: build ## throughput of the Admin API, imports, pages, nodes: beside their bounds
	cargo run --profile ci -p e2e --bin figures

setup: ## toolchain and compiler
	@deploy/setup build

setup-test: ## what the tests need on top: hurl, Redis, nginx, cargo-deny …
	@deploy/setup test

clean: ## what was built
	cargo clean
