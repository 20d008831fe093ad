#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Gates that count, and never time: system calls and allocations a request.   tests/gates/gates.sh BINARY
# Needs cc, strace and leave to trace own processes; a plain build of the binary (sanitizers bring their own calls).
set -eu
[ $# -eq 1 ] || { echo "usage: gates.sh BINARY" >&2; exit 2; }
binary=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
passed=0 failed=0 server='' origin='' load='' tracer=''

cleanup() {
    for p in $load $tracer $server $origin; do kill "$p" 2>/dev/null || :; done
    for p in $load $tracer $server $origin; do wait "$p" 2>/dev/null || :; done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

say() { # name, measured, bound, verdict
    if [ "$4" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    printf '%-4s %s: %s (at most %s)\n' "$4" "$1" "$2" "$3"
}
at_most() { # name, measured, bound
    if awk "BEGIN { exit !($2 <= $3) }"; then say "$1" "$2" "$3" ok; else say "$1" "$2" "$3" FAIL; fi
}
. "$here/common.sh"
build malloc_count.so "$here/malloc_count.c" -shared -fPIC -fno-builtin

"$work/backend" 127.0.0.1 "$origin_port" b 2> "$work/backend.log" &
origin=$!

start() { # environment...
    env "$@" "$binary" serve -f "$work/gates.yaml" $(ports) --workers 1 --access-log off --admin "127.0.0.1:$admin_port" \
        > "$work/serve.log" 2>&1 &
    server=$!
    until_true answers
    serving=$server
    for p in $(children "$server"); do serving=$p; done # the supervisor only waits
}
stop() {
    kill "$server"
    wait "$server" || :
    server=''
}
warmed() { grep -q '^warm' "$work/load.out"; }
traced() { grep -q attached "$work/strace.log"; }

load_begin() { # options of hload: warms up and waits
    rm -f "$work/go"
    mkfifo "$work/go"
    : > "$work/load.out"
    "$work/hload" -a 127.0.0.1 -p "$port" -d 120 "$@" < "$work/go" > "$work/load.out" 2> "$work/load.log" &
    load=$!
    exec 3> "$work/go"
    until_true warmed
}
load_end() {
    echo go >&3
    wait "$load" || { cat "$work/load.log" >&2; exit 1; }
    load=''
    exec 3>&-
    tail -n 1 "$work/load.out" > "$work/load.json"
    python3 - "$work/load.json" "$1" <<'PYTHON'
import json, sys
r = json.load(open(sys.argv[1]))
if r['ops'] != int(sys.argv[2]) or r['errors'] or r['non200']:
    sys.exit(f'gates: the load failed: {r}')
PYTHON
}

syscalls() { # name, requests, bound, options of hload
    name=$1 n=$2 bound=$3
    shift 3
    load_begin -n "$n" -w 640 "$@"
    strace -f -c -o "$work/calls" -p "$serving" 2> "$work/strace.log" &
    tracer=$!
    until_true traced
    load_end "$n"
    kill -INT "$tracer"
    wait "$tracer" || :
    tracer=''
    # % time, seconds, usecs/call, calls, [errors,] syscall
    awk -v n="$n" -v but="$but" '$NF != "total" && $NF != but && $4 + 0 > 0 { total += $4 } END { printf "%.2f\n", total / n }' \
        "$work/calls" > "$work/rate"
    at_most "system calls a request, $name" "$(cat "$work/rate")" "$bound"
    awk '$NF != "total" && $4 + 0 > 20 { printf "       %s %d\n", $NF, $4 }' "$work/calls"
    # A thread that sleeps in one is seen once, when the tracer interrupts it.
    threads=$(ls /proc/"$serving"/task | wc -l)
    at_most "futex calls under load, $name" "$(awk '$NF == "futex" { n = $4 } END { print n + 0 }' "$work/calls")" "$threads"
}

allocations() { # threads of the serving process: calls so far
    od -An -v -t u8 -w16 "$work/count" | while read -r thread calls; do
        if [ -d "/proc/$serving/task/$thread" ]; then echo "$thread $(cat "/proc/$serving/task/$thread/comm") $calls"; fi
    done
}
mallocs() { # name, requests, options of hload
    name=$1 n=$2
    shift 2
    load_begin -n "$n" -w 2000 "$@"
    allocations > "$work/before"
    load_end "$n"
    allocations > "$work/after"
    awk 'NR == FNR { was[$1] = $3; next } $3 - was[$1] > 0 { printf "       %s (%s) %d\n", $1, $2, $3 - was[$1] }' "$work/before" "$work/after"
    # The loop thread works by the clock, not by the request.
    for who in worker other; do
        awk -v who="$who" 'NR == FNR { was[$1] = $3; next } ($2 ~ /^worker/) == (who == "worker") { n += $3 - was[$1] } END { print n + 0 }' \
            "$work/before" "$work/after" > "$work/$who"
    done
    at_most "allocations of workers in $n requests, $name" "$(cat "$work/worker")" 0
    at_most "allocations of other threads meanwhile, $name" "$(cat "$work/other")" $((n / 1000))
}

allocations_each() { # name, requests, bound a request, options of hload
    name=$1 n=$2 bound=$3
    shift 3
    load_begin -n "$n" -w 2000 "$@"
    allocations > "$work/before"
    load_end "$n"
    allocations > "$work/after"
    awk -v n="$n" 'NR == FNR { was[$1] = $3; next } $2 ~ /^worker/ { calls += $3 - was[$1] } END { printf "%.2f\n", calls / n }' \
        "$work/before" "$work/after" > "$work/each"
    at_most "allocations a request, $name" "$(cat "$work/each")" "$bound"
}

start POSTERN_GATES=1
but='' # a call that is not counted
syscalls 'kept alive' 20000 4.2 -c 64
syscalls 'a connection each' 5000 9 -c 64 -m close
syscalls 'kept alive, TLS' 20000 4.2 -c 64 -t -p "$tls_port"
but=epoll_wait # how often the loop turns is up to the client: what it sends may come together or apart
syscalls 'a full handshake each' 2000 17.5 -c 8 -m close -t -p "$tls_port"
syscalls 'a resumed handshake each' 2000 16.5 -c 8 -m close -t -r -p "$tls_port"
stop

: > "$work/count"
start LD_PRELOAD="$work/malloc_count.so" MALLOC_COUNT_FILE="$work/count"
mallocs 'kept alive' 20000 -c 64
allocations_each 'kept alive, TLS' 20000 6.1 -c 64 -t -p "$tls_port"
allocations_each 'a full handshake each' 1000 430 -c 8 -m close -t -p "$tls_port"
allocations_each 'a resumed handshake each' 1000 415 -c 8 -m close -t -r -p "$tls_port"
stop

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
