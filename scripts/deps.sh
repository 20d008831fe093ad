#!/bin/sh
# Installs what is missing of Debian's packages for one purpose: deps.sh build|run|test|cluster|bench. Says nothing when nothing is missing.
set -eu
build="gcc cmake ninja-build pkg-config libc6-dev libssl-dev libyaml-dev libpcre2-dev libjansson-dev libcurl4-openssl-dev libnghttp2-dev libc-ares-dev libseccomp-dev"
run="$build curl openssl ca-certificates"
test="$run libcmocka-dev python3-prometheus-client mandoc zsh fish clang libclang-rt-14-dev clang-format clang-tidy binutils universal-ctags python3 python3-venv python3-yaml python3-websockets python3-h2 python3-wsproto python3-hypercorn python3-grpcio python3-protobuf nginx-light haproxy strace iproute2 valgrind git nghttp2-client nodejs"
cluster="$run nftables iproute2 util-linux procps python3 python3-venv"
test="$test $cluster"
bench="$run haproxy nginx-light nghttp2-client iproute2 procps python3 strace"
case "${1:-}" in
build) want=$build ;; run) want=$run ;; test) want=$test ;; cluster) want=$cluster ;; bench) want=$bench ;;
*) echo "usage: deps.sh build|run|test|cluster|bench" >&2; exit 2 ;;
esac
missing=
for package in $want; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# services of packages are not wanted: a policy that forbids them for the time of the install, unless the machine has its own
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
    $sudo chmod 755 $policy
    trap '$sudo rm -f $policy' EXIT
fi
$sudo apt-get update -qq >&2
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >&2
