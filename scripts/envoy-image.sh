#!/usr/bin/env bash
# Makes sure that the engine has stock Envoy's image of a version, and prints its name.
#
#   scripts/envoy-image.sh 1.40.0      envoyproxy/envoy:v1.40-latest
#
# What cannot be pulled is made: the release binary with its C library and nothing else. It takes the same arguments as
# the official image, but has no shell, no /etc/envoy/envoy.yaml, and no user but the one that it is started with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ $# -eq 1 && $1 =~ ^([0-9]+\.[0-9]+)\.[0-9]+$ ]] || {
    echo "envoy-image.sh: usage: scripts/envoy-image.sh VERSION, e.g. 1.40.0" >&2
    exit 1
}
image=envoyproxy/envoy:v${BASH_REMATCH[1]}-latest

if ! docker image inspect "$image" >/dev/null 2>&1 && ! docker pull --quiet "$image" >/dev/null 2>&1; then
    echo "$image cannot be pulled; making one from the binary of Envoy $1" >&2
    scripts/image-from-files.sh "$image" "$(scripts/envoy.sh "$1")=/usr/local/bin/envoy" \
        --change 'ENTRYPOINT ["/usr/local/bin/envoy"]' --change 'CMD ["--config-path", "/etc/envoy/envoy.yaml"]'
fi
echo "$image"
