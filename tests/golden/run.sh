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
# RULES.md names cases that there are, and every case.
named=$(sed -n 's/^|.*| \([^|]*\) |$/\1/p' RULES.md | tr ' ' '\n' | grep / | sort -u; grep -o 'suite:[a-z0-9-]*' RULES.md | sort -u)
for case in $named; do
    case $case in
    suite:*) file=suite/${case#suite:}.golden ;;
    unit:*) file=../unit/${case#unit:}_test.c ;;
    *) file=$case.in.yaml ;;
    esac
    [ -e "$file" ] || { failed=$((failed + 1)); echo "FAIL RULES.md: there is no $file"; }
done
for input in */*.in.yaml; do
    echo "$named" | grep -qx "${input%.in.yaml}" || { failed=$((failed + 1)); echo "FAIL RULES.md: ${input%.in.yaml} holds no rule"; }
done
"$golden" --properties */*.in.yaml || failed=$((failed + 1))
echo "golden: $passed passed, $failed failed"
[ $failed -eq 0 ]
