#!/bin/sh
# Runs every test (or, with `quick`, what the developer's loop needs) and counts. Its last line is the count.
cd "$(dirname "$0")/.." || exit 2
mode=${1:-full}
J=$(nproc)
passed=0 failed=0 broken=
log=build/test-logs; mkdir -p $log

# step NAME COMMAND...: one suite. Its own counts are taken from its output where it prints some, else it counts as one test.
step() {
    name=$1; shift
    started=$(date +%s)
    "$@" >$log/"$name" 2>&1; rc=$?
    # ctest: "100% tests passed, 0 tests failed out of 42"; ours: "42 passed, 0 failed"
    counts=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p; s/^[0-9]+% tests passed, ([0-9]+) tests failed out of ([0-9]+)/c \1 \2/p' $log/"$name" | tail -1)
    case "$counts" in
    c*) set -- $counts; p=$(($3 - $2)) f=$2 ;;
    '') p=1 f=0; [ $rc = 0 ] || p=0 f=1 ;;
    *) set -- $counts; p=$1 f=$2 ;;
    esac
    [ $rc = 0 ] || [ "$f" != 0 ] || f=1
    passed=$((passed + p)) failed=$((failed + f))
    if [ "$rc" = 0 ] && [ "$f" = 0 ]; then echo "ok    $name: $p ($(($(date +%s) - started)) s)"
    else
        echo "FAIL  $name: $f failed ($(($(date +%s) - started)) s)"
        names_of_failed "$name"
        echo "      its output but for what passed, the end:"
        grep -avE '^ok |[[:space:]]Passed[[:space:]]+[0-9.]+ sec|^[[:space:]]+Start ' $log/"$name" | tail -60 | sed 's/^/      /'
        broken="$broken $name"
    fi
}
# names_of_failed SUITE: a line for each case that failed.
names_of_failed() {
    sed -nE "s/^failed: /$1: /p; s/^[[:space:]]+[0-9]+ - (.*\(Failed\)|.*\(Timeout\)|.*\(SEGFAULT\))/$1: \1/p; s/^FAIL +/$1: /p" $log/"$1" | tail -20 | cut -c1-400
}
cluster_built() { wait "$cluster"; rc=$?; cat $log/build-cluster-output; return $rc; }
build() { make --no-print-directory build/"$1"/build.ninja && cmake --build build/"$1" -- -j "$J"; }

# Kubernetes, for the cluster, takes ten minutes of a core to compile where Go's cache is cold: behind the rest, while that goes on.
if [ "$mode" = full ]; then
    nice -n 10 tests/cluster/build.sh suite >$log/build-cluster-output 2>&1 & cluster=$!
fi

step format scripts/lint.sh --format
step shape make --no-print-directory shape
step build-debug build debug
step unit ctest --test-dir build/debug -j "$J" --output-on-failure -E '^slow/'
if [ "$mode" = full ]; then
    step shape-tests tests/shape/run.sh
    step crd tests/crd/run.sh build/debug/crd_probe
    step suite tests/golden/suite/run.sh build/debug/golden
    step build-release make --no-print-directory build
    step slow ctest --test-dir build/debug --output-on-failure -R '^slow/'
    step e2e tests/e2e/run build/postern
    step soak tests/soak/run build/postern
    step gates tests/gates/gates.sh build/postern
    step instructions tests/gates/instructions.sh --most 10500 build/postern
    step instructions-full tests/gates/instructions.sh --tls full --most 2420000 build/postern
    step instructions-resumed tests/gates/instructions.sh --tls resumed --most 2250000 build/postern
    step build-lookups cmake --build build/release --target gate_lookups
    step lookups tests/gates/lookups.sh build/release/gate_lookups
    step build-cluster cluster_built
    root= # namespaces of networks and mounts are root's
    [ "$(id -u)" = 0 ] || root="sudo -E"
    step cluster $root tests/cluster/run build/postern
    [ ! -e deploy/install.yaml ] || step conformance $root tests/conformance/run build/postern
    step build-clang build clang
    step tidy make --no-print-directory lint
    step build-tsan build tsan
    step tsan ctest --test-dir build/tsan -j "$J" --output-on-failure
    step fuzz make --no-print-directory fuzz SEED=1
fi
# Once more by name: a report of the end alone should say what to look at.
[ -z "$broken" ] || echo "broken:$broken (logs in $log)"
for name in $broken; do names_of_failed "$name"; done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
