#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# rootfs.sh FOLDER BINARY: the file system of a container with postern alone: the program, the libraries that it links and those it loads when
# it follows a cluster, certificate authorities, a user. No shell. What deploy/Dockerfile makes its image of.
set -eu
[ $# -eq 2 ] || { echo "usage: rootfs.sh FOLDER BINARY" >&2; exit 2; }
root=$1 binary=$2
mkdir -p "$root/etc/postern" "$root/usr/bin" "$root/run" "$root/tmp" "$root/etc/ssl/certs"
chmod 1777 "$root/run" "$root/tmp"
install -m755 "$binary" "$root/usr/bin/postern"

libraries() { ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }'; }
curl=$(ldconfig -p | awk '/libcurl\.so\.4 / { print $NF; exit }')
[ -n "$curl" ] || { echo "rootfs.sh: libcurl.so.4 is not here; install libcurl4" >&2; exit 1; }
for library in $( (libraries "$binary"; libraries "$curl"; echo "$curl") | sort -u); do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'root:x:0:0:root:/:/nonexistent\npostern:x:65532:65532:postern:/tmp:/nonexistent\n' > "$root/etc/passwd"
printf 'root:x:0:\npostern:x:65532:\n' > "$root/etc/group"
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
