# `make` alone says what there is. CI runs `make check` (.ci/run).

# The newest and the oldest Envoy that meshgate is tested on.
ENVOYS := 1.40.0 1.36.4
WASM_TARGET := wasm32-unknown-unknown
WASM_CRATES := policy shell host-match listener-tags gateway
CARGO := cargo

.DEFAULT_GOAL := help
.PHONY: help setup wasm build demo test soak check fmt fmt-check clippy docs conformance golden clean

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

setup: wasm ## the Wasm target for rustup, and stock Envoys in .envoy (nothing else is installed)
	@for version in $(ENVOYS); do scripts/envoy.sh $$version >/dev/null || exit 1; done

wasm: ## the filters: target/wasm/*.wasm
	@scripts/build-wasm.sh

build: wasm ## the command: target/debug/meshgate
	$(CARGO) build --locked --package meshgate

demo: ## a gateway with backends on loopback, and requests to it; DEMO_ONCE=1 ends after them
	@scripts/build-wasm.sh >/dev/null
	@scripts/envoy.sh 1.40.0 >/dev/null
	@$(CARGO) build --quiet --locked --package meshgate
	@exec $(CARGO) run --quiet --locked --package system-tests --bin demo

test: setup ## every test
	scripts/test-policy-in-node.sh
	$(CARGO) test --workspace --locked --no-fail-fast

soak: setup ## 1,000 reloads under 1,000 requests a second; MESHGATE_SOAK_RELOADS and MESHGATE_SOAK_RATE for less
	$(CARGO) test --locked --package system-tests --test run -- --ignored --nocapture

check: fmt-check clippy docs test ## what CI runs; stale generated files fail their tests

fmt: ## formats the code
	$(CARGO) fmt --all

fmt-check:
	$(CARGO) fmt --all --check

clippy: wasm ## lints, native and Wasm
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy $(WASM_CRATES:%=--package %) --target $(WASM_TARGET) --locked -- -D warnings

docs: wasm ## API documentation: target/doc
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items --locked

conformance: setup ## Kuma's conformance rows, if they are next to the checkout; CASES='gw-listener* mhr-*' for some
	scripts/conformance.sh $(foreach case,$(CASES),'$(case)')

golden: wasm ## rewrites generated files and expected results; look at the difference
	UPDATE=1 INSTA_UPDATE=always $(CARGO) test --workspace --locked

clean: ## removes what was built, but not the downloaded Envoys
	$(CARGO) clean
