#!/bin/sh
# SPDX-License-Identifier: MIT
# sanitize.sh SWIFT SANITIZER SEEDS KERNEL_TEST...: the unit tests under a sanitizer, and as root kernel tests with the program built so.
# A report of it fails, wherever it comes from: reports are files, so that no test can swallow one.
set -eu
swift=$1 sanitizer=$2 seeds=$3
shift 3
build=$PWD/.build/$sanitizer
reports=$build/reports
rm -rf "$reports"
mkdir -p "$reports"
ASAN_OPTIONS=log_path=$reports/report
TSAN_OPTIONS=$ASAN_OPTIONS
export ASAN_OPTIONS TSAN_OPTIONS

fail() {
	cat "$reports"/report.* 2>/dev/null >&2 || tail -n 40 "$build/log" >&2
	echo "the $sanitizer sanitizer: $1; what was said before is in $build/log" >&2
	exit 1
}

no_reports() {
	[ -z "$(ls "$reports")" ] || fail "there are reports"
}

echo "  SANITIZE  $sanitizer: unit tests, with $seeds seeds for each property"
TAILRACE_SEEDS=$seeds "$swift" test --disable-xctest --sanitize="$sanitizer" --scratch-path "$build" >"$build/log" 2>&1 ||
	fail "the unit tests failed"
no_reports
grep 'Test run with' "$build/log"
if [ "$(id -u)" -ne 0 ]; then
	echo "  SKIP  kernel tests under the $sanitizer sanitizer: they need root"
	exit 0
fi
echo "  SANITIZE  $sanitizer: kernel tests $*"
TAILRACE=$build/debug/tailrace python3 Tests/Kernel/run.py "$@" || fail "a kernel test failed"
no_reports
