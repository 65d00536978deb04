# SPDX-License-Identifier: MIT
"""`trace`, `report`, `record` and `top` without any right, by the daemon: what they tell is what the daemon tells."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from daemon import LINES, Daemon, wait_until
from load_client import Connection
from screen import Screen
from servers import Client, TruthServer, die_with_parent, wait_acknowledged
from tracer import BINARY, ENDS_WITHIN_S, READY_WITHIN_S, Report, Skip, nanoseconds, run_to_end
from truth import pairs

NOBODY, STRANGER = 65534, 4321
# Of the tasks, a client knows what was told since it began.
LATER = {"tasks", "serving", "left_behind"}
# Each has the newest anchor that it was told; a clock that is disciplined meanwhile makes nanoseconds of difference.
TIMES, CLOCK_NS = ("begin", "end", "at"), 10_000


def as_user(number):
    return ["setpriv", "--reuid", str(number), "--regid", str(number), "--clear-groups"]


class Program:
    """The program under test, where everybody may run it."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="tailrace-client-")
        os.chmod(self.directory, 0o777)
        self.path = os.path.join(self.directory, "tailrace")
        shutil.copy(BINARY, self.path)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory)

    def start(self, *arguments, user=NOBODY):
        ready = os.path.join(self.directory, "ready-%d" % time.monotonic_ns())
        # Files, not pipes: nobody has to read them while the traced servers run.
        output, errors = (tempfile.TemporaryFile() for _ in range(2))
        process = subprocess.Popen([*as_user(user), self.path, *map(str, arguments), "--ready-file", ready], stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=errors, preexec_fn=die_with_parent)
        process.said = lambda output=output, errors=errors: tuple(os.pread(file.fileno(), 1 << 26, 0) for file in (output, errors))
        deadline = time.monotonic() + READY_WITHIN_S
        while not os.path.exists(ready):
            assert process.poll() is None, "exit code %d: %r" % (process.returncode, process.said()[1][-500:])
            assert time.monotonic() < deadline, "not ready"
            time.sleep(0.01)
        return process

    def run(self, *arguments, user=NOBODY, seconds=30):
        return subprocess.run([*as_user(user), self.path, *map(str, arguments)], capture_output=True, text=True, timeout=seconds,
                              stdin=subprocess.DEVNULL)


def report_of(process, how=signal.SIGINT):
    if how:
        process.send_signal(how)
    process.wait(ENDS_WITHIN_S)
    output, errors = process.said()
    return Report(output, errors.decode(), process.returncode)


def told(item):
    """Without what may differ: (all else, the times)."""
    rest = {name: value for name, value in item.items() if name not in LATER and name not in TIMES}
    return json.dumps(rest, sort_keys=True), [nanoseconds(item[name]) for name in TIMES if item.get(name)]


def check_same(kind, items, others):
    pairs = list(zip(sorted(map(told, items)), sorted(map(told, others)), strict=True))
    assert pairs
    for (one, times), (other, again) in pairs:
        assert one == other, "%s: told %s, by the daemon %s" % (kind, other, one)
        assert all(abs(time - same) < CLOCK_NS for time, same in zip(times, again, strict=True)), (kind, times, again)


def test_who_may_not_trace_is_told_what_the_daemon_tells():
    """The client's own engine, fed by the stream of records, against the daemon's; both against the server's log."""
    with TruthServer() as server, Daemon(server.port) as daemon, Program() as program:
        client = program.start("trace", "--json", "--flushes", "--socket", daemon.socket)
        with daemon.listen(types="response,flush", accept=LINES) as stream:
            with Client("load_client.py", "--port", server.port, "--target", "/chunked/3x2000/gap=5", "--connections", 4,
                        "--requests", 20) as load:
                load.results()
            wait_acknowledged(server.port)
            stream.until(lambda stream: stream.kinds.count("response") == 80)
            apart = report_of(client)
            own = {kind: stream.of_type(kind) for kind in ("response", "flush")}
        records = server.log()
    apart.check_frame()
    pairs(apart.ended, records)
    for kind, items in own.items():
        check_same(kind, items, apart.of_type(kind))
    return "%d responses, %d flushes" % (len(own["response"]), len(own["flush"]))


def test_a_target_is_chosen_by_the_daemon():
    with TruthServer("--comm", "wanted") as server, TruthServer("--comm", "other") as other, Daemon(server.port, other.port) as daemon, \
            Program() as program:
        targets = {"--port": server.port, "--comm": "wanted", "--pid": server.pid}
        clients = {name: program.start("trace", "--json", "--socket", daemon.socket, name, value) for name, value in targets.items()}
        for port in (server.port, other.port) * 5:
            connection = Connection("127.0.0.1", port)
            connection.request("/length/1x100/%d" % port)
            connection.close()
        wait_acknowledged(server.port)
        time.sleep(1)
        reports = {name: report_of(client) for name, client in clients.items()}
    for name, report in reports.items():
        targets = [response["target"] for response in report.ended]
        assert targets == ["/length/1x100/%d" % server.port] * 5, "%s: %s" % (name, targets)


def test_who_asks_for_what_the_daemon_does_not_trace_is_told_so():
    with TruthServer() as server, TruthServer() as other, Daemon(server.port) as daemon, Program() as program:
        asked = {"it": ["--port", server.port], "everything": [], "another": ["--port", other.port],
                 "both": ["--port", server.port, "--port", other.port], "a name": ["--comm", "python3"]}
        reports = {}
        for name, words in asked.items():
            client = program.start("trace", "--json", "--socket", daemon.socket, *words)
            time.sleep(0.3)
            reports[name] = report_of(client)
        for name, report in reports.items():
            assert report.objects[0]["daemon_target"]["ports"] == [server.port], report.objects[0]
            warned = [line for line in report.errors.splitlines() if "the daemon traces port %d only" % server.port in line]
            assert len(warned) == (name not in ("it", "everything")), "%s: %s" % (name, report.errors)
        assert str(other.port) in reports["another"].errors, reports["another"].errors
        done = program.run("record", "-o", program.directory + "/x.trc", "--for", "1s", "--port", other.port, "--socket", daemon.socket)
        assert "the daemon traces port" in done.stderr, done.stderr


def test_a_recording_that_the_daemon_streams_says_what_a_trace_says():
    with TruthServer() as server, Daemon(server.port) as daemon, Program() as program:
        path = os.path.join(program.directory, "a.trc")
        client = program.start("record", "-o", path, "--socket", daemon.socket)
        with Client("load_client.py", "--port", server.port, "--target", "/chunked/3x2000/gap=5", "--connections", 4, "--requests", 20) as load:
            load.results()
        wait_acknowledged(server.port)
        time.sleep(1)
        client.send_signal(signal.SIGINT)
        code, errors = client.wait(ENDS_WITHIN_S), client.said()[1].decode()
        assert code == 0 and "none lost" in errors, errors
        exported = program.run("export", path, "--format", "ndjson")
        summed = program.run("report", path, "--format", "json")
        records = server.log()
    assert exported.returncode == summed.returncode == 0, exported.stderr + summed.stderr
    objects = [json.loads(line) for line in exported.stdout.splitlines()]
    ended = [item for item in objects if item["type"] == "response" and item["state"] == "ended"]
    pairs(ended, records)
    assert json.loads(summed.stdout)["servers"][0]["responses"]["ended"] == len(records), summed.stdout[:500]


def lost_of(counts):
    return sum(counts[name] for name in ("sockets", "reads", "heads", "flushes", "states"))


def lose(daemon, server):
    """Nobody drains a small ring for a while: what it has no room for is lost."""
    daemon.notice(signal.SIGSTOP)
    connection = Connection("127.0.0.1", server.port)
    for _ in range(1500):
        connection.request("/length/1x100")
    connection.close()
    daemon.notice(signal.SIGCONT)
    return wait_until(lambda: lost_of(daemon.ask("/v1/health")["loss"]), what="a loss")


def test_what_the_daemon_lost_before_is_no_loss_of_who_reads_along():
    with TruthServer() as server, Daemon(server.port, settings=["ring = 64KiB"]) as daemon, Program() as program:
        lost = lose(daemon, server)
        health = daemon.ask("/v1/health")
        assert health["status"] == "degraded" and "5 minutes" in health["reasons"][0], health["reasons"]
        path = os.path.join(program.directory, "a.trc")
        clients = [program.start(*words, "--socket", daemon.socket) for words in (("trace", "--json"), ("record", "-o", path))]
        connection = Connection("127.0.0.1", server.port)
        for _ in range(5):
            connection.request("/length/1x100")
        wait_acknowledged(server.port)
        time.sleep(1.5)
        [end] = report_of(clients[0]).of_type("end")
        clients[1].send_signal(signal.SIGINT)
        clients[1].wait(ENDS_WITHIN_S)
        connection.close()
        assert lost_of(end["loss"]) == 0 and 5 <= end["events"]["made"] < lost, (end, lost)
        assert "none lost" in clients[1].said()[1].decode(), clients[1].said()[1]
        objects = [json.loads(line) for line in program.run("export", path, "--format", "ndjson").stdout.splitlines()]
        assert lost_of(objects[-1]["loss"]) == 0, objects[-1]
        assert lost_of(daemon.ask("/v1/health")["loss"]) >= lost, "the daemon forgets"
    return "%d lost before, %d events of its own" % (lost, end["events"]["made"])


GREEDY = """
import json, socket, sys, time
sockets = []
for _ in range(12):
    sockets.append(socket.socket(socket.AF_UNIX))
    sockets[-1].connect(sys.argv[1])
    sockets[-1].sendall(b"GET /v1/stream HTTP/1.1\\r\\nHost: \\r\\n\\r\\n")
    time.sleep(0.02)
print(json.dumps([int(one.recv(16)[9:12]) for one in sockets]), flush=True)
sys.stdin.read()
"""


def test_one_member_does_not_take_the_places_of_all():
    with TruthServer() as server, Daemon(server.port) as daemon:
        users = [["setpriv", "--reuid", str(number), "--regid", str(NOBODY), "--clear-groups"] for number in (NOBODY, STRANGER)]
        processes = []
        try:
            for user, places in zip(users, (8, 7)):
                processes.append(subprocess.Popen([*user, "python3", "-c", GREEDY, daemon.socket], stdin=subprocess.PIPE,
                                                  stdout=subprocess.PIPE, preexec_fn=die_with_parent))
                told = json.loads(processes[-1].stdout.readline())
                assert told.count(200) == places and told.count(503) == 12 - places, told
            # Root is served beside them, and whoever asks about the health beside root. What was closed is seen a moment later.
            time.sleep(1.2)
            assert daemon.get("/v1/servers").status == 200
            time.sleep(0.3)
            with daemon.listen() as stream:
                assert stream.status == 200, "root has no place"
                assert daemon.get("/v1/health").status == 200, "no place for the health is left"
                time.sleep(0.3)
                assert daemon.get("/v1/servers").status == 503
        finally:
            for process in processes:
                process.communicate()


def test_who_is_not_in_the_group_is_refused_with_a_sentence_and_77():
    with TruthServer() as server, Daemon(server.port) as daemon, Program() as program:
        os.chmod(daemon.directory, 0o755)
        for command in (["trace"], ["top"], ["report", "--for", "1s"], ["record", "-o", program.directory + "/x"]):
            done = program.run(*command, "--socket", daemon.socket, user=STRANGER)
            assert done.returncode == 77, "%s: exit code %d: %s" % (command, done.returncode, done.stderr)
            assert "group" in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    done = run_to_end("trace", "--socket", "/nowhere/socket")
    assert done.returncode == 1 and b"start it" in done.stderr, (done.returncode, done.stderr)


def test_who_cannot_even_see_the_socket_is_told_of_the_group():
    """As systemd makes the directory: 0750. In a namespace of mounts, where /run is another one."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        raise Skip("no namespace of mounts can be made here")
    with Program() as program:
        for mode, group in (("0750", "nogroup"), ("0755", None)):
            script = ("mount -t tmpfs none /run && mkdir -m %s /run/tailrace && chgrp %s /run/tailrace && exec %s %s trace" %
                      (mode, group or "root", " ".join(as_user(STRANGER)), program.path))
            done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=30)
            assert done.returncode == 77 and len(done.stderr.splitlines()) == 1, (done.returncode, done.stderr)
            # Where there is no daemon, the group is none of it.
            assert ("usermod -aG nogroup" in done.stderr) == (group is not None), "%s: %s" % (mode, done.stderr)


def test_what_only_a_run_of_our_own_can_do_is_refused():
    with TruthServer() as server, Daemon(server.port) as daemon:
        for words in (["trace", "--ring", "1MiB"], ["report", "--functions", "--for", "1s"], ["trace", "--backend", "tracepoint"],
                      ["trace", "--task-probe", "open=exe:a,close=exe:b"]):
            done = run_to_end(*words, "--socket", daemon.socket)
            assert done.returncode == 64 and words[1].encode() in done.stderr, "%s: %d: %s" % (words, done.returncode, done.stderr)


def test_a_client_says_that_the_daemon_ended_and_ends_in_order():
    with TruthServer() as server, Daemon(server.port) as daemon, Program() as program:
        client = program.start("trace", "--json", "--socket", daemon.socket)
        connection = Connection("127.0.0.1", server.port)
        connection.request("/length/1x100")
        wait_acknowledged(server.port)
        time.sleep(0.5)
        daemon.stop()
        report = report_of(client, how=None)
        connection.close()
    report.check_frame()
    assert [response["target"] for response in report.ended] == ["/length/1x100"], report.ended
    assert "tells no more" in report.errors, report.errors


def test_top_knows_what_was_before_it_began():
    """Of a stream that is older than the dashboard: its path and its age, which a run of its own could not know."""
    with TruthServer() as server, Daemon(server.port) as daemon, Program() as program:
        connection = Connection("127.0.0.1", server.port)
        connection.send("/sse/100x200/gap=200")
        wait_until(lambda: daemon.ask("/v1/responses")["open_count"] == 1, what="the open response")
        time.sleep(2)
        screen = Screen("top", "--socket", daemon.socket, columns=160, rows=45)
        screen.arguments = [*as_user(NOBODY), program.path, *screen.arguments[1:]]
        with screen:
            screen.wait(lambda: b"GET /sse/" in screen.data, "the path of a response that began before")
            screen.press("q")
            assert screen.end() == 0, screen.said()
            screen.check_given_back()
        connection.close()
