#!/usr/bin/env bash
# Runs the image `meshgate` as it is meant to run: not as root, with a file system that cannot be written.
#
#   scripts/engine.sh scripts/test-image.sh      after scripts/meshgate-image.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

container=
resources=$(mktemp -d)
answers=$(mktemp)
meanwhile=
end() {
    [[ -z $meanwhile ]] || kill "$meanwhile" 2>/dev/null || true
    [[ -z $container ]] || docker rm --force --volumes "$container" >/dev/null 2>&1 || true
    rm -rf "$resources" "$answers" "$answers.end"
}
trap end EXIT
fail() {
    echo "FAILED  $*" >&2
    docker logs --tail 30 "$container" >&2
    exit 1
}
state() { docker inspect --format "$1" "$container"; }

# As a ConfigMap is mounted: every file is a link through `..data`, and a change swaps that one.
mount_as_config_map() { # NAME SED…
    local version=$1 file
    shift
    mkdir "$resources/..$version"
    for file in envoy-configs/kuma-gateway/resources/*.yaml; do
        sed "$@" "$file" >"$resources/..$version/$(basename "$file")"
        ln -sf "..data/$(basename "$file")" "$resources/$(basename "$file")"
    done
    ln -s "..$version" "$resources/..new"
    mv -T "$resources/..new" "$resources/..data"
}
chmod 755 "$resources"
mount_as_config_map first -e ''

container=$(docker run --detach --read-only --network host --cap-drop ALL --security-opt no-new-privileges \
    --volume "$resources:/resources:ro" meshgate)
for try in {1..150}; do
    [[ $(state '{{.State.Running}}') == true ]] || fail "it has ended"
    health=$(state '{{.State.Health.Status}}')
    [[ $health != healthy ]] || break
    [[ $try -lt 150 ]] || fail "it is $health: $(state '{{range .State.Health.Log}}{{.Output}}{{end}}')"
    sleep 0.2
done
echo "ok      healthy"

user=$(awk '/^Uid:/ { print $2 }' "/proc/$(state '{{.State.Pid}}')/status")
[[ $user == 65532 ]] || fail "it runs as user $user"
echo "ok      not root"

status() { # HOST
    curl --silent --max-time 10 --output /dev/null --write-out '%{http_code}' --header "Host: $1" http://127.0.0.1:8080/
}
# No backend is there.
[[ $(status foo.example.com) == 503 && $(status baz.example.com) == 404 ]] || fail "foo.example.com is not served"
echo "ok      foo.example.com is served, baz.example.com is not"

# Until the change is served, a hundred requests on each connection: none is lost, and none gets another answer.
while [[ ! -e $answers.end ]]; do
    curl --silent --max-time 30 --output /dev/null --write-out '%{http_code} %{num_connects}\n' \
        --header 'Host: foo.example.com' 'http://127.0.0.1:8080/[1-100]' || echo "curl ends with $?"
    echo connection
done >"$answers" &
meanwhile=$!
mount_as_config_map second -e 's/hostname: bar\.example\.com/hostname: baz.example.com/'
for try in {1..100}; do
    [[ $(status baz.example.com) == 404 ]] || break
    [[ $try -lt 100 ]] || fail "a changed ConfigMap is not served"
    sleep 0.2
done
echo "ok      a changed ConfigMap is served"
touch "$answers.end"
wait "$meanwhile"
meanwhile=
connections=$(grep -c connection "$answers")
[[ $(grep -c '^503 0$' "$answers") == $((connections * 99)) && $(grep -c '^503 1$' "$answers") == "$connections" ]] ||
    fail "requests were lost meanwhile: $(sort "$answers" | uniq --count)"
echo "ok      $((connections * 100)) requests meanwhile, a hundred on each connection"

docker stop --time 30 "$container" >/dev/null
[[ $(state '{{.State.ExitCode}}') == 0 ]] || fail "it ends with $(state '{{.State.ExitCode}}')"
echo "ok      ends with 0"
