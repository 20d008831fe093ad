#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The field tables against the CRDs: tests/crd/run.sh PROBE... (crd_probe of a build). Needs Go (scripts/go.sh) and its module proxy or a warm
# module cache.
set -eu
for probe; do # where they are, seen from anywhere
    shift
    set -- "$@" "$(realpath "$probe")"
done
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
go=../../scripts/go.sh
$go mod download sigs.k8s.io/gateway-api
$go build -o "$out/crd" .
"$out/crd" "$($go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)" bases "$@"
