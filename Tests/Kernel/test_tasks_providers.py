# SPDX-License-Identifier: MIT
"""Open tasks beside responses of servers that are not Go: Swift tasks, a probe pair, threads; against the server's own count."""
import json
import socket
import subprocess
import tempfile
import time

from go_servers import census, open_tasks
from servers import TruthServer, die_with_parent
from swift_programs import compiled
from task_probes import JobServer, accepted
from tracer import Recorder, Tracer, require_command, require_tailrace, run_to_end

TOLD_WITHIN_S = 60


def told(tracer, provider):
    """The newest count of a server's samples by that provider."""
    lines = [json.loads(line) for line in tracer.output().decode().split("\n")[:-1]]
    counts = [line["tasks"].get(provider) for line in lines if line["type"] == "sample"]
    return counts[-1] if counts else None


def wait_told(tracer, provider, wanted):
    """Readings that are dear are rare: until one says so. What is said is compared later, with what the server said."""
    deadline = time.monotonic() + TOLD_WITHIN_S
    while told(tracer, provider) != wanted:
        assert time.monotonic() < deadline, "%s: told %s, the server has %d" % (provider, told(tracer, provider), wanted)
        time.sleep(0.1)


def begins(report, provider):
    """What responses of the run say, in their order."""
    for response in report.ended:
        for moment in ("begin", "end", "max"):
            assert response["tasks"][moment]["provider"] == provider, response["tasks"]
    return [response["tasks"]["begin"]["open"] for response in report.ended]


class SwiftServer:
    def __init__(self, directory):
        self.path = compiled("swift_server", directory)

    def __enter__(self):
        self.process = subprocess.Popen([self.path], stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.connection = socket.create_connection(("127.0.0.1", self.port))
        return self

    def ask(self, target):
        """What it says: how many tasks are open as it answers."""
        self.connection.sendall(b"GET %s HTTP/1.1\r\nHost: test\r\n\r\n" % target.encode())
        answer = b""
        while b"\r\n\r\n" not in answer or answer.endswith(b"\r\n\r\n"):
            answer += self.connection.recv(4096)
        return int(answer.rpartition(b"\r\n\r\n")[2])

    def __exit__(self, *_):
        self.connection.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def test_tasks_that_a_handler_in_swift_left_are_the_largest_group_with_its_function():
    require_tailrace()
    require_command("swiftc")
    with tempfile.TemporaryDirectory(prefix="tailrace-swift-") as directory, SwiftServer(directory) as server:
        assert server.ask("/open/100") == 101
        server.connection.close()  # their client is gone, and they are not
        told, _ = census(server.process.pid)
    assert open_tasks(told, "swift") == 101, told["counts"]
    largest = next(group for group in told["groups"] if group["provider"] == "swift")
    assert largest["count"] == 100 and "SwiftServer.leave" in largest["created_by"]["function"], largest
    assert largest["waits_at"]["function"].endswith("Gate.wait"), largest


def test_responses_carry_the_swift_tasks_of_their_server():
    require_tailrace()
    require_command("swiftc")
    with tempfile.TemporaryDirectory(prefix="tailrace-swift-") as directory, SwiftServer(directory) as server:
        with Tracer(server.port) as tracer:
            own, expected = server.ask("/nothing"), []
            for target in ("/open/100", "/open/1000", "/close", "/nothing"):
                wait_told(tracer, "swift", own)
                expected.append(own)
                own = server.ask(target)
            report = tracer.stop()
    assert expected == [1, 101, 1101, 1], expected
    assert begins(report, "swift")[1:] == expected, (begins(report, "swift"), expected)
    samples = report.of_type("sample")
    assert all(sample["tasks"]["threads"] >= 1 for sample in samples), "samples carry all who tell"


def test_responses_carry_the_threads_of_any_server():
    """As /proc counts them: of a server with a thread for each connection."""
    with TruthServer() as server, Tracer(server.port) as tracer:
        kept, expected = [], []
        for _ in range(4):
            kept += [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
            time.sleep(0.5)
            with open("/proc/%d/status" % server.process.pid) as status:
                expected.append(next(int(line.split()[1]) for line in status if line.startswith("Threads:")))
            kept[-1].sendall(b"GET /length/1x10 HTTP/1.1\r\nHost: test\r\n\r\n")
            assert kept[-1].recv(4096).startswith(b"HTTP/1.1 200")
        report = tracer.stop()
        for connection in kept:
            connection.close()
    assert [count - expected[0] for count in expected] == [0, 5, 10, 15], "the rig: %s threads" % expected
    assert begins(report, "threads") == expected, (begins(report, "threads"), expected)


def check_jobs(server, tracer):
    streams = []
    for count in range(5):
        assert server.settled(count)[0] == count
        time.sleep(0.2)
        streams.append(server.open("/job"))
    server.settled(5)
    time.sleep(0.3)
    for stream in streams:
        stream.close()
        server.settled(4 - streams.index(stream))
        time.sleep(0.2)
    report = tracer.stop()
    responses = sorted(report.ended, key=lambda response: response["begin"])
    assert begins(report, "uprobe") and [r["tasks"]["begin"]["open"] for r in responses] == [0, 1, 2, 3, 4], responses
    assert [response["tasks"]["max"]["open"] for response in responses] == [5] * 5, responses
    assert {name for sample in report.of_type("sample") for name in sample["tasks"]} >= {"uprobe", "threads", "responses"}


def test_responses_carry_the_tasks_that_a_probe_pair_counts():
    """Live, and from a recording."""
    require_tailrace()
    for kind in (Tracer, Recorder):
        with JobServer() as server:
            pair = "open=%s,close=%s" % accepted(server.pid, "exe:job_open", "exe:job_close")
            options = {"record": ("--task-probe", pair)} if kind is Recorder else {}
            with kind(server.port, *(() if options else ("--task-probe", pair)), **options) as tracer:
                check_jobs(server, tracer)


def test_a_probe_pair_that_no_server_has_ends_the_run():
    with JobServer() as server:
        for command in (["trace"], ["report", "--for", "5s"]):
            done = run_to_end(*command, "--port", server.port, "--task-probe", "open=exe:none,close=exe:job_close")
            assert done.returncode == 1 and not done.stdout.startswith(b'{"v":1,"type":"response"'), done
            assert b"none of the" in done.stderr and done.stderr.count(b"cannot count tasks") == 1, done.stderr
    done = run_to_end("report", "none.trc", "--task-probe", "open=exe:a,close=exe:b")
    assert done.returncode == 64 and b"A recording is read as it is" in done.stderr, done.stderr
