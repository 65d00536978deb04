# SPDX-License-Identifier: MIT
"""A report of a recording against a plain computation over every response and flush of the same recording."""
import collections
import json
import os
import tempfile

from load_client import Connection
from servers import Client, TruthServer, wait_acknowledged
from test_completeness import drive_mixed
from tracer import CAUSES, STAGES, Tracer, begin_ns, nanoseconds, require_tailrace, run_to_end
from truth import percentile

BUCKET = 1 / 16  # a histogram's value is at most that far from the true one
SHARES = (("p50", 50, 1), ("p90", 90, 10), ("p99", 99, 100))


class Recording:
    """A run with plain and streaming, fast and slow responses in a file."""

    def __init__(self, directory, leaves_one_open=True):
        self.path = os.path.join(directory, "run.trc")
        with TruthServer() as server, Tracer(server.port, "-o", self.path, command="record", json_lines=False) as tracer:
            drive_mixed(server.port, 600, 12)
            with Client("slow_reader.py", "--port", server.port, "--target", "/length/100x8192", "--rate", 700_000) as client:
                client.results()
            wait_acknowledged(server.port)
            open_one = Connection("127.0.0.1", server.port)
            if leaves_one_open:
                open_one.send("/length/1x9000000")
                open_one.read_head()
            code = tracer.end()
            open_one.close()
            assert code == 0, "exit code %d: %s" % (code, tracer.errors()[-500:])

    def run(self, *arguments):
        done = run_to_end(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def report(self):
        return json.loads(self.run("report", self.path, "--format", "json"))

    def objects(self):
        return [json.loads(line) for line in self.run("export", self.path, "--flushes").splitlines()]


def check(told, values, what):
    """`told`: count, mean and percentiles of `values`."""
    assert told["count"] == len(values), "%s: %d values told, there are %d" % (what, told["count"], len(values))
    if not values:
        assert told["mean"] is told["p50"] is told["max"] is None, told
        return
    assert told["mean"] == sum(values) // len(values), "%s: mean %d, not %d" % (what, told["mean"], sum(values) // len(values))
    assert told["max"] == max(values), "%s: max %d, not %d" % (what, told["max"], max(values))
    for name, share, least in SHARES:
        if len(values) < least:
            assert told[name] is None, "%s: %s of %d values" % (what, name, len(values))
            continue
        exact = percentile(values, share)
        assert abs(told[name] - exact) <= exact * BUCKET + 1, "%s: %s told %d, it is %d" % (what, name, told[name], exact)


def check_timeline(timeline, responses, what):
    durations = [response["duration_ns"] for response in responses]
    check(timeline["duration_ns"], durations, what)
    slowest = sorted(responses, key=lambda response: -response["duration_ns"])[:-(-len(responses) // 100)]
    slow = timeline["slow"]
    assert (slow["count"], slow["shortest_ns"]) == (len(slowest), slowest[-1]["duration_ns"]), slow
    for stage in STAGES:
        values = [response["timeline_ns"][stage] for response in responses]
        check(timeline["stages"][stage]["time_ns"], [value for value in values if value is not None], what + " " + stage)
        share = sum(value or 0 for value in values) / sum(durations)
        assert abs((timeline["stages"][stage]["share"] or 0) - share) < 0.0001, (what, stage, share)
        mean = sum((response["timeline_ns"][stage] or 0) / response["duration_ns"] for response in slowest) / len(slowest)
        assert abs((slow["share"][stage] or 0) - mean) < 0.0001, "%s %s: told %f, it is %f" % (
            what, stage, slow["share"][stage], mean)
    for cause in CAUSES:
        assert timeline["cause_ns"][cause] == sum(response["cause_ns"][cause] for response in responses), (what, cause)


def check_flushes(delivery, flushes):
    """A flush counts as often as there were send calls in it."""
    for name in ("send", "queue", "qdisc", "driver", "network", "total"):
        values = [flush["delivery_ns"][name] for flush in flushes for _ in range(flush["writes"])
                  if flush["delivery_ns"][name] is not None]
        check(delivery[name], values, "delivery " + name)


def check_gaps(gaps, responses, flushes):
    """Between flushes of one send call each: those of a merged one are not told."""
    sent, acked = [], []
    for response in responses:
        own = [(nanoseconds(flush["at"]), flush["delivery_ns"]["total"]) for flush in flushes[response["id"]]]
        sent += [after - before for (before, _), (after, _) in zip(own, own[1:])]
        acked += [max(0, after + way - before - last) for (before, last), (after, way) in zip(own, own[1:])
                  if last is not None and way is not None]
    assert sent, "no gaps"
    check(gaps["sent"], sent, "gap sent")
    check(gaps["acked"], acked, "gap acked")


def slowness(response):
    """Of a stream what was not the app's: it lasts as long as it has something to say."""
    return response["duration_ns"] - (response["timeline_ns"]["app"] or 0 if response["streaming"] else 0)


def check_lists(part, responses):
    longest = sorted(responses, key=lambda response: (-slowness(response), begin_ns(response), response["id"]))
    assert [item["id"] for item in part["slowest"]] == [response["id"] for response in longest[:10]], part["slowest"]
    for told, response in zip(part["slowest"], longest):
        for name in ("begin", "duration_ns", "timeline_ns", "cause_ns", "target", "status", "state", "ended_by"):
            assert told[name] == response[name], (name, told, response)
    targets = {}
    for response in responses:
        if response["state"] == "ended":
            name = "%s %s" % (response["method"], response["target"].replace("/status/%s" % response["status"], "/status/{n}"))
            targets.setdefault(name, []).append(response["duration_ns"])
    for told in part["targets"]:
        if told["target"] is not None:
            check(told["duration_ns"], targets.pop(told["target"]), told["target"])
    check(next(told for told in part["targets"] if told["target"] is None)["duration_ns"], sum(targets.values(), []), "others")
    held = [response for response in responses if sum(response["cause_ns"].values()) >= 1_000_000]
    assert sum(peer["held_ns"] for peer in part["peers"]) == sum(sum(item["cause_ns"].values()) for item in held)
    assert sum(peer["responses"] for peer in part["peers"]) == len(held)
    worst = max(held, key=lambda response: sum(response["cause_ns"].values()))
    assert part["peers"][0]["worst"] == worst["connection"]["remote"], part["peers"]


def check_report(report, objects, open_ones):
    part, = report["servers"]
    responses = [item for item in objects if item["type"] == "response"]
    ended = [response for response in responses if response["state"] == "ended"]
    assert (len(ended), len(responses)) == (601, 601 + open_ones), "%d of %d ended" % (len(ended), len(responses))
    assert (part["responses"]["ended"], part["responses"]["open"]) == (601, open_ones), part["responses"]
    assert part["responses"]["estimated"] == sum(response["estimated"] for response in ended), part["responses"]
    for timeline in part["timelines"]:
        kind = [response for response in ended if response["streaming"] == timeline["streaming"]]
        check_timeline(timeline, kind, "streaming" if timeline["streaming"] else "plain")
    flushes = collections.defaultdict(list)
    for item in objects:
        if item["type"] == "flush":
            flushes[item["response"]].append(item)
    for pace in part["pace"]:
        kind = [item for item in responses if item["streaming"] == pace["streaming"]]
        check(pace["ttff_ns"], [item["ttff_ns"] for item in kind if item["ttff_ns"] is not None], "time to first flush")
        if all(flush["writes"] == 1 for item in kind for flush in flushes[item["id"]]):
            check_gaps(pace["gap_ns"], kind, flushes)
    if not open_ones:  # of an open response the flushes that are on their way are told with it only
        check_flushes(part["delivery_ns"], [flush for own in flushes.values() for flush in own])
    check_lists(part, responses)
    assert report["events"] == objects[-1]["events"] and report["loss"] == objects[-1]["loss"], report["loss"]
    return "%d responses, %d estimated" % (len(responses), part["responses"]["estimated"])


def test_a_report_is_what_its_responses_and_flushes_sum_up_to():
    require_tailrace()
    with tempfile.TemporaryDirectory(prefix="tailrace-test-") as directory:
        recording = Recording(directory, leaves_one_open=False)
        return check_report(recording.report(), recording.objects(), 0)


def test_a_report_with_an_open_response_is_too():
    require_tailrace()
    with tempfile.TemporaryDirectory(prefix="tailrace-test-") as directory:
        recording = Recording(directory)
        return check_report(recording.report(), recording.objects(), 1)


def test_the_same_recording_gives_the_same_report_byte_for_byte():
    require_tailrace()
    with tempfile.TemporaryDirectory(prefix="tailrace-test-") as directory:
        recording = Recording(directory)
        for form in ("text", "json"):
            reports = {recording.run("report", recording.path, "--format", form) for _ in range(4)}
            assert len(reports) == 1, "%d different reports as %s" % (len(reports), form)
        assert b"RECORDING" in recording.run("report", recording.path), "the recording's end is not told"


def test_what_cannot_be_reported_of_is_refused():
    require_tailrace()
    with tempfile.NamedTemporaryFile(prefix="tailrace-test-") as file:
        file.write(b"no recording" * 100)
        file.flush()
        done = run_to_end("report", file.name)
        assert done.returncode == 65 and not done.stdout and file.name.encode() in done.stderr, done
        for more in (("--port", "80"), ("--for", "1s"), ("--pid", "1")):
            done = run_to_end("report", file.name, *more)
            assert done.returncode == 64 and b"go with neither" in done.stderr, done
    assert run_to_end("report", "/nonexistent.trc").returncode in (1, 65)
    assert run_to_end("report", "--format", "yaml").returncode == 64
    assert run_to_end("report", "--for", "0s").returncode == 64
