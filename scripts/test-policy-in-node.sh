#!/bin/sh
# Runs the tests of `policy` that run on both targets as Wasm, under Node.
#
# The runner has to be of the very version of wasm-bindgen that Cargo.lock has; it is built once, into target/tools,
# which takes two or three minutes. There is no package of it that needs no build.
set -eu
cd "$(dirname "$0")/.."

if ! command -v node >/dev/null 2>&1; then
    echo "these tests run under Node.js, and there is no \`node\` in the PATH" >&2
    exit 1
fi
version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"$/\1/p;}' Cargo.lock)
tools=$PWD/target/tools
runner=$tools/bin/wasm-bindgen-test-runner
if [ "$("$runner" --version 2>/dev/null)" != "wasm-bindgen-test-runner $version" ]; then
    echo "building wasm-bindgen-test-runner $version" >&2
    # It runs for a second: built fast is better than fast. The features that are left out drive browsers.
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo install --quiet wasm-bindgen-cli --version "=$version" \
        --bin wasm-bindgen-test-runner --no-default-features --root "$tools" --target-dir "$tools/build"
    rm -rf "$tools/build"
fi
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$runner \
    cargo test --locked --package policy --test wasm --target wasm32-unknown-unknown
