# SPDX-License-Identifier: MIT
"""
Boots stock Debian kernels in QEMU and runs kernel tests in each, as root: what the host's kernel refuses or lacks is tested there.

    run.py [-k KERNEL]... [-g GUEST]... [--option=OPTION]... [--write-table] [NAME...]

KERNEL: a name of kernels.TABLE; none: all. NAME: as for Tests/Kernel/run.py, `all` for every test; none: those of guests.py.
OPTION: given to every live run of the tests, as `--option=--backend --option=tracepoint`. TAILRACE: the binary, built with
--static-swift-stdlib. Without QEMU nothing is tested, and that is said; with REQUIRE_KERNEL=1 it is a failure.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import sys
import tempfile

import guests
import image
import kernels
import machine
import table

LIMIT_S = int(os.environ.get("TAILRACE_VM_LIMIT", 900))
SHOWN = ("guest:", "ok ", "FAIL", "SKIP", "    ")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", "--kernel", action="append", choices=[row.name for row in kernels.TABLE])
    parser.add_argument("-g", "--guest", action="append", help="only these of a kernel's guests, by name")
    parser.add_argument("--option", action="append", default=[])
    parser.add_argument("--logs", default=str(image.ROOT / ".build" / "vm"))
    parser.add_argument("--write-table", action="store_true", help="write README's table anew instead of comparing it")
    parser.add_argument("tests", nargs="*")
    return parser.parse_args(arguments)


class Verdicts:
    """What all guests told."""

    def __init__(self):
        self.counts = {"ok": 0, "FAIL": 0, "SKIP": 0, "optional": 0}
        self.ran, self.skipped = set(), {}
        self.rows = {}

    def count(self, outcome, text):
        self.counts[outcome] += 1
        print("%-4s %s" % (outcome, text), flush=True)

    def fail(self, kernel, text):
        """An optional kernel moves on by itself: what fails there is told, counted apart, and stops nobody."""
        is_required = any(row.name == kernel.name and row.is_required for row in kernels.TABLE)
        self.count("FAIL" if is_required else "optional", text if is_required else text + " (an optional kernel)")

    def take(self, kernel, told):
        for line in told:
            fields = json.loads(line)
            if "test" not in fields:
                self.rows.setdefault(kernel.name, []).append(fields)
                continue
            if fields["outcome"] == "FAIL":
                self.fail(kernel, "%s: %s" % (kernel.name, fields["test"]))
            else:
                self.counts[fields["outcome"]] += 1
            if fields["outcome"] == "SKIP":
                self.skipped.setdefault(fields["test"], fields["note"])
            else:
                self.ran.add(fields["test"])

    def never_ran(self):
        """Tests that were skipped wherever they were to run, and why."""
        return sorted((name, why) for name, why in self.skipped.items() if name not in self.ran)


class Guests:
    """Boots them, one after the other: their tests want the machine's processors. Runs that must tell the same go together."""

    def __init__(self, binary, options, logs, scratch, verdicts):
        self.logs, self.scratch, self.verdicts, self.options = pathlib.Path(logs), pathlib.Path(scratch), verdicts, options
        self.base = self.scratch / "base"
        with open(self.base, "wb") as archive:
            image.base(self.scratch / "root", binary).write(archive)
        shutil.rmtree(self.scratch / "root")

    def archive(self, kernel, guest):
        path, part = self.scratch / "archive", self.scratch / "part"
        shutil.copyfile(self.base, path)
        own = image.Image(part)
        image.add_modules(own, kernel)
        environment = {"TAILRACE": "/tailrace/bin/tailrace", "TAILRACE_NATIVE": "/tailrace/native", "TAILRACE_VM": kernel.name,
                       "TAILRACE_OPTIONS": " ".join(self.options), "TAILRACE_VERDICTS": "/dev/ttyS1", **guest.environment}
        image.add_environment(own, environment, [] if guest.tests == ["all"] else guest.tests)
        with open(path, "ab") as archive:
            own.write(archive)
        shutil.rmtree(part)
        return path

    def run(self, kernel, guest):
        archive = self.archive(kernel, guest)
        name = "%s-%s" % (kernel.name, guest.name)
        names = [name] if guest.runs == 1 else ["%s-%d" % (name, number + 1) for number in range(guest.runs)]

        def boot(name, is_again=False):
            end = machine.boot(kernel, archive, self.log(name), self.told(name), LIMIT_S, guest.arguments, guest.is_deterministic,
                               guest.processors)
            if end[0] is not None or is_again or end[1] > LIMIT_S:
                return end
            # Seen once: a processor ran over an instruction that another one was rewriting, which the emulator allows.
            print("NOTE %s died, and is booted once more: %s" % (name, " ".join(machine.lines_of(self.log(name))[-3:])), flush=True)
            return boot(name, is_again=True)

        with concurrent.futures.ThreadPoolExecutor(guest.runs) as pool:  # their time is their own
            ends = list(pool.map(boot, names))
        for run_name, (status, seconds) in zip(names, ends):
            self.settle(kernel, run_name, status)
            print("---- %s (Linux %s, %.0f s)" % (run_name, kernel.version, seconds), flush=True)
        if guest.runs > 1:
            self.compare(kernel, name, [machine.lines_of(self.told(run_name)) for run_name in names])

    def log(self, name):
        return self.logs / (name + ".log")

    def told(self, name):
        return self.logs / (name + ".json")

    def settle(self, kernel, name, status):
        """Shows what a guest said, and counts it."""
        told, lines = machine.lines_of(self.told(name)), machine.lines_of(self.log(name))
        self.verdicts.take(kernel, told)
        for line in lines[-40:] if status is None else [line for line in lines if line.startswith(SHOWN)]:
            print("    " + line)
        if status is None or (status and not any('"FAIL"' in line for line in told)):
            self.verdicts.fail(kernel, "%s: it did not come to an end; its console is %s" % (name, self.log(name)))

    def compare(self, kernel, name, told):
        """Every byte that the tests told is the same."""
        size = sum(map(len, told[0]))
        if all(one == told[0] for one in told) and size:
            self.verdicts.count("ok", "%s: %d runs told the same %d bytes" % (name, len(told), size))
            return
        first = next((pair for pair in zip(*told) if len(set(pair)) > 1), ("%d lines" % len(one) for one in told))
        self.verdicts.fail(kernel, "%s: the runs differ: %s" % (name, " | ".join(line[:300] for line in first)))


def fetch(row, is_strict, verdicts):
    """The kernel; None: it is not to be had, and said so."""
    try:
        return kernels.fetch(row)
    except (kernels.Unavailable, OSError) as reason:
        verdicts.count("FAIL" if row.is_required and is_strict else "SKIP", "kernel %s: %s" % (row.name, reason))
        return None


def run_all(options, is_strict, verdicts):
    rows = [row for row in kernels.TABLE if not options.kernel or row.name in options.kernel]
    binary = os.environ.get("TAILRACE", str(image.ROOT / ".build" / "release" / "tailrace"))
    pathlib.Path(options.logs).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tailrace-vm-") as scratch:
        booted = Guests(binary, options.option, options.logs, scratch, verdicts)
        found = [(row, fetch(row, is_strict, verdicts)) for row in rows]
        for row, kernel in found:
            for guest in guests.guests(row.name, options.tests) if kernel else ():
                if not options.guest or guest.name in options.guest:
                    booted.run(kernel, guest)
    whole = not (options.tests or options.kernel or options.guest or options.option)
    if whole and all(kernel for _, kernel in found):
        for name, why in verdicts.never_ran():
            verdicts.count("FAIL" if is_strict else "SKIP", "%s ran on no kernel: %s" % (name, why))
    if whole or options.write_table:
        table.settle({row.name: kernel for row, kernel in found if kernel}, verdicts, options.write_table)


def main():
    options = parse(sys.argv[1:])
    is_strict = os.environ.get("REQUIRE_KERNEL") == "1"
    verdicts = Verdicts()
    missing = machine.missing_packages()
    if missing:
        verdicts.count("FAIL" if is_strict else "SKIP", "no guests: missing packages; run: sudo apt-get install -y "
                       "--no-install-recommends " + " ".join(missing))
    else:
        run_all(options, is_strict, verdicts)
    if verdicts.counts["optional"]:
        print("%(optional)d failed on optional kernels" % verdicts.counts)
    print("%(ok)d passed, %(FAIL)d failed, %(SKIP)d skipped" % verdicts.counts)
    return 1 if verdicts.counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
