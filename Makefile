# SPDX-License-Identifier: Apache-2.0
# The face of the project. `make help` lists what there is.
.DEFAULT_GOAL := build
BUILD := build
J := $(shell nproc)
PRESET_debug := $(BUILD)/debug
PRESET_release := $(BUILD)/release
.PHONY: help build run demo dev test check unit shape fmt lint golden proto e2e soak gates docs crd cluster conformance fuzz tsan clang bench bench-kube clean deps refs install uninstall

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

build: $(BUILD)/release/build.ninja ## build/postern, for release (what is missing is installed)
	@cmake --build $(BUILD)/release --target postern -- -j $(J)
	@ln -sf release/postern $(BUILD)/postern

run: ## install what is missing, build, start the demo; Ctrl-C ends it
	@scripts/deps.sh run
	@$(MAKE) --no-print-directory build
	@$(BUILD)/postern demo --manifests examples/quickstart

test: ## install what is missing, run every test
	@scripts/deps.sh test
	@scripts/test.sh

check: ## the developer's loop: format, lint, shape, unit, goldens, protocol scripts; under a minute once built
	@scripts/test.sh quick

dev: $(BUILD)/debug/build.ninja ## debug build with sanitizers, running the quickstart manifests, followed as they are saved
	@cmake --build $(BUILD)/debug --target postern -- -j $(J)
	@$(BUILD)/debug/postern serve -f examples/quickstart --map-port 80:8080 --map-port 443:8443 --access-log text --log-level debug

unit: $(BUILD)/debug/build.ninja ## unit tests under ASan and UBSan
	@cmake --build $(BUILD)/debug -- -j $(J)
	@ctest --test-dir $(BUILD)/debug --output-on-failure -j $(J)

shape: $(BUILD)/shape/build.ninja ## layers, symbols, globals, sizes; and the tests of the script itself
	@cmake --build $(BUILD)/shape -- -j $(J) >$(BUILD)/shape/log 2>&1 || { cat $(BUILD)/shape/log; exit 1; }
	@scripts/shape.sh src $(BUILD)/shape

fmt: ## rewrite the sources as clang-format has them
	@git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'fuzz/*.c' | grep -v ^tests/shape | xargs clang-format -i

lint: $(BUILD)/lint/build.ninja ## clang-format and clang-tidy
	@scripts/lint.sh $(BUILD)/lint

golden: $(BUILD)/debug/build.ninja ## rewrite the goldens and show the difference
	@cmake --build $(BUILD)/debug -- -j $(J)
	@tests/golden/run.sh --rewrite $(BUILD)/debug/golden; git --no-pager diff --stat tests/golden

docs: $(BUILD)/debug/build.ninja ## rewrite the parts of docs/ that are made from tables in the code, and show the difference
	@cmake --build $(BUILD)/debug --target http_reason_test access_test metrics_test -- -j $(J)
	@for t in http_reason_test access_test metrics_test; do POSTERN_WRITE_DOCS=1 $(BUILD)/debug/$$t >/dev/null || exit 1; done
	@git --no-pager diff --stat docs

suite: $(BUILD)/debug/build.ninja ## rewrite what the official suite's own manifests give, and show the difference; needs Go or its wheel
	@cmake --build $(BUILD)/debug --target golden -- -j $(J)
	@tests/golden/suite/run.sh --rewrite $(BUILD)/debug/golden; git --no-pager diff --stat tests/golden/suite

e2e: build ## end to end with real clients and servers; K=name runs the matching cases
	@tests/e2e/run $(if $(K),-k $(K)) $(BUILD)/postern

soak: build ## ten minutes of load with a change every second: a million requests, none may fail
	@tests/soak/run --requests 1000000 --seconds 600 --every 1 $(BUILD)/postern

gates: build ## what a request may cost, counted: system calls, allocations, futexes, instructions
	@tests/gates/gates.sh $(BUILD)/postern
	@tests/gates/instructions.sh --most 10500 $(BUILD)/postern
	@tests/gates/instructions.sh --tls full --most 2420000 $(BUILD)/postern
	@tests/gates/instructions.sh --tls resumed --most 2250000 $(BUILD)/postern
	@cmake --build $(BUILD)/release --target gate_lookups -- -j $(J)
	@tests/gates/lookups.sh $(BUILD)/release/gate_lookups

crd: $(BUILD)/debug/build.ninja ## our field tables against the CRDs' own validation; needs Go or its wheel
	@cmake --build $(BUILD)/debug -- -j $(J)
	@tests/crd/run.sh $(BUILD)/debug/crd_probe

cluster: build ## a Kubernetes cluster with postern in it, until Ctrl-C; needs root. See tests/cluster/README.md
	@scripts/deps.sh cluster
	@tests/cluster/build.sh
	@tests/cluster/up $(BUILD)/postern

conformance: build ## the official suite on a cluster of its own; PROFILE=GATEWAY-TLS,... TEST=HTTPRouteWeight; the report: docs/conformance
	@scripts/deps.sh cluster
	@tests/cluster/build.sh suite
	@tests/conformance/run $(if $(PROFILE),--profile $(PROFILE)) $(if $(TEST),--test $(TEST),--report docs/conformance/report.yaml) $(BUILD)/postern

fuzz: $(BUILD)/fuzz/build.ninja ## each fuzzer for S seconds (30), or with SEED=N as far as it says itself; T=name alone
	@scripts/fuzz.sh $(if $(SEED),seed=$(SEED),$(or $(S),30)) $(T)

tsan: $(BUILD)/tsan/build.ninja ## unit tests under ThreadSanitizer
	@cmake --build $(BUILD)/tsan -- -j $(J)
	@ctest --test-dir $(BUILD)/tsan --output-on-failure -j $(J)

clang: $(BUILD)/clang/build.ninja ## build with clang
	@cmake --build $(BUILD)/clang -- -j $(J)

bench: build ## measure beside HAProxy and nginx; see bench/README.md
	@scripts/deps.sh bench
	@bench/run $(BENCH)

bench-kube: build ## on a real API server: new routes, memory, restart, what others' objects cost; under six minutes, needs root
	@scripts/deps.sh cluster
	@tests/cluster/build.sh
	@bench/kube $(BENCH)

refs: ## each cited RFC section and Gateway API field, and where
	@grep -rnoE '\[(RFC [0-9]+ [0-9.]+|GW [A-Za-z.0-9 :]+)\]' src | sed -E 's/^([^:]+):([0-9]+):(.*)/\3\t\1:\2/' | sort

install: build ## the program, manual pages, completions and systemd units, into $(DESTDIR)$(PREFIX) (/usr/local)
	@DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) scripts/install.sh install $(BUILD)/release/postern

uninstall: ## remove what install made
	@DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) scripts/install.sh uninstall

clean: ## remove what was built
	@rm -rf $(BUILD)

$(BUILD)/%/build.ninja: CMakeLists.txt CMakePresets.json
	@scripts/deps.sh $(if $(filter release,$*),build,test)
	@cmake --preset $* >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
