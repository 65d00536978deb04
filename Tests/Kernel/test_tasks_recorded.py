# SPDX-License-Identifier: MIT
"""Open tasks in a recording: told when it is replayed as they were told live, against what the server itself counted."""
import bisect
import json
import signal
import threading
import time

from go_servers import STRIPPED, GoServer, build, releases, reset
from servers import Client, TruthServer
from tracer import Recorder, Skip, Tracer, begin_ns, end_ns, nanoseconds, run_to_end

STALE_NS = 400_000_000  # 50 ms between two readings, a tick of the server's own log, and a machine that is shared


class Log:
    """`with Log(server) as log:`; what the server says of itself, 20 times a second."""

    def __init__(self, server):
        self.server, self.times, self.counts = server, [], []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.follow, daemon=True)

    def follow(self):
        while not self.is_over.is_set():
            before = time.time_ns()
            count = self.server.goroutines()
            self.times.append((before + time.time_ns()) // 2)
            self.counts.append(count)
            time.sleep(0.05)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    def range(self, begin, end):
        """Fewest and most between two times, a little before and behind included."""
        first = max(0, bisect.bisect_left(self.times, begin - STALE_NS) - 1)
        last = bisect.bisect_right(self.times, end + STALE_NS // 4) + 1
        counts = self.counts[first:last]
        return min(counts), max(counts)


def release_with_creators():
    found = [release for release in releases() if release.root]
    if not found:
        raise Skip("needs a Go from 1.21 on (make go-versions): those before do not keep who created a goroutine")
    return found[-1]


def check_counts(responses, log, slack=3):
    """Begin, end and max lie where the server's own log lies; a goroutine more or less may come and go between two looks."""
    for response in responses:
        for moment, begin, end in (("begin", begin_ns(response), begin_ns(response)), ("end", end_ns(response), end_ns(response)),
                                   ("max", begin_ns(response), end_ns(response))):
            told = response["tasks"][moment]
            assert told["provider"] == "go" and told["open"] is not None, (response["id"], response["tasks"])
            fewest, most = log.range(begin, end)
            assert fewest - slack <= told["open"] <= most + slack, "%s: %s %d, the server had %d to %d" % (
                response["id"], moment, told["open"], fewest, most)


def anomalies(report):
    return {item["anomaly"] for item in report.of_type("finding") if item["state"] == "opened" and item["severity"] != "notice"}


def of_report(arguments, process=None):
    if process is not None:
        assert process.end() == 0, process.errors()[-500:]
        return json.loads(process.output())
    done = run_to_end("report", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_told_live_is_in_the_recording():
    """Clients leave in the middle, and the goroutine that made their events stays: traced, reported and recorded at once."""
    with GoServer(build(release_with_creators(), *STRIPPED)) as server, Tracer(server.port) as tracer, \
            Tracer(server.port, "--format", "json", command="report", json_lines=False) as live, \
            Recorder(server.port) as recorder, Log(server) as log:
        with Client("crowd_client.py", "--port", server.port, "--target", "/producer", "--clients", 6, "--seconds", 14,
                    "--reset") as crowd:
            crowd.results()
        time.sleep(3)  # the grace is two seconds
        told = tracer.stop()
        reported = of_report((), live)
        replayed = recorder.stop()
        again = recorder.export()
        reports = [run_to_end("report", recorder.file, *options).stdout for options in ((), (), ("--format", "json"),
                                                                                       ("--format", "json"))]
    assert again.output == replayed.output, "two exports of a recording differ"
    assert reports[0] == reports[1] and reports[2] == reports[3] and reports[2], "two reports of a recording differ"
    check_counts(told.ended, log)
    check_counts(replayed.ended, log)
    by_id = {response["id"]: response for response in told.ended}
    both = [(by_id[response["id"]], response) for response in replayed.ended if response["id"] in by_id]
    assert len(both) == len(told.ended) == len(replayed.ended) > 40, (len(both), len(told.ended), len(replayed.ended))
    for before, after in both:
        assert after["serving"] == before["serving"] and after["serving"]["provider"] == "go", (before, after)
        assert after["left_behind"] == before["left_behind"] == 1, (before, after)
        assert after["tasks"]["begin"]["basis"] == "sampled", after["tasks"]
    found = [anomalies(told), anomalies(replayed)] + [
        {item["anomaly"] for item in report["findings"] if item["severity"] != "notice"}
        for report in (reported, json.loads(reports[2]))]
    assert "task-leak" in found[0] and found.count(found[0]) == 4, found
    for report in (told, replayed):
        counts = [(nanoseconds(sample["at"]), sample["tasks"].get("go")) for sample in report.of_type("sample")]
        assert len(counts) > 8 and all(count is not None for _, count in counts), counts
        for at, count in counts:
            fewest, most = log.range(at, at)
            assert fewest - 3 <= count <= most + 3, "a sample says %d, the server had %d to %d" % (count, fewest, most)
    return "%d responses, %d goroutines at the end; %s" % (len(both), log.counts[-1], ", ".join(sorted(found[0])))


test_what_is_told_live_is_in_the_recording.limit_s = 120


def test_a_recorder_that_is_killed_leaves_the_tasks_that_it_wrote():
    """SIGKILL: what was written until the last second tells tasks and what was left behind."""
    with GoServer(build(release_with_creators())) as server, Recorder(server.port) as recorder, Log(server) as log:
        time.sleep(0.6)  # the log has a beginning
        streams = [server.open("/producer") for _ in range(5)]
        for stream in streams:
            stream.recv(1)
        time.sleep(0.5)
        for stream in streams:
            reset(stream)
        time.sleep(4.5)
        recorder.process.send_signal(signal.SIGKILL)
        recorder.process.wait()
        report = recorder.export()
    assert len(report.ended) == 5, report.ended
    check_counts(report.ended, log)
    assert [response["left_behind"] for response in report.ended] == [1] * 5, report.ended
    assert report.objects[-1]["recording"]["ended"] == "cut", report.objects[-1]


def test_of_a_server_without_a_runtime_that_is_known_threads_are_recorded():
    with TruthServer() as server, Recorder(server.port) as recorder:
        with Client("load_client.py", "--port", server.port, "--target", "/length/1x100", "--requests", 50, "--connections", 1) as load:
            load.results()
        report = recorder.stop()
    assert report.ended and all(response["serving"] is None and response["left_behind"] is None for response in report.ended)
    assert {response["tasks"]["begin"]["provider"] for response in report.ended} == {"threads"}
