#!/usr/bin/env bash
# Runs Kuma's conformance rows, which live outside of the project, against meshgate and stock Envoy.
#
#   scripts/conformance.sh                    all cases of kuma/gateway and kuma/sidecar
#   scripts/conformance.sh 'gw-listener*' …   those of them with these names
#
# The rows are in ../shared next to the checkout, or in $MESHGATE_SHARED; without them nothing is run. What is expected
# to differ is in tests/conformance/kuma-exceptions.json. Needs python3 with pip, and openssl.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rows=${MESHGATE_SHARED:-../shared}/conformance/kuma
if [[ ! -d $rows ]]; then
    echo "skipped: $rows does not exist" >&2
    exit 0
fi
rows=$(cd "$rows" && pwd)

chosen() { # whether a case matches one of the patterns
    local case=$1 pattern
    shift
    # shellcheck disable=SC2053 # the right side is a pattern
    for pattern in "$@"; do [[ $case == $pattern ]] && return 0; done
    return 1
}

[[ $# -gt 0 ]] || set -- '*'
cases=() # as set/name
for file in "$rows"/{gateway,sidecar}/rows/*.json; do
    case=$(basename "$file" .json)
    set=$(basename "$(dirname "$(dirname "$file")")")
    if chosen "$case" "$@"; then cases+=("$set/$case"); fi
done
[[ ${#cases[@]} -gt 0 ]] || { echo "no case matches $*" >&2; exit 2; }

cargo build --quiet --locked --package meshgate
target=$(realpath "${CARGO_TARGET_DIR:-target}")
ENVOY=${MESHGATE_ENVOY:-$(scripts/envoy.sh 1.40.0)}
export ENVOY
if ! python3 -c 'import yaml' 2>/dev/null; then
    python3 -m pip install --quiet --disable-pip-version-check --target "$target/python" PyYAML
    export PYTHONPATH=$target/python
fi

# The rows have fixed addresses, so several runs at once need a network of their own each; its end is that of all
# processes in it.
isolated=()
for user in "" --map-root-user; do
    try=(unshare $user --net --pid --fork --kill-child --mount-proc)
    if "${try[@]}" ip link set lo up 2>/dev/null; then
        isolated=("${try[@]}")
        break
    fi
done
shards=1
[[ ${#isolated[@]} -eq 0 ]] || shards=$(nproc)
[[ $shards -le ${#cases[@]} ]] || shards=${#cases[@]}

work=$(mktemp -d)
children=()
finish() {
    for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# One run for each set and shard, all of them at once.
runs=()
for set in gateway sidecar; do
    for ((shard = 0; shard < shards; shard++)); do
        dealt=()
        for ((i = shard; i < ${#cases[@]}; i += shards)); do
            if [[ ${cases[i]} == "$set"/* ]]; then dealt+=("${cases[i]#*/}"); fi
        done
        [[ ${#dealt[@]} -gt 0 ]] || continue
        store=$rows/$set
        check=(python3 "$rows/tools/check.py"
            --generate "python3 tests/conformance/generate.py $target/debug/meshgate $store/pki {input} {dataplane} {out}"
            --cases "$(IFS=,; echo "${dealt[*]}")" --exceptions tests/conformance/kuma-exceptions.json)
        if [[ ${#isolated[@]} -gt 0 ]]; then
            check=("${isolated[@]}" sh -c 'ip link set lo up && exec "$@"' sh "${check[@]}")
        fi
        run=$work/$set-$shard
        ORACLE_STORE=$store ORACLE_RUN=$run "${check[@]}" >"$run.log" 2>&1 &
        children+=($!)
        runs+=("$run")
        # Without networks of their own they take turns.
        [[ ${#isolated[@]} -gt 0 ]] || wait $! || true
    done
done

passed=0 failed=0 broken=0
for ((i = 0; i < ${#runs[@]}; i++)); do
    wait "${children[i]}" || true
    grep -vE '^[0-9]+ passed, [0-9]+ failed$' "${runs[i]}.log" || true
    if [[ $(tail -n 1 "${runs[i]}.log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    else
        broken=1
    fi
done
children=()
[[ $broken -eq 0 ]] || echo "a run of check.py broke off" >&2
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && $broken -eq 0 ]]
