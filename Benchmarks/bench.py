#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What tailrace costs: windows with it and without it in turn, on loopback, and where each target stands.

Needs root, nginx and wrk; bpftrace, tcpdump and clang for the rows that name them."""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import shutil
import signal
import sys
import tempfile
import time

import targets
from alternation import Estimate, kernel_statistics, null_ratios, set_kernel_statistics
from load import prefer_this_session
from phases import Bench


class Results(dict):
    """What each phase measured, and why one did not."""

    def __init__(self):
        super().__init__()
        self.failures = {}

    def why(self, phase, otherwise="the phase gave nothing"):
        return self.failures.get(phase, otherwise)


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=pathlib.Path, required=True, help="the built tailrace-window")
    parser.add_argument("--twin", type=pathlib.Path, required=True, help="the probe object with empty programs")
    parser.add_argument("--windows", type=int, default=60, help="windows of each variant (60)")
    parser.add_argument("--window-ms", type=int, default=150, help="length of a window (150)")
    parser.add_argument("--quick", action="store_true", help="12 windows: for a look, not for a claim")
    parser.add_argument("--only", action="append", help="small, peers, stream, paced, loading or ingest; may be repeated")
    parser.add_argument("--json", type=pathlib.Path, help="write every window to this file")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the order of the windows")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.windows = 12
    return chosen


@contextlib.contextmanager
def prepared_machine():
    """This session preferred and the kernel's BPF statistics off; as they were, afterwards."""
    statistics = kernel_statistics()
    with open("/proc/self/autogroup") as file:
        weight = file.read().split()[-1]
    prefer_this_session()
    set_kernel_statistics(0)
    try:
        yield
    finally:
        set_kernel_statistics(statistics)
        with open("/proc/self/autogroup", "w") as file:
            file.write(weight)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}, load average {' '.join(open('/proc/loadavg').read().split()[:3])}"


def measure(chosen, directory):
    results = Results()
    bench = Bench(chosen, directory)
    for phase in bench.all():
        if chosen.only and phase.__name__ not in chosen.only:
            results.failures[phase.__name__] = "not asked for"
            continue
        print(f"  {phase.__name__}: {phase.__doc__}", file=sys.stderr, flush=True)
        try:
            for name, result in phase():
                results[name] = result
        except Exception as error:  # one phase that fails leaves the others their say
            results.failures[phase.__name__] = f"{type(error).__name__}: {error}"
            print(f"  {phase.__name__} failed: {error}", file=sys.stderr)
    return results


def print_hooks(results):
    for name, unit in (("small_statistics", "responses"), ("stream_statistics", "chunks")):
        costs = targets.hook_costs(results.get(name) or [], unit)
        if costs:
            print(f"\nProgram time, {name.split('_')[0]}, net of the empty twin (runs count both ends of loopback):")
            print(f"  {'program':<12} {'runs/' + unit[:-1]:>14} {'ns/run':>8} {'ns/' + unit[:-1]:>12}")
            for program, runs, nanoseconds in costs:
                print(f"  {program:<12} {runs:>14.2f} {nanoseconds:>8.0f} {runs * nanoseconds:>12.0f}")
            print(f"  {'sum':<12} {sum(c[1] for c in costs):>14.2f} {'':>8} {sum(c[1] * c[2] for c in costs):>12.0f}")


def print_report(results, begin):
    print(f"tailrace: cost\n{begin}\nLoopback: client and server are both on this kernel, so every hook fires for both ends.")
    small = results.get("small")
    if small:
        null = Estimate.of(null_ratios(small, lambda window: window.rate()))
        bare = Estimate.of([window.rate() / 1000 for window in small if window.variant == "bare"])
        full = [window for window in small if window.variant == "full"]
        told = sum(window.delta["tracer_responses"] for window in full) / sum(window.delta["responses"] for window in full)
        print(f"bare: {bare.text(1, ' k')} responses/s; bare against bare: {null.text()}; windows: {len(full)} of each variant; "
              f"responses told: {100 * told:.1f} % of those answered")
    print()
    for line in (target(results) for target in targets.ALL):
        print(f"{line.number:<4} {line.target}\n     {line.verdict}: {line.measured}")
    print_hooks(results)


def write_windows(path, results, begin):
    raw = {name: [window.as_json(name) if hasattr(window, "as_json") else window for window in result]
           if isinstance(result, list) else result for name, result in results.items()}
    path.write_text(json.dumps({"machine": begin, "failures": results.failures, **raw}) + "\n")


def main():
    chosen = options()
    if os.geteuid() != 0:
        sys.exit("bench: loading kernel programs needs root: sudo make bench")
    missing = [name for name in ("nginx", "wrk", "clang") if not shutil.which(name)]
    if missing:
        sys.exit(f"bench: not installed: {', '.join(missing)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin = machine()
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as directory, prepared_machine():
        results = measure(chosen, directory)
    print_report(results, begin)
    print(f"\nload average at the end: {' '.join(open('/proc/loadavg').read().split()[:3])}")
    if chosen.json:
        write_windows(chosen.json, results, begin)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; the load is ended and the machine's settings are as they were")
