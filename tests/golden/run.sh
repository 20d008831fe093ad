#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each tests/golden/TOPIC/CASE.in.yaml through the whole control plane, compared with CASE.out; then the properties of
# golden.c over all of them.      tests/golden/run.sh [--rewrite] GOLDEN-BINARY
set -eu
rewrite=no
[ "${1-}" = --rewrite ] && { rewrite=yes; shift; }
[ $# -eq 1 ] || { echo "usage: run.sh [--rewrite] GOLDEN-BINARY" >&2; exit 2; }
golden=$(realpath "$1")
cd "$(dirname "$0")"
passed=0 failed=0
new=$(mktemp)
trap 'rm -f "$new"' EXIT
for input in */*.in.yaml; do
    output=${input%.in.yaml}.out
    if ! "$golden" "$input" >"$new"; then
        failed=$((failed + 1)); echo "FAIL $input: golden ended with an error"
    elif [ $rewrite = yes ]; then
        cmp -s "$new" "$output" 2>/dev/null || { cat "$new" >"$output"; echo "wrote $output"; }
    elif diff -u "$output" "$new"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1)); echo "FAIL $input"
    fi
done
"$golden" --properties */*.in.yaml || failed=$((failed + 1))
echo "golden: $passed passed, $failed failed"
[ $failed -eq 0 ]
