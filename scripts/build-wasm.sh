#!/bin/sh
# Builds the filters into target/wasm/*.wasm and prints their sizes. Adds the Wasm target to rustup's toolchain when it
# is missing. Everything else, also what to do without rustup, is in filters/build, which the loader's build script
# runs as well.
set -eu
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
if command -v rustup >/dev/null 2>&1 && ! [ -d "$(rustc --print target-libdir --target "$target")" ]; then
    rustup target add "$target"
fi
exec cargo run --quiet --locked --package wasm-build
