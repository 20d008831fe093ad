#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The official suite's own manifests, from its Go module, as golden cases: what statuses and tables say beyond what the suite's base manifests
# alone give, compared with NAME.golden; then the properties of golden.c. And neither they nor the API module's examples break a schema.
# Mesh manifests are left out: their routes have Services for parents.
#      run.sh [--rewrite] GOLDEN-BINARY
set -eu
rewrite=no
[ "${1-}" = --rewrite ] && { rewrite=yes; shift; }
[ $# -eq 1 ] || { echo "usage: run.sh [--rewrite] GOLDEN-BINARY" >&2; exit 2; }
golden=$(realpath "$1")
cd "$(dirname "$0")"
# folder MODULE: where Go keeps it, checked against go.sum
folder() { ../../../scripts/go.sh mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'; }
suite=$(folder sigs.k8s.io/gateway-api/conformance) api=$(folder sigs.k8s.io/gateway-api)
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
passed=0 failed=0
pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAIL $1"; }

python3 assemble.py cases "$suite" "$made"
"$golden" "$made/base.in.yaml" >"$made/base.all"
for input in "$made"/*.in.yaml; do
    name=$(basename "$input" .in.yaml)
    if ! "$golden" "$input" >"$made/all"; then fail "$name: golden ended with an error"; continue; fi
    if grep -q '^finding' "$made/all"; then grep '^finding' "$made/all"; fail "$name: a schema finding"; continue; fi
    before=$made/base.all
    [ "$name" != base ] || before=/dev/null
    python3 assemble.py digest "$before" "$made/all" >"$made/new"
    if [ $rewrite = yes ]; then
        cmp -s "$made/new" "$name.golden" || { cat "$made/new" >"$name.golden"; echo "wrote $name.golden"; }
    elif diff -u "$name.golden" "$made/new"; then pass
    else fail "$name"; fi
done
for output in *.golden; do
    [ -e "$made/${output%.golden}.in.yaml" ] || fail "$output: the suite has no such manifest"
done
[ $rewrite = no ] || exit 0
for input in "$made"/*.near.yaml; do
    if "$golden" --properties "$input" >"$made/all" 2>&1; then pass; else tail -40 "$made/all"; fail "$(basename "$input"): properties"; fi
done
for example in $(find "$api/examples" -name '*.yaml' | sort); do
    if "$golden" "$example" >"$made/all" && ! grep '^finding' "$made/all"; then pass; else fail "${example#"$api/"}: a schema finding"; fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
