#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Instructions in user space that a kept-alive request of 1 kB costs the thread that serves it, counted and never timed.
#   tests/gates/instructions.sh [--tls full|resumed] [--peers] [--most N] [--keep FOLDER] BINARY
# --tls: a connection for each request, with a full or a resumed handshake of TLS 1.3 (P-256, one ticket).
# --peers: HAProxy and nginx, too, where they are; --most: fail above N; --keep: leave the profiles there for callgrind_annotate.
# A server runs twice in callgrind, with N and with 3N requests on 64 connections (TLS: 8): the difference has no start in it.
# Needs cc, valgrind; a release build of the binary (sanitizers do not run in valgrind).
set -eu
usage() { echo "usage: instructions.sh [--tls full|resumed] [--peers] [--most N] [--keep FOLDER] BINARY" >&2; exit 2; }
peers='' most='' keep='' tls=''
while [ $# -gt 1 ]; do
    case $1 in
    --tls) tls=$2; shift ;;
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
server='' origin=''
case $tls in
'') requests=4000 unit=request ;;
full) requests=150 unit='connection with a full handshake' ;;
resumed) requests=200 unit='connection with a resumed handshake' ;;
*) usage ;;
esac

cleanup() {
    for p in $server $origin; do kill "$p" 2>/dev/null || :; done
    for p in $server $origin; do wait "$p" 2>/dev/null || :; done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
. "$here/common.sh"
case $tls in
'') load="-p $port -c 64" ;;
full) load="-p $tls_port -c 8 -m close -t" ;;
resumed) load="-p $tls_port -c 8 -m close -t -r" ;;
esac
# One ticket after a handshake from each: OpenSSL's two cost twice, and are no merit.
cat > "$work/openssl.cnf" <<CONFIG
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = usual
[usual]
NumTickets = 1
CONFIG

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
  bind 127.0.0.1:$tls_port ssl crt $work/both.pem alpn http/1.1
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
  ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem; ssl_protocols TLSv1.2 TLSv1.3; ssl_conf_command NumTickets 1;
  server { listen 127.0.0.1:$port; location / { proxy_pass http://u; } }
  server { listen 127.0.0.1:$tls_port ssl; location / { proxy_pass http://u; } }
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
    "$work/hload" -a 127.0.0.1 -d 300 -n "$n" $load > "$work/load.out" 2> "$work/load.log"
    python3 - "$work/load.out" "$n" "$tls" <<'PYTHON'
import json, sys
r = json.loads(open(sys.argv[1]).read().splitlines()[-1])
shaken = {'': (0, 0), 'full': (r['ops'], 0), 'resumed': (r['ops'], r['ops'] - 8)}[sys.argv[3]]
if r['ops'] != int(sys.argv[2]) or r['errors'] or r['non200'] or (r['hs'], r['reused']) != shaken:
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
    printf '%-8s %d instructions a %s\n' "$name" "$rate" "$unit"
    if [ -n "$keep" ]; then
        mkdir -p "$keep"
        for p in "$work"/profile.*; do cp "$p" "$keep/$name.${p##*/}"; done
    fi
}

per_request postern "$binary" serve -f "$work/gates.yaml" $(ports) --workers 1 --access-log off --admin "127.0.0.1:$admin_port"
ours=$rate
if [ -n "$peers" ]; then
    for peer in haproxy nginx; do
        exe=$(command -v $peer || ls /usr/sbin/$peer 2>/dev/null || :)
        [ -n "$exe" ] || { echo "$peer is not here"; continue; }
        if [ $peer = haproxy ]; then
            per_request haproxy env OPENSSL_CONF="$work/openssl.cnf" "$exe" -db -f "$work/haproxy.cfg"
        else
            per_request nginx "$exe" -p "$work" -c "$work/nginx.conf" -e "$work/error.log"
        fi
        awk "BEGIN { printf \"         postern / $peer = %.2f\\n\", $ours / $rate }"
    done
fi
[ -z "$most" ] || [ "$ours" -le "$most" ] || { echo "instructions: more than $most" >&2; exit 1; }
