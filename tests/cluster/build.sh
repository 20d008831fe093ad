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
# The CRDs as released: of the version that is served, and of older ones that a cluster may have.
crds() { $go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api; }
older() { $go mod download -json "sigs.k8s.io/gateway-api@$1" | sed -nE 's/^\t"Dir": "(.*)",$/\1/p'; }
rm -rf $out/crds && mkdir $out/crds
cp -r "$(crds)/config/crd/standard" "$(crds)/config/crd/experimental" $out/crds
for version in v1.0.0 v1.2.1 v1.4.0; do
    mkdir $out/crds/$version
    cp -r "$(older $version)/config/crd/standard" "$(older $version)/config/crd/experimental" $out/crds/$version
done
chmod -R u+w $out/crds
[ "${1:-}" != suite ] || $go test -c -ldflags "-s -w" -o $out/conformance.test ./suite
