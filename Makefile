# `make demo` and `make test` are all a fresh machine needs: a Rust toolchain, python3 with pip, and the internet.
# Everything is built in one profile (release), so llama.cpp is compiled once.

CARGO ?= cargo
MODEL ?= qwen2.5-coder-0.5b
# ChatGLM3's own tool example: "look up the price of stock 10111 for me".
QUESTION ?= 帮我查询股票10111的价格
# Runs in the sandbox, without a model.
PROGRAM ?= import sympy; sympy.factorint(2**64 - 1)

# As the tests' build makes it. Built alone it has dependencies with fewer features, and all of them would be compiled twice.
GLASSBOX = $${CARGO_TARGET_DIR:-target}/release/glassbox

-include .setup/env.mk

.DEFAULT_GOAL := help
.PHONY: help setup build build-now demo demo-now test test-now lint lint-now bench bench-now deny clean

help: ## Lists the targets.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: ## Installs what the build needs and is missing (cmake, g++, libclang).
	@./scripts/setup

build: setup ## Builds the `glassbox` command for this machine's CPU.
	@$(MAKE) --no-print-directory build-now

build-now: # a second make, so that it reads what setup wrote
	$(CARGO) build --release --locked -p glassbox-cli

demo: build ## Runs ChatGLM3's own tool example on the default model.
	@$(MAKE) --no-print-directory demo-now

demo-now:
	@$(CARGO) run --release --locked --quiet -p glassbox-cli -- setup
	@$(CARGO) run --release --locked --quiet -p glassbox-cli -- run --model $(MODEL) --tools track,get_weather "$(QUESTION)"
	@$(CARGO) run --release --locked --quiet -p glassbox-cli -- exec -c "$(PROGRAM)"

test: setup ## Passes every test; fetches two small models on the first run.
	@$(MAKE) --no-print-directory test-now

test-now:
	$(CARGO) test --release --locked --workspace --no-run
	$(GLASSBOX) models pull qwen2.5-coder-0.5b smollm2-135m
	$(GLASSBOX) setup --small
	@./scripts/jupyter >/dev/null
	@./scripts/clients >/dev/null
	python3 -m unittest discover -s sandbox/guest -t sandbox/guest
	$(CARGO) test --release --locked --workspace

lint: setup ## Checks format, lints and documentation.
	@$(MAKE) --no-print-directory lint-now

lint-now:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --workspace --no-deps

bench: setup ## Prints one table; run scripts/llama-server first for a comparison with llama.cpp's server.
	@$(MAKE) --no-print-directory bench-now

BENCHES = engine servers dispatch jupyter python

bench-now:
	$(CARGO) bench --locked --workspace --no-run $(BENCHES:%=--bench %)
	$(GLASSBOX) setup
	@./scripts/jupyter >/dev/null
	@export GLASSBOX_LLAMA_SERVER=$$(./scripts/llama-server --there); for bench in $(BENCHES); do \
		$(CARGO) bench --quiet --locked --workspace --bench $$bench || exit; export GLASSBOX_BENCH_CONTINUED=1; done

deny: ## Checks licences, sources and duplicate dependencies (needs cargo-deny).
	$(CARGO) deny --workspace check bans licenses sources

clean: ## Removes what was built (models stay in the cache).
	$(CARGO) clean
	rm -rf .setup
