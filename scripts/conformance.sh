#!/usr/bin/env bash
# Runs Kuma's conformance rows, which live outside of the project, against meshgate and stock Envoy.
#
#   scripts/conformance.sh                    all cases of kuma/gateway
#   scripts/conformance.sh 'gw-listener*' …   the cases with these names
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
store=${ORACLE_STORE:-$rows/gateway}

chosen() { # whether a case matches one of the patterns
    local case=$1 pattern
    shift
    # shellcheck disable=SC2053 # the right side is a pattern
    for pattern in "$@"; do [[ $case == $pattern ]] && return 0; done
    return 1
}

[[ $# -gt 0 ]] || set -- '*'
cases=()
for file in "$store"/rows/*.json; do
    case=$(basename "$file" .json)
    if chosen "$case" "$@"; then cases+=("$case"); fi
done
[[ ${#cases[@]} -gt 0 ]] || { echo "no case matches $*" >&2; exit 2; }

cargo build --quiet --locked --package meshgate
target=$(realpath "${CARGO_TARGET_DIR:-target}")
ENVOY=${MESHGATE_ENVOY:-$(scripts/envoy.sh 1.40.0)}
export ENVOY
export MESHGATE_WORK_DIR=$target/conformance
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

for ((shard = 0; shard < shards; shard++)); do
    dealt=()
    for ((i = shard; i < ${#cases[@]}; i += shards)); do dealt+=("${cases[i]}"); done
    check=(python3 "$rows/tools/check.py"
        --generate "$target/debug/meshgate bootstrap {input} --dataplane {dataplane} --format json -o {out}"
        --cases "$(IFS=,; echo "${dealt[*]}")" --exceptions tests/conformance/kuma-exceptions.json)
    if [[ ${#isolated[@]} -gt 0 ]]; then
        check=("${isolated[@]}" sh -c 'ip link set lo up && exec "$@"' sh "${check[@]}")
    fi
    ORACLE_RUN=$work/$shard "${check[@]}" >"$work/$shard.log" 2>&1 &
    children+=($!)
done

passed=0 failed=0 broken=0
for ((shard = 0; shard < shards; shard++)); do
    wait "${children[shard]}" || true
    grep -vE '^[0-9]+ passed, [0-9]+ failed$' "$work/$shard.log" || true
    if [[ $(tail -n 1 "$work/$shard.log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    else
        broken=1
    fi
done
children=()
[[ $broken -eq 0 ]] || echo "a run of check.py broke off" >&2
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && $broken -eq 0 ]]
