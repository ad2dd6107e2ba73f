#!/usr/bin/env bash
# Builds the image `meshgate` from what is built here, where no image can be pulled: the final stage of the Dockerfile on
# an image of nothing but the libraries.
#
#   scripts/engine.sh scripts/meshgate-image.sh [BINARY]      target/debug/meshgate
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

binary=${1:-target/debug/meshgate}
[[ -x $binary ]] || { echo "meshgate-image.sh: $binary is not there; make build" >&2; exit 1; }
scripts/image-from-files.sh meshgate-binary "$binary=/out/meshgate" =/out/state/
scripts/image-from-files.sh meshgate-base "$binary=" "$(scripts/envoy.sh 1.40.0)="
DOCKER_BUILDKIT=1 docker build --quiet --tag meshgate --build-arg BINARY_IMAGE=meshgate-binary \
    --build-arg BASE_IMAGE=meshgate-base --build-arg ENVOY_IMAGE="$(scripts/envoy-image.sh 1.40.0)" . >/dev/null
echo meshgate
