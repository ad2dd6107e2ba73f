#!/usr/bin/env bash
# Runs a command with the programs in its PATH that some tests look at meshgate with, and are skipped without: Prometheus
# (`prometheus`, `promtool`) and libfaketime (`faketime`).
#
#   scripts/tools.sh cargo test --package system-tests --test run
#
# What is not installed comes from Debian's packages, which are unpacked into target/tools and not installed: that needs no
# root, and starts no service. Where there is no Debian, the command runs without.
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/target/tools

unpack() { # PACKAGE…
    command -v apt-get >/dev/null || return 1
    local work
    mkdir -p "$tools"
    work=$(mktemp -d "$tools/unpack.XXXXXX")
    (
        cd "$work"
        apt-get download "$@" >log 2>&1 || { apt-get update >>log 2>&1 && apt-get download "$@" >>log 2>&1; } || {
            tail -n 1 log >&2
            exit 1
        }
        for package in *.deb; do dpkg-deb --extract "$package" "$tools"; done
    ) || { rm -rf "$work" && return 1; }
    rm -rf "$work"
}

need() { # PROGRAM PACKAGE…
    local program=$1
    shift
    command -v "$program" >/dev/null || unpack "$@" || echo "tools.sh: there is no $program, so its tests are skipped" >&2
}

export PATH=$PATH:$tools/usr/bin
need prometheus prometheus
need faketime faketime libfaketime
exec "$@"
