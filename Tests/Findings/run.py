# SPDX-License-Identifier: MIT
"""
The scenario suite: real servers and clients with one planted fault or none, and what tailrace finds of it.

    run.py [--short] [NAME...]   only scenarios whose name contains one of the NAMEs; --short: only a few, each anomaly once

Prints a table, then recall (planted faults that were found in time), precision (findings above a notice that belong to the
fault), and how often cause and culprit were right. Each scenario is recorded and analysed twice: the two must be the same.
"""
import os
import pathlib
import signal
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Kernel"), str(HERE.parent / "Scenarios")]


class Verdict:
    def __init__(self):
        self.found, self.missed, self.wrong, self.causes, self.late = [], [], [], [], []
        self.notes = []

    @property
    def is_right(self):
        return not (self.missed or self.wrong or self.notes or [right for right in self.causes if not right])


def fits(wanted, value):
    return wanted(value) if callable(wanted) else value == wanted


def judge(scene, expected, known):
    """Holds the findings against what was planted."""
    verdict = Verdict()
    opened = [entry for entry in scene.opened() if entry["last"]["severity"] != "notice"]
    if scene.report.output != scene.again.output:
        verdict.notes.append("the second analysis differs")
    for anomaly, evidence in expected.must.items():
        entries = [entry for entry in opened if entry["anomaly"] == anomaly]
        if not entries:
            verdict.missed.append(anomaly)
            continue
        seconds = (entries[0]["at"] - scene.planted_ns) / 1e9
        if seconds > expected.within_s:
            verdict.missed.append("%s (after %.1f s)" % (anomaly, seconds))
        verdict.found.append((anomaly, seconds))
        check_evidence(verdict, anomaly, entries, {**evidence, **(known or {}).get(anomaly, {})})
        if seconds < -1.5:
            verdict.notes.append("%s %.1f s before the fault" % (anomaly, -seconds))
        servers = [entry["last"]["server"]["pid"] for entry in entries]
        times = max(servers.count(pid) for pid in servers)
        if times > 1:
            verdict.notes.append("%s opened %d times" % (anomaly, times))
    allowed = set(expected.must) | expected.may
    verdict.wrong = ["%s: %s" % (entry["anomaly"], entry["last"]["summary"]) for entry in opened
                     if entry["anomaly"] not in allowed]
    verdict.belong = len(opened) - len(verdict.wrong)
    return verdict


def check_evidence(verdict, anomaly, entries, wanted):
    """Right if any telling of it said so: more clients may join a fault after it was found."""
    for name, value in wanted.items():
        told = [entry[when]["evidence"].get(name) for entry in entries for when in ("first", "last")]
        right = any(fits(value, item) for item in told if item is not None)
        verdict.causes.append(right)
        if not right:
            verdict.notes.append("%s says %s=%s" % (anomaly, name, told))


def run_one(function):
    from scenario import Scene

    def expired(*_):
        raise AssertionError("no end after %d s" % function.limit_s)

    signal.signal(signal.SIGALRM, expired)
    signal.alarm(function.limit_s)
    try:
        scene = Scene()
        known = function(scene)
        return judge(scene, function.expected, known)
    finally:
        signal.alarm(0)


def line(name, function, verdict, seconds):
    expected = ", ".join(function.expected.must) or "nothing"
    found = ", ".join("%s %.1f s" % item for item in verdict.found) or "nothing"
    print("%-4s %-56s %-34s %-44s (%.0f s)" % ("ok" if verdict.is_right else "FAIL", name, expected, found, seconds), flush=True)
    for note in ["missed " + item for item in verdict.missed] + ["must not be there: " + item for item in verdict.wrong] + \
            verdict.notes:
        print("       " + note[:600], flush=True)


def is_wanted(function, is_short, names):
    from scenario import LIMIT_S

    if names:
        return any(wanted in function.__name__ for wanted in names)
    return function.is_short if is_short else function.limit_s == LIMIT_S


def main():
    from tracer import Skip
    import healthy, paths, peers, servers_at_fault, tasks  # noqa: E401, each adds its scenarios
    from scenario import ALL

    del healthy, paths, peers, servers_at_fault, tasks
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    is_short, names = "--short" in sys.argv[1:], [name for name in sys.argv[1:] if name != "--short"]
    verdicts, skipped, broken = [], 0, 0
    print("%-4s %-56s %-34s %s" % ("", "SCENARIO", "MUST BE FOUND", "FOUND, AFTER"))
    for function in ALL:
        name = function.__name__.replace("_", " ")
        if not is_wanted(function, is_short, names):
            continue
        start = time.monotonic()
        try:
            verdict = run_one(function)
        except Skip as reason:
            skipped += 1
            print("SKIP %s: %s" % (name, reason), flush=True)
            continue
        except Exception as error:  # the rig's own failures are told, and the others still run
            broken += 1
            print("FAIL %s: %s: %s" % (name, type(error).__name__, error), flush=True)
            continue
        line(name, function, verdict, time.monotonic() - start)
        verdicts.append((function, verdict))
    return summary(verdicts, skipped, broken)


def summary(verdicts, skipped, broken):
    planted = sum(len(function.expected.must) for function, _ in verdicts)
    missed = sum(len(verdict.missed) for _, verdict in verdicts)
    wrong = sum(len(verdict.wrong) for _, verdict in verdicts)
    belong = sum(verdict.belong for _, verdict in verdicts)
    causes = [right for _, verdict in verdicts for right in verdict.causes]
    times = sorted(seconds for _, verdict in verdicts for _, seconds in verdict.found)
    healthy = [verdict for function, verdict in verdicts if not function.expected.must]
    print("\n%d scenarios, %d with a fault; %d skipped, %d broken" % (
        len(verdicts), len(verdicts) - len(healthy), skipped, broken))
    if planted:
        print("recall %d of %d; precision %d of %d findings; evidence right %d of %d" % (
            planted - missed, planted, belong, belong + wrong, sum(causes), len(causes)))
    if times:
        print("seconds to detect: median %.1f, longest %.1f" % (times[len(times) // 2], times[-1]))
    print("healthy load: %d findings above a notice in %d scenarios" % (
        sum(len(verdict.wrong) for verdict in healthy), len(healthy)))
    failed = broken + sum(not verdict.is_right for _, verdict in verdicts)
    if os.environ.get("REQUIRE_KERNEL") == "1":
        failed += skipped
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
