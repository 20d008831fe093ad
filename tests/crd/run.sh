#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The field tables against the CRDs: tests/crd/run.sh PROBE... (crd_probe of a build). Needs Go and its module proxy or a warm module cache.
set -eu
cd "$(dirname "$0")"
: "${GOTOOLCHAIN:=go1.27.0}"
export GOTOOLCHAIN CGO_ENABLED=0
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
go build -trimpath -o "$out/crd" .
"$out/crd" bases "$@"
