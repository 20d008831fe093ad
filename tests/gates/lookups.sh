#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Instructions of one lookup, counted in callgrind and never timed: plain routes cost the same whatever expressions stand beside them, and what
# expressions cost has an end; a server name finds its certificate at the same cost among one and among 10,000.      tests/gates/lookups.sh LOOKUPS-BINARY    (target gate_lookups, built with optimization)
set -eu
[ $# -eq 1 ] || { echo "usage: lookups.sh LOOKUPS-BINARY" >&2; exit 2; }
binary=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 what=look_up

count() { # kind, expressions, lookups, request: instructions of one
    valgrind --tool=callgrind --callgrind-out-file="$work/out" --toggle-collect="$what" "$binary" "$@" > "$work/said" 2> "$work/log" ||
        { cat "$work/log" "$work/said" >&2; exit 1; }
    sed -n 's/^\(totals\|summary\): *\([0-9]*\).*/\2/p' "$work/out" | head -1 | awk -v n="$3" '{ printf "%d\n", $1 / n }'
}
at_most() { # what, instructions, limit
    if [ "$2" -gt 0 ] && [ "$2" -le "$3" ]; then passed=$((passed + 1)); echo "ok   $1: $2 instructions, at most $3; $(cat "$work/said")"
    else failed=$((failed + 1)); echo "FAIL $1: $2 instructions, not within $3; $(cat "$work/said")"; fi
}

for request in 'GET h /api/service/items/17' 'GET h /exact' 'GET h /item-zzzzz-x/y'; do
    plain=$(count literal 0 1000 "$request")
    at_most "$request beside no expression" "$plain" 2500
    for n in 1 100 10000; do
        at_most "$request beside $n expressions" "$(count literal $n 1000 "$request")" $((plain + 1500))
    done
done
for n in 1 100 10000; do
    at_most "one of $n expressions by its literal" "$(count literal $n 1000 'GET h /item-00000-a/b')" 6000
done
at_most "the last of 100 that begin with .*" "$(count any 100 100 'GET h /x/item-00099-a')" 400000
# The budget is 65,536 units of some 200 instructions; of the last ones a part alone is spent.
for n in 1 20 1000; do
    at_most "$n expressions that do not end" "$(count bad $n 2 'GET h /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa00000xb')" 20000000
done
what=look_up_name
one=$(count names 1 1000 c0.example.com)
for n in 100 10000; do
    for i in 0 $((n - 1)); do
        at_most "c$i.example.com's certificate of $n" "$(count names $n 1000 c$i.example.com)" $((one + 300)) # a longer name, a slot that is taken
    done
done
echo "lookups: $passed passed, $failed failed"
[ $failed -eq 0 ]
