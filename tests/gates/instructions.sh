#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Instructions in user space that a kept-alive request of 1 kB costs the thread that serves it, counted and never timed.
#   tests/gates/instructions.sh [--peers] [--most N] [--keep FOLDER] BINARY
# --peers: HAProxy and nginx, too, where they are; --most: fail above N; --keep: leave the profiles there for callgrind_annotate.
# A server runs twice in callgrind, with N and with 3N requests on 64 connections: the difference has no start in it.
# Needs cc, valgrind; a release build of the binary (sanitizers do not run in valgrind).
set -eu
usage() { echo "usage: instructions.sh [--peers] [--most N] [--keep FOLDER] BINARY" >&2; exit 2; }
peers='' most='' keep=''
while [ $# -gt 1 ]; do
    case $1 in
    --peers) peers=yes ;;
    --most) most=$2; shift ;;
    --keep) keep=$(realpath "$2"); shift ;;
    *) usage ;;
    esac
    shift
done
[ $# -eq 1 ] || usage
binary=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
requests=4000 server='' origin=''

cleanup() {
    for p in $server $origin; do kill "$p" 2>/dev/null || :; done
    for p in $server $origin; do wait "$p" 2>/dev/null || :; done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
. "$here/common.sh"

"$work/backend" 127.0.0.1 "$origin_port" b 2> "$work/backend.log" &
origin=$!

# As the benchmark has them, with one serving thread each.
cat > "$work/haproxy.cfg" <<CONFIG
global
  nbthread 1
  maxconn 1000
  no strict-limits
defaults
  mode http
  timeout connect 5s
  timeout client 120s
  timeout server 120s
  timeout http-keep-alive 120s
  option splice-auto
  http-reuse always
frontend http
  bind 127.0.0.1:$port
  default_backend b
backend b
  server s 127.0.0.1:$origin_port
CONFIG
cat > "$work/nginx.conf" <<CONFIG
daemon off; master_process off; worker_processes 1; pid $work/nginx.pid; error_log $work/error.log crit;
events { worker_connections 1000; multi_accept on; }
http {
  access_log off; keepalive_timeout 300; keepalive_requests 1000000000; server_tokens off; tcp_nodelay on;
  client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3; uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host \$host; proxy_max_temp_file_size 0;
  upstream u { server 127.0.0.1:$origin_port; keepalive 1024; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:$port; location / { proxy_pass http://u; } }
}
CONFIG

counted() { # requests, command...: the instructions of the thread with the most
    n=$1
    shift
    rm -f "$work"/profile.*
    valgrind -q --tool=callgrind --trace-children=yes --separate-threads=yes --callgrind-out-file="$work/profile.%p" "$@" \
        > "$work/server.log" 2>&1 &
    server=$!
    until_true answers
    "$work/hload" -a 127.0.0.1 -p "$port" -d 300 -c 64 -n "$n" > "$work/load.out" 2> "$work/load.log"
    python3 - "$work/load.out" "$n" <<'PYTHON'
import json, sys
r = json.loads(open(sys.argv[1]).read().splitlines()[-1])
if r['ops'] != int(sys.argv[2]) or r['errors'] or r['non200']:
    sys.exit(f'instructions: the load failed: {r}')
PYTHON
    kill "$server"
    { wait "$server" || :; } 2> /dev/null
    server=''
    cat "$work"/profile.* | awk '/^totals:/ && $2 > most { most = $2 } END { printf "%d\n", most }' > "$work/count"
}
per_request() { # name, command...
    name=$1
    shift
    counted "$requests" "$@"
    few=$(cat "$work/count")
    counted $((requests * 3)) "$@"
    rate=$((($(cat "$work/count") - few) / (requests * 2)))
    printf '%-8s %d instructions a request\n' "$name" "$rate"
    if [ -n "$keep" ]; then
        mkdir -p "$keep"
        for p in "$work"/profile.*; do cp "$p" "$keep/$name.${p##*/}"; done
    fi
}

per_request postern "$binary" serve -f "$work/gates.yaml" --map-port "80:$port" --workers 1 --access-log off --admin "127.0.0.1:$admin_port"
ours=$rate
if [ -n "$peers" ]; then
    for peer in haproxy nginx; do
        exe=$(command -v $peer || ls /usr/sbin/$peer 2>/dev/null || :)
        [ -n "$exe" ] || { echo "$peer is not here"; continue; }
        if [ $peer = haproxy ]; then
            per_request haproxy "$exe" -db -f "$work/haproxy.cfg"
        else
            per_request nginx "$exe" -p "$work" -c "$work/nginx.conf" -e "$work/error.log"
        fi
        awk "BEGIN { printf \"         postern / $peer = %.2f\\n\", $ours / $rate }"
    done
fi
[ -z "$most" ] || [ "$ours" -le "$most" ] || { echo "instructions: more than $most" >&2; exit 1; }
