#!/usr/bin/env bash
# Runs a command with a Docker engine, and `docker` and a Compose in its PATH.
#
#   scripts/engine.sh docker info
#
# An engine that answers is used and left alone, with the images that are in it. Otherwise a private one is started as
# root: from what is installed, or else from Debian's packages, which are unpacked into target/engine and not installed.
# It pulls nothing and sees no network but loopback, which is its own, so its ports are never taken; the command lives in
# there as well. It ends with the command, and takes its containers, images, mounts and cgroups along.
set -euo pipefail
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
    echo "engine.sh: $*" >&2
    exit 1
}

has_compose() { docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null; }

# The packages that are missing, with what they need.
unpack() {
    local home=$checkout/target/engine package
    if [[ ! -e $home/unpacked ]]; then
        command -v apt-get >/dev/null || fail "no Docker engine answers, none is installed, and there is no apt-get to get Debian's"
        local work
        mkdir -p "$home"
        work=$(mktemp -d "$home/unpack.XXXXXX")
        mkdir -p "$work/archives/partial" "$work/packages"
        echo "unpacking Debian's docker.io and docker-compose into target/engine" >&2
        # Downloading needs no lock: nothing is installed.
        local get=(apt-get install --yes --quiet --quiet --download-only --no-install-recommends
            -o Dir::Cache::archives="$work/archives" -o Debug::NoLocking=1 docker.io docker-compose iproute2)
        "${get[@]}" >"$work/log" 2>&1 || { apt-get update >>"$work/log" 2>&1 && "${get[@]}" >>"$work/log" 2>&1; } ||
            fail "Debian's docker.io cannot be downloaded: $(tail -n 3 "$work/log")"
        for package in "$work"/archives/*.deb; do dpkg-deb --extract "$package" "$work/packages"; done
        rm -rf "$home/packages"
        mv "$work/packages" "$home/packages"
        rm -rf "$work"
        touch "$home/unpacked"
    fi
    export PATH=$home/packages/usr/sbin:$home/packages/usr/bin:$home/packages/sbin:$PATH
    export PYTHONPATH=$home/packages/usr/lib/python3/dist-packages${PYTHONPATH:+:$PYTHONPATH}
}

# What the engines of wrappers that were killed left behind.
sweep() { # FOLDER…
    local run name
    for run; do
        name=$(basename "$run")
        [[ -d $run ]] && ! kill -0 "${name##*-}" 2>/dev/null || continue
        rm -rf "$run"
        find /sys/fs/cgroup -depth -type d -path "*/$name*" -exec rmdir {} \; 2>/dev/null || true
    done
}

private() { # COMMAND…
    [[ $(id -u) -eq 0 ]] || fail "no Docker engine answers, and only root can start a private one; start yours, or set DOCKER_HOST"
    command -v dockerd >/dev/null && command -v containerd >/dev/null && command -v ip >/dev/null && has_compose || unpack
    mkdir -p "$checkout/target/engine"
    sweep "$checkout"/target/engine/meshgate-*
    local run=$checkout/target/engine/meshgate-$$ status=0
    mkdir -p "$run"
    # Everything in these namespaces ends with their first process, which ends with this one.
    setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc \
        "${BASH_SOURCE[0]}" --inside "$run" "$@" &
    local child=$!
    # shellcheck disable=SC2064 # these very values
    trap "finish $run $child" EXIT
    trap 'exit 130' INT TERM
    wait "$child" || status=$?
    exit "$status"
}

# The last processes of the namespaces may need a moment to go, and cgroups and files with them.
finish() { # FOLDER CHILD
    local try leave
    kill -KILL "$2" 2>/dev/null || true
    wait "$2" 2>/dev/null || true
    for try in {1..50}; do
        rm -rf "$1" 2>/dev/null || true
        find /sys/fs/cgroup -depth -type d -path "*/$(basename "$1")*" -exec rmdir {} \; 2>/dev/null || true
        leave=$(find /sys/fs/cgroup -type d -name "$(basename "$1")" 2>/dev/null)
        [[ -e $1 || -n $leave ]] || return 0
        sleep 0.1
    done
    echo "engine.sh: $1 or a cgroup of that name stays, after try $try" >&2
}

inside() { # FOLDER COMMAND…
    local run=$1 try
    shift
    ip link set lo up
    # Sockets of containerd are in /run whatever one says.
    mount -t tmpfs tmpfs /run
    cat >"$run/containerd.toml" <<TOML
version = 2
root = "$run/containerd"
state = "/run/meshgate/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "/run/meshgate/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$run/opt"
TOML
    echo "{\"deprecated-key-path\": \"$run/key.json\"}" >"$run/daemon.json"
    mkdir -p /run/meshgate
    export DOCKER_HOST=unix:///run/meshgate/docker.sock DOCKER_CONFIG=$run/config
    python3 "$checkout/scripts/engine-api.py" /run/meshgate/docker.sock /run/meshgate/engine.sock &
    containerd --config "$run/containerd.toml" >"$run/containerd.log" 2>&1 &
    dockerd --config-file "$run/daemon.json" --containerd /run/meshgate/containerd.sock --host unix:///run/meshgate/engine.sock \
        --data-root "$run/data" --exec-root /run/meshgate/docker --pidfile /run/meshgate/docker.pid \
        --iptables=false --ip6tables=false --bridge=none --storage-driver="${MESHGATE_STORAGE_DRIVER:-vfs}" \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent="$(basename "$run")" >"$run/dockerd.log" 2>&1 &
    for try in {1..150}; do
        docker version >/dev/null 2>&1 && break
        [[ $try -lt 150 ]] || fail "the private engine does not answer: $(tail -n 3 "$run/containerd.log" "$run/dockerd.log")"
        sleep 0.2
    done
    "$@"
}

case ${1-} in
'') fail "usage: scripts/engine.sh COMMAND…" ;;
--inside)
    shift
    inside "$@"
    ;;
*)
    if command -v docker >/dev/null && docker version >/dev/null 2>&1; then
        has_compose || fail "there is a Docker engine, but neither docker compose nor docker-compose"
        exec "$@"
    fi
    private "$@"
    ;;
esac
