# SPDX-License-Identifier: MIT
"""What `tailrace report` says of a server, against what the server and its clients know of themselves."""
import json
import random
import re
import signal
import threading
import time

from load_client import Connection, drive
from schema import load, validator
from servers import Client, TruthServer, wait_acknowledged
from test_completeness import drive_mixed
from test_hostile_text import check_harmless, hostile_server, hostile_traffic
from test_server_time import own_time_ns
from tracer import CAUSES, STAGES, Tracer, require_steady, require_tailrace
from truth import percentile

BUCKET = 1 / 16  # a histogram's value is at most that far from the true one


class Reported:
    """A run of `tailrace report` on a server's port, as JSON and as text, at once."""

    def __init__(self, server, *options):
        self.tracers = [Tracer(server.port, "--format", form, *options, command="report", json_lines=False)
                        for form in ("json", "text")]
        self.output, self.json, self.text = None, None, None

    def __enter__(self):
        for tracer in self.tracers:
            tracer.__enter__()
        return self

    def stop(self):
        codes = [tracer.end() for tracer in self.tracers]
        assert codes == [0, 0], "exit codes %s: %s" % (codes, [tracer.errors()[-300:] for tracer in self.tracers])
        self.output = self.tracers[0].output()
        assert self.output.count(b"\n") == 1, "%d lines of JSON" % self.output.count(b"\n")
        self.json = json.loads(self.output)
        self.text = self.tracers[1].output().decode("utf-8")
        return self

    def __exit__(self, *_):
        for tracer in self.tracers:
            tracer.__exit__()

    @property
    def server(self):
        assert len(self.json["servers"]) == 1, "%d servers" % len(self.json["servers"])
        return self.json["servers"][0]

    @property
    def plain(self):
        return next(timeline for timeline in self.server["timelines"] if not timeline["streaming"])

    @property
    def story(self):
        """The text's paragraphs before its first table, as one line."""
        return " ".join(self.text.split("TIMELINE")[0].split())


def check_close(told, exact, slack_ns, what):
    assert abs(told - exact) <= exact * BUCKET + slack_ns, "%s: told %.3f ms, it was %.3f ms" % (
        what, told / 1e6, exact / 1e6)


def test_a_slow_reader_is_named_with_what_it_holds():
    require_tailrace()
    rate, size = 500_000, 1_500_000
    with TruthServer() as server, Reported(server) as run:
        connection = Connection("127.0.0.1", server.port)
        for _ in range(20):
            connection.request("/length/1x700")
        with Client("slow_reader.py", "--port", server.port, "--target", "/length/1x%d" % size, "--rate", rate) as client:
            read = client.results()[0]
        wait_acknowledged(server.port)
        run.stop()
        connection.close()
    require_steady(abs(read["rate"] / rate - 1) < 0.1, "the reader took %.0f bytes/s" % read["rate"])
    peer = "%s:%d" % tuple(read["remote"])
    assert run.server["responses"]["ended"] == 21, run.server["responses"]
    assert re.search(r"\d+ % of its time in (queue|blocked)", run.story), run.story
    assert "held by peer_window" in run.story and "%s reads more slowly than the server writes" % peer in run.story, run.story
    first = run.server["peers"][0]
    assert (first["address"], first["worst"]) == (read["remote"][0], peer), first
    assert first["cause_ns"]["peer_window"] > 0.8 * first["held_ns"], first
    # What the peer held is the time that it took to read.
    seconds = (read["last_ns"] - read["first_ns"]) / 1e9
    assert abs(first["held_ns"] / 1e9 - seconds) < 0.5, "held %.2f s, the reader took %.2f s" % (
        first["held_ns"] / 1e9, seconds)
    assert 0.4 * size < first["unsent_bytes_max"] <= size + 1000, first["unsent_bytes_max"]
    slowest = run.server["slowest"][0]
    assert (slowest["target"], slowest["remote"]) == ("/length/1x%d" % size, peer), slowest
    assert peer in run.text.split("SLOWEST responses")[1].split("TARGETS")[0], run.text
    return "held %.2f s, the reader took %.2f s" % (first["held_ns"] / 1e9, seconds)


def test_a_server_that_sleeps_owns_its_time_and_percentiles_are_those_of_its_log():
    require_tailrace()
    choice = random.Random(9)
    sleeps = [choice.choice((5, 10, 20, 40, 80)) for _ in range(120)]
    with TruthServer() as server, Reported(server) as run:
        connections = [Connection("127.0.0.1", server.port, quick_ack=True).open() for _ in range(4)]
        asked = {}

        def worker(number):
            for place, sleep in enumerate(sleeps[number::4]):
                reply = connections[number].request("/length/1x2000/sleep=%d" % sleep)
                asked[connections[number].local, place] = reply.sent_ns

        drive([lambda number=number: worker(number) for number in range(4)])
        wait_acknowledged(server.port)
        run.stop()
        for connection in connections:
            connection.close()
        log = server.log()
    own = [own_time_ns(record) for record in log]
    assert len(own) == 120
    # Only where it gets the processor is a request's time the server's sleep.
    late = max(record["received_ns"] - asked[tuple(record["remote"]), record["number"]] for record in log)
    require_steady(late < 8_000_000, "the server read a request %.1f ms after it was sent" % (late / 1e6))
    app = run.plain["stages"]["app"]["time_ns"]
    assert app["count"] == 120, app
    for name, share in (("p50", 50), ("p90", 90), ("p99", 99)):
        check_close(app[name], percentile(own, share), 5_000_000, "app " + name)
    check_close(app["max"], max(own), 5_000_000, "app max")
    assert abs(app["mean"] - sum(own) / len(own)) <= 5_000_000, "mean %d" % app["mean"]
    assert run.plain["slow"]["count"] == 2, run.plain["slow"]
    assert run.plain["slow"]["share"]["app"] > 0.8, run.plain["slow"]["share"]
    assert "of their time in app. That is the server's own time" in run.story, run.story
    return "app p50 %.2f ms, by its log %.2f ms" % (app["p50"] / 1e6, percentile(own, 50) / 1e6)


def test_counts_are_the_servers_own():
    require_tailrace()
    with TruthServer() as server, Reported(server) as run:
        drive_mixed(server.port, 600, 12)
        run.stop()
        log = server.log()
    part = run.server
    assert part["pids"] == [server.pid] and part["port"] == server.port, part["pids"]
    assert part["responses"]["ended"] == 600 == len(log), part["responses"]
    assert part["responses"]["open"] == part["responses"]["excluded"] == 0, part["responses"]
    assert part["response_bytes"] == sum(record["response_bytes"] for record in log)
    assert part["request_bytes"] == sum(record["request_bytes"] for record in log)
    assert part["flushes"] == sum(len(record["sends"]) for record in log)
    assert part["delivery_ns"]["total"]["count"] == part["flushes"], part["delivery_ns"]["total"]
    assert sum(timeline["duration_ns"]["count"] for timeline in part["timelines"]) == 600
    statuses = {status["hundreds"]: status["count"] for status in part["status"]}
    served = {hundreds: sum(1 for record in log if record["status"] // 100 == hundreds) for hundreds in (2, 3, 4)}
    assert statuses == served, "told %s, served %s" % (statuses, served)
    assert sum(target["duration_ns"]["count"] for target in part["targets"]) == 600
    for timeline in part["timelines"]:
        shares = sum(timeline["stages"][stage]["share"] or 0 for stage in STAGES)
        assert abs(shares - 1) < 0.001, "shares sum to %f" % shares
        slow = sum(timeline["slow"]["share"][stage] for stage in STAGES)
        assert abs(slow - 1) < 0.001, "shares of the slowest sum to %f" % slow
        count = timeline["duration_ns"]["count"]
        held = sum(timeline["stages"][stage]["time_ns"]["mean"] for stage in ("blocked", "queue")) * count
        caused = sum(timeline["cause_ns"][cause] for cause in CAUSES)
        assert abs(caused - held) <= 2 * count, "causes sum to %d, blocked and queue to %d" % (caused, held)
    events, loss = run.json["events"], run.json["loss"]
    assert events["made"] == events["delivered"] and not any(loss.values()), (events, loss)
    errors = [error.message for error in validator(load()).iter_errors(run.json)]
    assert not errors, errors[:3]


def test_open_responses_are_told_as_such():
    require_tailrace()
    with TruthServer("--sndbuf", 65536) as server, Reported(server) as run:
        stalled = [Connection("127.0.0.1", server.port).open() for _ in range(3)]
        for connection in stalled:
            connection.send("/length/1x9000000")
            connection.read_head()
        time.sleep(1.5)
        run.stop()
        for connection in stalled:
            connection.close()
    part = run.server["open"]
    assert part["count"] == 3 and not run.server["timelines"], part
    assert part["oldest_ns"] > 1_400_000_000, part
    assert part["cause_ns"]["peer_window"] > 0.8 * part["timeline_ns"]["blocked"] > 3_000_000_000, part
    assert re.search(r"3 responses are still open, the oldest for \d\.\d\ds: so far they have spent (9\d|100) % of their "
                     r"time in blocked, held by peer_window", run.story), run.story
    assert run.text.count("; open; ") == 3, run.text


def test_what_was_lost_stands_in_the_report_and_in_no_percentile():
    require_tailrace()
    with TruthServer() as server, Reported(server, "--ring", "4KiB") as run:
        # A stream that goes on over the time in which the ring is full misses flushes in its middle.
        stream = threading.Thread(target=Connection("127.0.0.1", server.port).request, args=("/sse/150x200/gap=20",))
        stream.start()
        time.sleep(0.3)
        for tracer in run.tracers:
            tracer.process.send_signal(signal.SIGSTOP)
        drive_mixed(server.port, 300, 10)
        for tracer in run.tracers:
            tracer.process.send_signal(signal.SIGCONT)
        stream.join()
        wait_acknowledged(server.port)
        run.stop()
    events, loss = run.json["events"], run.json["loss"]
    kinds = ("sockets", "reads", "heads", "flushes", "states")
    assert sum(loss[kind] for kind in kinds) > 100, loss
    assert events["made"] == events["delivered"] + sum(loss[kind] for kind in kinds), (events, loss)
    told = re.search(r"EVENTS ([\d,]+) seen = ([\d,]+) delivered \+ ([\d,]+) lost", " ".join(run.text.split()))
    made, delivered, lost = (int(number.replace(",", "")) for number in told.groups())
    assert made == delivered + lost and lost > 100, told.group()
    assert sum(part["responses"]["excluded"] for part in run.json["servers"]) > 0, "no response misses an event"
    for part in run.json["servers"]:
        counted = part["responses"]["excluded"] + part["responses"]["adopted"] + sum(
            timeline["duration_ns"]["count"] for timeline in part["timelines"])
        assert counted == part["responses"]["ended"], part["responses"]
    return "%d of %d events lost, %d responses excluded" % (
        lost, made, sum(part["responses"]["excluded"] for part in run.json["servers"]))


def test_a_report_ends_after_its_time():
    require_tailrace()
    with TruthServer() as server:
        with Tracer(server.port, "--for", "1500ms", "--format", "json", command="report", json_lines=False) as tracer:
            connection = Connection("127.0.0.1", server.port)
            connection.request("/length/1x10")
            code = tracer.process.wait(20)
            connection.close()
            report = json.loads(tracer.output())
    assert code == 0, "exit code %d" % code
    assert report["duration_ns"] >= 1_500_000_000, report["duration_ns"]
    assert report["servers"][0]["responses"]["ended"] == 1, report["servers"]


def test_hostile_names_do_no_harm_in_a_report():
    require_tailrace()
    with hostile_server() as server, Reported(server) as run:
        count = hostile_traffic(server.port)
        run.stop()
    check_harmless(run.text.encode(), "the text")
    check_harmless(run.output, "the JSON")
    assert run.server["responses"]["ended"] == count, run.server["responses"]
    assert max(map(len, run.text.splitlines())) <= 80, max(run.text.splitlines(), key=len)
