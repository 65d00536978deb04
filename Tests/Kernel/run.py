# SPDX-License-Identifier: MIT
"""
Runs the kernel tests: every function test_* of every module test_*.py beside this file, in their order.

    run.py [NAME...]     only tests whose name contains one of the NAMEs

A test that cannot run here raises Skip with the reason. With REQUIRE_KERNEL=1 in the environment that is a failure: a run
that skipped is not green. One that fails is run once more, because the machine may be shared; both runs are shown, and how many tests
needed it is counted.
"""
import importlib
import os
import pathlib
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True  # the tests leave nothing in the tree
HERE = pathlib.Path(__file__).resolve().parent
# Those of vm/ need a stock kernel: vm/run.py boots one.
DIRECTORIES = [HERE, HERE / "vm"] if "TAILRACE_VM" in os.environ else [HERE]
sys.path[:0] = [*map(str, DIRECTORIES), str(HERE.parent / "Scenarios")]

DEFAULT_LIMIT_S = 120
LONGEST_NOTE = 800
ATTEMPTS = 3  # of a test whose rig was not steady


class TookTooLong(BaseException):
    """Not an Exception: no handler of a test may swallow it."""


def discover(filters):
    for path in [path for directory in DIRECTORIES for path in sorted(directory.glob("test_*.py"))]:
        module = importlib.import_module(path.stem)
        assert pathlib.Path(module.__file__) == path, "%s has the name of %s, which is run instead" % (path, module.__file__)
        for name, function in list(vars(module).items()):
            if not name.startswith("test_") or not callable(function) or function.__module__ != path.stem:
                continue
            full = "%s.%s" % (path.stem[len("test_"):], name[len("test_"):])
            if not filters or any(wanted in full for wanted in filters):
                yield full, function


def run_one(function):
    """(outcome, what to say about it, where it failed)"""
    from tracer import Skip, Unsteady

    limit = getattr(function, "limit_s", DEFAULT_LIMIT_S)

    def expired(*_):
        raise TookTooLong("no end after %d s" % limit)

    signal.signal(signal.SIGALRM, expired)
    signal.alarm(limit)
    try:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                note = function() or ""
                return "ok", note + (" (attempt %d: %s)" % (attempt, unsteady) if attempt > 1 else ""), ""
            except Unsteady as reason:
                unsteady = str(reason)
        return "FAIL", "the rig was not steady in any of %d attempts: %s" % (ATTEMPTS, unsteady), ""
    except Skip as reason:
        return "SKIP", str(reason), ""
    except (AssertionError, TookTooLong) as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = str(error) or where.line
        return "FAIL", text, "    at %s:%d" % (os.path.basename(where.filename), where.lineno)
    except Exception as error:
        return "FAIL", "%s: %s" % (type(error).__name__, error), traceback.format_exc()
    finally:
        signal.alarm(0)


def main():
    import verdicts

    # A terminated run unwinds like an interrupted one: servers end, namespaces go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    counts = {"ok": 0, "FAIL": 0, "SKIP": 0}
    repeated = 0
    strict = os.environ.get("REQUIRE_KERNEL") == "1"
    for name, function in discover(sys.argv[1:]):
        start = time.monotonic()
        outcome, note, details = run_one(function)
        if outcome == "FAIL":
            print("AGAIN %s: %s\n%s" % (name, note[:LONGEST_NOTE].replace("\n", " "), details.rstrip()), flush=True)
            outcome, note, details = run_one(function)
            repeated += outcome == "ok"
        if outcome == "SKIP" and strict:
            outcome, note = "FAIL", "skipped, and REQUIRE_KERNEL=1: " + note
        counts[outcome] += 1
        verdicts.tell(test=name, outcome=outcome, note=note[:LONGEST_NOTE])
        line = "%-4s %s (%.1f s)" % (outcome, name, time.monotonic() - start)
        print(line + (": " + note[:LONGEST_NOTE].replace("\n", " ") if note else ""), flush=True)
        if details:
            print(details.rstrip(), flush=True)
    if repeated:
        print("%d of them passed only when run again" % repeated)
    print("%d passed, %d failed, %d skipped" % (counts["ok"], counts["FAIL"], counts["SKIP"]))
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
