#!/usr/bin/env bash
# Makes an image of programs and the libraries that they are linked to, where no image can be pulled.
#
#   scripts/image-from-files.sh NAME FILE=/PATH/IN/IMAGE… [--change INSTRUCTION]…
set -euo pipefail

[[ $# -ge 1 ]] || { echo "usage: scripts/image-from-files.sh NAME FILE=/PATH… [--change INSTRUCTION]…" >&2; exit 1; }
name=$1
shift
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
install -d -m 1777 "$root/tmp"

while [[ $# -gt 0 && $1 == *=/* && $1 != --* ]]; do
    install -D -m 755 "${1%%=*}" "$root${1#*=}"
    # A program that is linked statically needs none.
    for library in $(ldd "${1%%=*}" 2>/dev/null | grep -oE '/[^ ]+'); do
        [[ -e $root$library ]] || install -D -m 755 "$library" "$root$library"
    done
    shift
done
tar --create --directory "$root" --owner 0 --group 0 . | docker import "$@" - "$name" >/dev/null
