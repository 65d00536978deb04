#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh PROGRAM SECONDS TARGET...: libFuzzer on each target, from its corpus. What is new goes to .build/fuzz, what is wrong stops
# it, and its input lies there too: run.sh says how to have it again.
set -u
program=$1 seconds=$2
shift 2
here=$(dirname "$0")
# Else a trap goes to the Swift backtracer, and its input is not written.
export SWIFT_BACKTRACE=enable=no
failed=
for target in "$@"; do
	work=.build/fuzz/$target
	rm -rf "$work/corpus"
	mkdir -p "$work/corpus" "$work/found"
	echo "  FUZZ  $target, $seconds s"
	# Value profiles: a magic number is found byte by byte.
	if FUZZ_TARGET=$target "$program" -use_value_profile=1 -max_total_time="$seconds" -max_len=65536 -timeout=25 \
		-rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$work/found/" "$work/corpus" \
		"$here/Corpus/$target" >"$work/log" 2>&1; then
		grep -E 'stat::(number_of_executed_units|new_units_added|peak_rss_mb)' "$work/log" | sed 's/^stat::/        /'
	else
		tail -n 40 "$work/log" >&2
		echo "fuzzing $target failed: FUZZ_TARGET=$target $program FILE has it again, with the file that is named above" >&2
		failed=1
	fi
done
[ -z "$failed" ]
