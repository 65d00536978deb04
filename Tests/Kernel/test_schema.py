# SPDX-License-Identifier: MIT
"""The JSON Schema against what tailrace writes: nothing that it does not describe, nothing in it that never comes."""
import json
import os
import signal
import tempfile
import time

from daemon import Daemon
from go_servers import CensusWatch, GoServer, build, census, disconnect, releases, reset
from load_client import Connection
from schema import Coverage, load, validator
from servers import Client, Server, TruthServer, wait_acknowledged
from tracer import ROOT, Report, Tracer, require_tailrace, run_to_end
from test_completeness import drive_mixed

# Of this version; the other types of the schema come from commands that do not exist yet.
WRITTEN = ("meta", "response", "flush", "sample", "finding", "loss", "end", "report", "census")
# Nothing in this version knows these, or nothing on this machine.
# Of a server in a container, wherever it is told: test_containers.
OF_CONTAINERS = "server.container"
NEVER_KNOWN = ("meta.unavailable.driver", "report.unavailable.driver",
               "report.processes[].task_trend")
# Only of a server that is saturated.
OF_KNEES = tuple("report.processes[].correlations[]." + name for name in (
    "knee_tasks", "latency_to_knee_ns", "latency_beyond_ns"))
# Go 1.19 does not keep who created a goroutine.
NULL_OF_OLD_GO = () if (ROOT / ".build" / "go-versions").exists() else ("response.left_behind",)
# Only with function hooks, which a kernel may refuse: the tests in virtual machines have them.
OF_FUNCTION_HOOKS = "report.functions"
# Only where a recording was read, and of those only where it has gaps.
RECORDINGS = ("end.recording", "report.recording")
OF_RECORDINGS = RECORDINGS + tuple(name + ".gaps" for name in RECORDINGS)
# Of a recording that is whole.
NULL_OF_RECORDINGS = tuple(name + key for name in RECORDINGS for key in (
    ".cut_at_bytes", ".first_damage_at_bytes", ".gaps[].records"))


def everything(server):
    """Traffic that fills every name: many flushes, gaps, a slow reader, a stalled one, resets, errors, findings."""
    stalled = Connection("127.0.0.1", server.port).open()
    stalled.send("/length/1x9000000")
    time.sleep(3)
    stalled.close()
    time.sleep(4.5)  # three looks without it: the finding closes
    drive_mixed(server.port, 500, 10)
    connection = Connection("127.0.0.1", server.port)
    connection.request("/sse/150x200/gap=1")
    connection.request("/chunked/150x300")
    connection.request("/length/120x4096")
    connection.close()
    gone = Connection("127.0.0.1", server.port).open()
    gone.send("/sse/500x200/gap=10")
    gone.read_head()
    gone.reset()
    with Client("slow_reader.py", "--port", server.port, "--target", "/length/300x4096", "--rate", 800_000) as client:
        client.results()
    wait_acknowledged(server.port)
    stalled = Connection("127.0.0.1", server.port).open()
    stalled.send("/length/1x9000000")
    stalled.read_head()
    time.sleep(4)
    return stalled


def trace_objects():
    with TruthServer("--sndbuf", 65536) as server, Tracer(server.port, "--flushes") as tracer:
        stalled = everything(server)
        report = tracer.stop()
        stalled.close()
    return report.objects


def lossy_objects():
    """A tracer that sleeps while a small ring overflows tells a loss once it wakes, and sums up at the end."""
    with TruthServer() as server, Tracer(server.port, "--ring", "4KiB") as tracer:
        tracer.process.send_signal(signal.SIGSTOP)
        drive_mixed(server.port, 300, 10)
        tracer.process.send_signal(signal.SIGCONT)
        time.sleep(2.5)  # a loss is looked for once a second
        code = tracer.end()
        report = Report(tracer.output(), tracer.errors(), code)
    assert report.of_type("loss"), "the ring did not overflow"
    return report.objects


def recorded_objects():
    """A recording, exported, and reported of."""
    with tempfile.TemporaryDirectory(prefix="tailrace-test-") as directory:
        path = os.path.join(directory, "run.trc")
        with TruthServer("--sndbuf", 65536) as server:
            with Tracer(server.port, "-o", path, command="record", json_lines=False) as tracer:
                stalled = everything(server)
                code = tracer.end()
                stalled.close()
                assert code == 0, "exit code %d: %s" % (code, tracer.errors()[-500:])
        exported, report = run_to_end("export", path, "--flushes"), run_to_end("report", path, "--format", "json")
    return lines_of(exported, report)


def lines_of(exported, report):
    for done in (exported, report):
        assert done.returncode == 0, done.stderr
    assert report.stdout.count(b"\n") == 1, "%d lines" % report.stdout.count(b"\n")
    return [json.loads(line) for line in (exported.stdout + report.stdout).splitlines()]


def flight_objects():
    """A flight recording of two daemons, and of a time in which there was none."""
    with TruthServer() as server, tempfile.TemporaryDirectory(prefix="tailrace-flight-") as flight:
        for _ in range(2):
            with Daemon(server.port, settings=("flight-directory = " + flight,)) as daemon:
                with Tracer(server.port, "--socket", daemon.socket) as tracer:
                    drive_mixed(server.port, 10)
                    told = tracer.stop().objects
                daemon.end()
            time.sleep(1)
        return told + lines_of(run_to_end("export", flight), run_to_end("report", flight, "--format", "json"))


def changed_objects():
    """A report of a server that answers later from the middle of the run on."""
    with Server("faulty_server.py") as server, tempfile.TemporaryDirectory(prefix="tailrace-test-") as directory:
        path = os.path.join(directory, "run.trc")
        with Tracer(server.port, "-o", path, command="record", json_lines=False) as tracer:
            for wait in (20, 90):
                with Client("crowd_client.py", "--port", server.port, "--target", "/wait/ms=%d" % wait, "--clients", 2,
                            "--seconds", 9) as client:
                    client.results()
            code = tracer.end()
            assert code == 0, "exit code %d: %s" % (code, tracer.errors()[-500:])
        report = json.loads(run_to_end("report", path, "--format", "json").stdout)
    changes = [change for process in report["processes"] for change in process["habit_changes"]]
    assert [change["habit"] for change in changes] == ["latency"] and 3 < changes[0]["factor"] < 6, changes
    return [report]


def go_objects():
    """Of a server whose tasks are told, with clients that go while it serves them."""
    with GoServer(build(releases()[-1])) as server, Tracer(server.port) as tracer:
        stream = server.open("/producer")
        stream.recv(1)
        reset(stream)
        time.sleep(3)
        return tracer.stop().objects


def census_objects():
    """Of a Go program with goroutines that collections have met while they waited, and of one that is none."""
    with GoServer(build(releases()[0])) as server:
        server.ask("/spawn?n=10")
        server.settled()
        for _ in range(2):  # the first one notes the begin of one before it
            server.ask("/gc")
        told = [census(server.pid)[0], census(os.getpid())[0]]
    with GoServer(build(releases()[-1])) as server, CensusWatch(server.pid) as watch:
        disconnect(server, "/producer", reset, 1)
        told.append(watch.until(lambda told: any(group["left_behind_by"] for group in told["groups"])))
    return told


def test_real_output_is_what_the_schema_says():
    require_tailrace()
    schema = load()
    checker, coverage = validator(schema), Coverage(schema)
    objects = (trace_objects() + lossy_objects() + recorded_objects() + flight_objects() + census_objects() + go_objects()
               + changed_objects())
    for item in objects:
        errors = ["%s: %s" % ("/".join(map(str, error.absolute_path)), error.message) for error in checker.iter_errors(item)]
        assert not errors, "a %s is not valid: %s" % (item["type"], errors[:3])
        coverage.take(item)
    assert not coverage.undescribed, "the schema has no %s" % sorted(coverage.undescribed)
    for kind in WRITTEN:
        for name, is_required in coverage.names_of(kind):
            assert is_required or name in OF_RECORDINGS, "%s is always there, and not required" % name
            if name.startswith((OF_FUNCTION_HOOKS, *(never + "." for never in NEVER_KNOWN))):
                continue
            if OF_CONTAINERS + "." in name:
                continue
            assert coverage.seen[name], "no output has %s" % name
            nullable = NEVER_KNOWN + NULL_OF_RECORDINGS + OF_KNEES + NULL_OF_OLD_GO
            assert coverage.known[name] or name in nullable or name.endswith(OF_CONTAINERS), "%s is always null" % name
    return "%d objects, %d names" % (len(objects), len(coverage.seen))


# Thousands of objects, each held against the whole schema by a checker in Python.
test_real_output_is_what_the_schema_says.limit_s = 400


def test_the_schema_refuses_what_is_wrong_and_lets_new_names_pass():
    """A schema that allowed everything would pass the test above."""
    schema = load()
    checker = validator(schema)
    item = {"v": 1, "type": "flush", "response": "1-1", "at": "2026-11-23T09:59:25.318000001Z", "bytes": 10, "writes": 1,
            "delivery_ns": {"send": 1, "queue": None, "qdisc": 1, "driver": None, "network": None, "total": None},
            "queued_bytes": 1, "unsent_bytes": 0}
    assert checker.is_valid(item)
    assert checker.is_valid(dict(item, news={"a": 1})), "a new name is refused"
    assert checker.is_valid({"v": 1, "type": "news", "a": 1}), "a new type is refused"
    for name in item:
        assert not checker.is_valid({key: value for key, value in item.items() if key != name}), name + " may be missing"
    for name, value in (("v", 2), ("at", "2026-11-23 09:59:25"), ("bytes", -1), ("bytes", 1.5), ("bytes", None),
                        ("writes", 0), ("delivery_ns", {}), ("response", None)):
        assert not checker.is_valid(dict(item, **{name: value})), "%s: %r is let pass" % (name, value)
    for kind in ("sample", "finding", "census"):
        assert not checker.is_valid({"v": 1, "type": kind}), "an empty %s is let pass" % kind
