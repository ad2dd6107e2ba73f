#!/usr/bin/env bash
# Everything that needs a container engine; the tests are built before, because a private engine has no network.
#
#   scripts/engine.sh scripts/test-containers.sh [TEST [FILTER…]]
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests=(--test fixture --test end_to_end) filter=()
[[ $# -eq 0 ]] || tests=(--test "$1") filter=("${@:2}")

failures=0
step() { # COMMAND…
    local start=$SECONDS
    echo "== $*"
    "$@" || failures=$((failures + 1))
    echo "== $((SECONDS - start)) s"
}

for version in 1.40.0 1.36.4; do scripts/envoy-image.sh "$version" >/dev/null || exit 1; done
step scripts/meshgate-image.sh
step scripts/test-compose.sh
step scripts/test-image.sh
export MESHGATE_ENVOY_IMAGE='envoyproxy/envoy:v{minor}-latest'
step cargo test --offline --locked --features containers --package system-tests "${tests[@]}" -- "${filter[@]}"
[[ $failures -eq 0 ]]
