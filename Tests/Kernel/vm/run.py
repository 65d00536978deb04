# SPDX-License-Identifier: MIT
"""
Boots stock Debian kernels in QEMU and runs kernel tests in each, as root: what the host's kernel refuses or lacks is tested there.

    run.py [-k KERNEL]... [--option=OPTION]... [NAME...]

KERNEL: a name of kernels.TABLE; none: all. NAME: as for Tests/Kernel/run.py, `all` for every test; none: SMALL. OPTION: given to
every live run of the tests, as `--option=--backend --option=tracepoint`. TAILRACE: the binary, built with --static-swift-stdlib.
"""
import argparse
import os
import pathlib
import sys
import tempfile

import kernels
import machine

# A few minutes for all kernels, on a machine that is not loaded.
SMALL = ("backends.", "completeness.", "ends.", "nginx.", "send_calls.every_way", "send_calls.writers")
LIMIT_S = int(os.environ.get("TAILRACE_VM_LIMIT", 1800))


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", "--kernel", action="append", choices=[row.name for row in kernels.TABLE])
    parser.add_argument("--option", action="append", default=[])
    parser.add_argument("--logs", default=str(machine.ROOT / ".build" / "vm"))
    parser.add_argument("tests", nargs="*")
    return parser.parse_args(arguments)


def run_in(kernel, binary, options, tests, logs):
    log = pathlib.Path(logs) / (kernel.name + ".log")
    with tempfile.TemporaryDirectory(prefix="tailrace-vm-") as scratch:
        image = machine.Image(os.path.join(scratch, "root"))
        image.add_commands()
        image.add_python()
        image.add_native()
        image.add_modules(kernel)
        image.add_project(binary, {"TAILRACE_OPTIONS": " ".join(options), "TAILRACE_VM": kernel.name}, tests)
        archive = os.path.join(scratch, "image")
        image.write(archive)
        status, seconds = machine.boot(kernel, archive, log, LIMIT_S)
    lines = machine.lines_of(log)
    shown = [line for line in lines if line.startswith(("guest:", "ok ", "FAIL", "SKIP", "    "))] if status is not None else lines[-40:]
    for line in shown:
        print("    " + line)
    print("%s %s (Linux %s, %.0f s)" % ("PASS" if status == 0 else "FAIL", kernel.name, kernel.version, seconds), flush=True)
    return status == 0


def main():
    options = parse(sys.argv[1:])
    missing = machine.missing_packages()
    if missing:
        sys.exit("missing packages; run: sudo apt-get install -y --no-install-recommends " + " ".join(missing))
    binary = os.environ.get("TAILRACE", str(machine.ROOT / ".build" / "release" / "tailrace"))
    pathlib.Path(options.logs).mkdir(parents=True, exist_ok=True)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for row in kernels.TABLE:
        if options.kernel and row.name not in options.kernel:
            continue
        try:
            kernel = kernels.fetch(row)
        except kernels.Unavailable as reason:
            counts["failed" if row.is_required else "skipped"] += 1
            print("%s %s: %s" % ("FAIL" if row.is_required else "SKIP", row.name, reason), flush=True)
            continue
        tests = [] if options.tests == ["all"] else options.tests or SMALL
        counts["passed" if run_in(kernel, binary, options.option, tests, options.logs) else "failed"] += 1
    print("%(passed)d kernels passed, %(failed)d failed, %(skipped)d skipped" % counts)
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
