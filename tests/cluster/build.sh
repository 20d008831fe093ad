#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the test cluster into build/cluster: build.sh [suite]. With `suite`, also the conformance suite.
# Kubernetes takes ten minutes to compile, once: Go keeps it by the flags in go.sh, so every go command here goes through that.
set -eu
cd "$(dirname "$0")"
go=../../scripts/go.sh
out=../../build/cluster
mkdir -p $out/images
kubernetes=$($go list -m -f '{{.Version}}' k8s.io/kubernetes)
# what the API server calls itself; without, suites that look at its version fail
version="-X k8s.io/component-base/version.gitVersion=$kubernetes
	-X k8s.io/component-base/version.gitMajor=1
	-X k8s.io/component-base/version.gitMinor=$(echo "$kubernetes" | cut -d. -f2)"
$go build -ldflags "-s -w $version" -o $out/kubernetes ./kubernetes
$go build -ldflags "-s -w" -o $out/ ./testcluster ./sandbox
$go build -ldflags "-s -w" -o $out/images/echo-basic sigs.k8s.io/gateway-api-conformance-images/echo-basic
crds=$($go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)/config/crd
rm -rf $out/crds && cp -r "$crds" $out/crds && chmod -R u+w $out/crds
[ "${1:-}" != suite ] || $go test -c -ldflags "-s -w" -o $out/conformance.test ./suite
