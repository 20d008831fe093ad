#!/bin/sh
# fuzz.sh SECONDS [NAME]: builds the fuzzers and runs each that long, two at a time; counts.
# fuzz.sh seed=N [NAME]: each with that seed, from the seeds alone, for the inputs that its first line says: what one tree is told is the same
# wherever it is tried.
cd "$(dirname "$0")/.." || exit 2
how=$1 only=${2:-}
cmake --build build/fuzz -- -j "$(nproc)" >build/fuzz/log 2>&1 || { tail -40 build/fuzz/log; exit 1; }
one() {
    name=$(basename "$1" .c); dir=build/fuzz/corpus/$name
    case $how in
    seed=*) dir=build/fuzz/seeded/$name; rm -rf "$dir"
        much="-$how -runs=$(sed -n '1s/.*, \([0-9]*\) inputs.*/\1/p' "$1")" ;;
    *) much=-max_total_time=$how ;;
    esac
    mkdir -p "$dir"
    seeds=; [ ! -d "fuzz/seeds/$name" ] || seeds=fuzz/seeds/$name
    if (build/fuzz/"$name" $much -rss_limit_mb=2048 -timeout=10 -artifact_prefix=build/fuzz/ -print_final_stats=1 "$dir" $seeds >build/fuzz/"$name".log 2>&1); then
        echo "ok $name: $(sed -n 's/^stat::number_of_executed_units: //p' build/fuzz/"$name".log) inputs"
    else echo "FAIL $name"; tail -30 build/fuzz/"$name".log; fi
}
list=; for f in fuzz/*_fuzz.c; do case $f in fuzz/$only*) list="$list $f" ;; esac; done
out=$(set -- $list
    while [ $# -gt 0 ]; do
        one "$1" & shift
        [ $# -eq 0 ] || { one "$1" & shift; }
        wait
    done)
echo "$out"
failed=$(echo "$out" | grep -c ^FAIL)
echo "$(echo "$out" | grep -c ^ok) passed, $failed failed"
[ "$failed" = 0 ]
