#!/usr/bin/env bash
# Each scenario of envoy-configs/docker-compose.yaml: up, the curl lines of its README with their answers, down.
#
#   scripts/engine.sh scripts/test-compose.sh
#
# Runs with every Compose that there is. Needs target/wasm (`make wasm`) and the images of scripts/envoy-image.sh and
# scripts/meshgate-image.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Profile and folder.
scenarios=(edge-gateway=kuma-gateway istio-gateway=istio-gateway cross-mesh=cross-mesh external-service=external-service)
file=envoy-configs/docker-compose.yaml
curl="curl --silent --show-error --max-time 10 --write-out '\n%{http_code}'"
failures=0

# The rows `| `curl …` | STATUS from `NAME` |` and `| `curl …` | STATUS `LINE` |` of a README; a comma begins a remark.
check() { # FOLDER
    local command status text answer rows=0
    while IFS=$'\t' read -r command status text; do
        rows=$((rows + 1))
        answer=$(timeout 20 bash -c "$curl ${command#curl }")
        if [[ ${answer##*$'\n'} == "$status" && ${answer%%$'\n'*} == "$text" ]]; then
            echo "ok      $command"
        else
            echo "FAILED  $command: expected $status $text, got ${answer//$'\n'/ }"
            failures=$((failures + 1))
        fi
    done < <(sed -nE 's/^\| `(curl [^`]*)` \| ([0-9]{3}) (from )?`([^`]*)`(,[^|]*)? \|$/\1\t\2\t\4/p' "envoy-configs/$1/README.md")
    [[ $rows -gt 0 ]] || { echo "envoy-configs/$1/README.md has no curl lines" >&2; failures=$((failures + 1)); }
}

# Waits for the containers of a project: an Envoy that listens says so in its last line, and others end.
listening() { # PROJECT
    local try id state all
    for try in {1..200}; do
        all=1
        for id in $(docker ps --all --quiet --filter "label=com.docker.compose.project=$1"); do
            state=$(docker inspect --format '{{.State.Running}} {{.State.ExitCode}} {{.Config.Image}}' "$id")
            [[ $state != 'false 0 meshgate' ]] || continue
            docker logs "$id" 2>&1 | grep -q 'starting main dispatch loop' || all=0
            if [[ $state != true* && $state != *' meshgate' ]]; then
                docker logs --tail 5 "$id" >&2
                return 1
            fi
        done
        [[ $all -eq 0 ]] || return 0
        sleep 0.2
    done
    echo "no Envoy of $1 listens, after $try looks" >&2
    return 1
}

scenario() { # PROFILE FOLDER COMPOSE…
    local profile=$1 folder=$2 project=meshgate-$1
    shift 2
    local compose=("$@" --project-name "$project" --file "$file" --profile "$profile")
    trap "${compose[*]} down --volumes --timeout 1 >/dev/null 2>&1 || true" EXIT
    "${compose[@]}" up --detach 2>&1 | tail -n 3
    if listening "$project"; then check "$folder"; else failures=$((failures + 1)); fi
    "${compose[@]}" down --volumes --timeout 1 >/dev/null 2>&1
    trap - EXIT
}

composes=0
for compose in 'docker compose' docker-compose; do
    $compose version >/dev/null 2>&1 || continue
    composes=$((composes + 1))
    for pair in "${scenarios[@]}"; do
        echo "== $compose: ${pair%=*}"
        # shellcheck disable=SC2086 # two words
        scenario "${pair%=*}" "${pair#*=}" $compose
    done
done
[[ $composes -gt 0 ]] || { echo "neither docker compose nor docker-compose is there" >&2; exit 1; }
[[ $failures -eq 0 ]]
