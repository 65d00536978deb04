# SPDX-License-Identifier: MIT
"""Findings on the command line: --fail-on, thresholds, and what is wrong usage."""
import json
import os
import subprocess
import tempfile
import time

from slow_reader import connect
from load_client import Connection
from servers import Server, TruthServer
from tracer import Recorder, Tracer, require_tailrace, run_to_end

WRONG_USAGE, FOUND = 64, 3


def recorded_stall(path):
    """A recording with one client that asks for 20 MB and reads nothing for four seconds."""
    with TruthServer("--sndbuf", 65536) as server:
        with Tracer(server.port, "-o", path, command="record", json_lines=False) as tracer:
            connection = connect("127.0.0.1", server.port, 16384)
            connection.sendall(b"GET /length/1x20000000 HTTP/1.1\r\nHost: scenario\r\n\r\n")
            time.sleep(4)
            code = tracer.end()
            remote = "%s:%d" % connection.getsockname()[:2]
            connection.close()
    assert code == 0, "exit code %d" % code
    return remote


def report(path, *options):
    return run_to_end("report", path, *options)


def test_fail_on_ends_with_three_only_for_what_was_found():
    require_tailrace()
    with tempfile.TemporaryDirectory(prefix="tailrace-test-") as directory:
        path = os.path.join(directory, "run.trc")
        remote = recorded_stall(path)
        plain = report(path, "--format", "json")
        findings = {item["anomaly"]: item for item in json.loads(plain.stdout)["findings"]}
        assert plain.returncode == 0, plain.stderr
        assert {"slow-consumer", "blocked-writers"} <= set(findings), sorted(findings)
        assert findings["slow-consumer"]["connection"]["remote"] == remote, findings["slow-consumer"]
        for names, code in (("slow-consumer", FOUND), ("task-leak,slow-consumer", FOUND), ("any", FOUND),
                            ("task-leak", 0), ("task-leak,qdisc-pressure", 0), ("slow-consummer", WRONG_USAGE), ("", WRONG_USAGE)):
            done = report(path, "--fail-on", names)
            assert done.returncode == code, "--fail-on %r: exit code %d, %s" % (names, done.returncode, done.stderr)
            # The report itself is there whatever it finds.
            assert (b"FINDINGS" in done.stdout) == (code != WRONG_USAGE), done.stdout[:300]
        text = report(path).stdout.decode()
        assert findings["slow-consumer"]["summary"].split(";")[0] in " ".join(text.split()), text


def test_thresholds_decide_what_is_found():
    require_tailrace()
    with tempfile.TemporaryDirectory(prefix="tailrace-test-") as directory:
        path = os.path.join(directory, "run.trc")
        recorded_stall(path)
        high = ("--threshold", "slow-consumer.age=1h")
        assert report(path, "--fail-on", "slow-consumer", *high).returncode == 0
        limits = os.path.join(directory, "limits")
        with open(limits, "w") as file:
            file.write("# of this server\nslow-consumer.age = 1h\n\nblocked-writers.age=1h # too\n")
        done = report(path, "--fail-on", "slow-consumer,blocked-writers", "--thresholds", limits)
        assert done.returncode == 0, done.stderr
        done = report(path, "--fail-on", "slow-consumer", "--thresholds", limits, "--threshold", "slow-consumer.age=500ms")
        assert done.returncode == FOUND, "a flag does not override the file"
        for wrong in ("slow-consumer.age", "slow-consumer.age=1", "slow-consumer.ages=1s", "nothing.age=1s"):
            done = report(path, "--threshold", wrong)
            assert done.returncode == WRONG_USAGE and wrong.encode() in done.stderr, done.stderr
        with open(limits, "a") as file:
            file.write("nonsense\n")
        done = report(path, "--thresholds", limits)
        assert done.returncode == WRONG_USAGE and b"line 5" in done.stderr, done.stderr
        again = [report(path, "--format", "json").stdout for _ in range(2)]
        assert again[0] == again[1], "the same recording gives two reports"


def test_live_and_replayed_the_same_is_found():
    """Two that watch the same server: one tells at once, one records, and what the recording says is told later. A client that
    reads nothing; and one that leaves with RST while its handler waits: found until the handler ends, and listed by nobody."""
    with Server("faulty_server.py", "--sndbuf", 65536) as server:
        with Tracer(server.port) as live, Recorder(server.port) as recorder:
            stalled = connect("127.0.0.1", server.port, 16384)
            stalled.sendall(b"GET /body/count=200/size=65536 HTTP/1.1\r\nHost: scenario\r\n\r\n")
            left = Connection("127.0.0.1", server.port).open()
            left.send("/wait/ms=5000")
            time.sleep(0.5)
            gone = "%s:%d" % tuple(left.local[:2])
            left.reset()
            time.sleep(1)
            listed = subprocess.run(["ss", "-tnaHO", "sport", "=", ":%d" % server.port], capture_output=True, text=True).stdout
            time.sleep(8)
            stalled_peer = "%s:%d" % stalled.getsockname()[:2]
            stalled.close()
            told, replayed = live.stop(), recorder.stop()
    assert stalled_peer in listed and gone not in listed, listed
    found = [{(item["anomaly"], item["state"], item["connection"]["remote"]) for item in report.of_type("finding")
              if item["state"] != "updated"} for report in (told, replayed)]
    opened, closed = ("orphaned-tasks", "opened", gone), ("orphaned-tasks", "closed", gone)
    assert found[0] == found[1], "live %s, replayed %s" % tuple(map(sorted, found))
    assert {opened, closed, ("slow-consumer", "opened", stalled_peer)} <= found[0], sorted(found[0])
    return ", ".join("%s %s" % item[:2] for item in sorted(found[0]))


def test_a_perfetto_trace_holds_each_response_with_its_stages():
    """Against the NDJSON of the same recording: every slice of a stage lies in its response, and they fill it to the ns."""
    require_tailrace()
    with tempfile.TemporaryDirectory(prefix="tailrace-test-") as directory:
        path = os.path.join(directory, "run.trc")
        remote = recorded_stall(path)
        drawn, told = run_to_end("export", path, "--format", "perfetto"), run_to_end("export", path)
    assert drawn.returncode == 0, drawn.stderr
    trace = json.loads(drawn.stdout)
    responses = [item for item in map(json.loads, told.stdout.splitlines()) if item["type"] == "response"]
    findings = [item for item in map(json.loads, told.stdout.splitlines()) if item["type"] == "finding"]
    slices = [item for item in trace["traceEvents"] if item["ph"] == "X"]
    names = {item["args"]["name"] for item in trace["traceEvents"] if item["ph"] == "M" and item["name"] == "thread_name"}
    assert remote in names, names
    for response in responses:
        whole = [item for item in slices if item.get("args", {}).get("id") == response["id"]]
        assert len(whole) == 1 and nanoseconds_of(whole[0]["dur"]) == response["duration_ns"], whole
        begin, end = nanoseconds_of(whole[0]["ts"]), nanoseconds_of(whole[0]["ts"]) + response["duration_ns"]
        inside = [item for item in slices if item["tid"] == whole[0]["tid"] and item["name"] in response["timeline_ns"]]
        for item in inside:
            assert nanoseconds_of(item["dur"]) == response["timeline_ns"][item["name"]], item
            assert begin <= nanoseconds_of(item["ts"]) <= end, item
        assert sum(nanoseconds_of(item["dur"]) for item in inside) == response["duration_ns"], response["id"]
    opened = {item["anomaly"] for item in findings if item["state"] == "opened"}
    assert opened == {item["name"] for item in trace["traceEvents"] if item["ph"] == "i"} and opened, opened
    counted = [item for item in trace["traceEvents"] if item["ph"] == "C" and item["name"] == "unsent bytes"]
    assert max(item["args"]["value"] for item in counted) > 100_000, counted
    return "%d events" % len(trace["traceEvents"])


def nanoseconds_of(microseconds):
    return round(microseconds * 1000)
