# `make` alone says what there is. CI runs `make check` (.ci/run).

# The newest and the oldest Envoy that meshgate is tested on, and all: of each minor version the newest patch.
ENVOYS := 1.40.0 1.36.4
MATRIX := 1.40.0 1.39.3 1.38.2 1.37.0 1.36.4
END_TO_END := --package system-tests --test fixture --test end_to_end
WASM_TARGET := wasm32-unknown-unknown
WASM_CRATES := policy shell host-match listener-tags cross-mesh external-access gateway
CARGO := cargo

.DEFAULT_GOAL := help
.PHONY: help setup wasm build demo demo-cross-mesh demo-external-service demo-external-service-egress scale test test-matrix test-smoke soak test-containers containers check fmt fmt-check clippy docs conformance bench bench-quick golden clean

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 31

setup: wasm ## the Wasm target for rustup, and stock Envoys in .envoy (nothing else is installed)
	@for version in $(ENVOYS); do scripts/envoy.sh $$version >/dev/null || exit 1; done

wasm: ## the filters: target/wasm/*.wasm
	@scripts/build-wasm.sh

build: wasm ## the command: target/debug/meshgate
	$(CARGO) build --locked --package meshgate

demo: EXAMPLE = kuma-gateway
demo: ## a gateway with backends on loopback, and requests to it; DEMO_ONCE=1 ends after them

demo-cross-mesh: EXAMPLE = cross-mesh
demo-cross-mesh: ## the same with three meshes and four Envoys between them

demo-external-service: EXAMPLE = external-service
demo-external-service: ## the same with services outside of a mesh, and who may reach them

demo-external-service-egress: EXAMPLE = external-service-egress
demo-external-service-egress: ## the same through a zone egress

demo demo-cross-mesh demo-external-service demo-external-service-egress:
	@scripts/build-wasm.sh >/dev/null
	@scripts/envoy.sh 1.40.0 >/dev/null
	@$(CARGO) build --quiet --locked --package meshgate
	@exec $(CARGO) run --quiet --locked --package system-tests --bin demo -- $(EXAMPLE)

scale: ## time and memory of each step for 1,000 hosts and 10,000 routes
	@scripts/build-wasm.sh >/dev/null
	@scripts/envoy.sh 1.40.0 >/dev/null
	@exec $(CARGO) run --release --quiet --locked --package system-tests --bin scale

test: setup ## every test
	scripts/test-policy-in-node.sh
	$(CARGO) test --workspace --locked --no-fail-fast

test-matrix: wasm ## the end-to-end tests on every supported Envoy: writes docs/compatibility.md
	@for version in $(MATRIX); do scripts/envoy.sh $$version >/dev/null || exit 1; done
	$(CARGO) build --locked --package meshgate --package system-tests --bin meshgate --bin compatibility
	$(CARGO) test --locked --no-fail-fast $(END_TO_END) --test istio -- --include-ignored envoy_1_ 2>&1 | \
		$${CARGO_TARGET_DIR:-target}/debug/compatibility

test-smoke: setup ## the fixture's tests on one Envoy; ENVOY=1.38.2
	@scripts/envoy.sh $(ENVOY) >/dev/null
	$(CARGO) test --locked --package system-tests --test fixture -- --include-ignored envoy_$(subst .,_,$(ENVOY))

test-containers: build ## the end-to-end tests on Envoys in containers, the demo of docker-compose, the image of meshgate
	$(CARGO) test --locked --features containers $(END_TO_END) --no-run
	scripts/engine.sh scripts/test-containers.sh

containers: build ## the same with a few of the tests: what CI runs
	$(CARGO) test --locked --features containers --package system-tests --test fixture --no-run
	scripts/engine.sh scripts/test-containers.sh fixture envoy_

soak: setup ## 1,000 reloads under 1,000 requests a second; MESHGATE_SOAK_RELOADS and MESHGATE_SOAK_RATE for less
	$(CARGO) test --locked --package system-tests --test run soak:: -- --ignored --nocapture

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

bench: setup ## what the filters cost a request, and what loading costs: writes docs/performance.*; 15 minutes
	$(CARGO) bench --locked --package bench --bench loader
	$(CARGO) run --release --locked --package bench

bench-quick: setup ## the filters only, in less than 3 minutes, only printed
	$(CARGO) run --release --locked --package bench -- --quick

golden: wasm ## rewrites generated files and expected results; look at the difference
	UPDATE=1 INSTA_UPDATE=always $(CARGO) test --workspace --locked

clean: ## removes what was built, but not the downloaded Envoys
	$(CARGO) clean
