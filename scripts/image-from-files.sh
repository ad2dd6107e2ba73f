#!/usr/bin/env bash
# Makes an image of programs and the libraries that they are linked to, where no image can be pulled.
#
#   scripts/image-from-files.sh NAME [PROGRAM=/FILE | PROGRAM= | =/FOLDER/]… [--change INSTRUCTION]…
#
# Of `PROGRAM=` come the libraries alone.
set -euo pipefail

[[ $# -ge 1 ]] || { echo "usage: scripts/image-from-files.sh NAME [PROGRAM=/FILE]… [--change INSTRUCTION]…" >&2; exit 1; }
name=$1
shift
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
install -d -m 1777 "$root/tmp"

for argument; do
    [[ $argument == *=* && $argument != --* ]] || break
    program=${argument%%=*} to=${argument#*=}
    case $program,$to in
    ,*/) install -d "$root$to" ;;
    *,/*) install -D -m 755 "$program" "$root$to" ;;
    esac
    # A program that is linked statically needs none.
    for library in $([[ -z $program ]] || ldd "$program" 2>/dev/null | grep -oE '/[^ ]+'); do
        [[ -e $root$library ]] || install -D -m 755 "$library" "$root$library"
    done
    shift
done
tar --create --directory "$root" --owner 0 --group 0 . | docker import "$@" - "$name" >/dev/null
