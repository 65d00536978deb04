# SPDX-License-Identifier: MIT
"""Open tasks beside responses: what `trace` tells at a response's begin and end, against what the server itself knows."""
import collections
import json
import subprocess
import time

from go_servers import PIE, STRIPPED, GoServer, build, disconnect, finish, releases, reset
from held import map_ids
from tracer import Skip, Tracer, require_command


def at_rest(server):
    """The server's own count, and long enough the same that it was read."""
    count = server.settled()
    time.sleep(1)  # readings keep to a share of a processor: at most as long apart, also of a slow build
    return count


def test_responses_carry_the_goroutines_of_their_server():
    release = releases()[-1]
    with GoServer(build(release, *STRIPPED)) as server, Tracer(server.port) as tracer:
        expected = []
        for step in range(4):
            before = at_rest(server)
            server.ask("/spawn?n=500")
            expected.append((before, before + 500))
        before = at_rest(server)
        stream = server.open("/good")
        time.sleep(0.5)
        during = server.goroutines()
        finish(stream)
        after = at_rest(server)
        time.sleep(1.2)  # a sample of the sockets comes once a second
        report = tracer.stop()
    for response, (begin, _) in zip(report.ended, expected):
        tasks = response["tasks"]
        for moment in ("begin", "end", "max"):
            assert (tasks[moment]["provider"], tasks[moment]["basis"]) == ("go", "sampled"), tasks
        assert tasks["begin"]["open"] == begin, "told %s, the server had %d" % (tasks, begin)
    streamed = report.ended[len(expected)]
    assert streamed["target"] == "/good", streamed["target"]
    told = tuple(streamed["tasks"][moment]["open"] for moment in ("begin", "max"))
    assert told == (before, during), "told %s, the server had %d, then %d" % (streamed["tasks"], before, during)
    assert during == before + 3 and after == before, (before, during, after)
    assert {sample["tasks"].get("go") for sample in report.of_type("sample")} <= set(range(before + 4)) | {None}
    return "Go %s, %d responses" % (server.version, len(report.ended))


def test_a_server_that_starts_later_is_read_too():
    """Nobody can name it when tracing begins: its first response may be too early, the next ones are not."""
    with GoServer(build(releases()[0])) as server, Tracer(None) as tracer:
        server.ask("/silent")
        time.sleep(1)
        before = at_rest(server)
        server.ask("/silent")
        report = tracer.stop()
    own = [response for response in report.ended if response["server"]["pid"] == server.pid]
    assert len(own) == 2 and own[1]["tasks"]["begin"] == {"provider": "go", "open": before, "basis": "sampled"}, own


LEFT = {"/good": 0, "/waits": 1, "/producer": 1, "/writers": 2, "/hijacked": 1, "/fanout?n=7": 7}
CLIENTS = 5


def check_left_behind(path):
    """Every response says how many of its own goroutines are left, whatever the others left."""
    with GoServer(path) as server, Tracer(server.port) as tracer:
        for close in (finish, reset):
            for target in LEFT:
                disconnect(server, target, close, CLIENTS)
        time.sleep(4)  # the grace is two seconds
        report = tracer.stop()
    told = collections.defaultdict(list)
    # Of a client that went by FIN while its handler waits, the response is still open.
    for response in report.of_type("response"):
        assert response["serving"]["provider"] == "go", response
        told[response["target"]].append(response["left_behind"])
    expected = {target.partition("?")[0]: [count] * 2 * CLIENTS for target, count in LEFT.items()}
    assert told == expected, "%s: told %s, not %s" % (server.version, dict(told), expected)
    tasks = {response["serving"]["task"] for response in report.of_type("response")}
    assert len(tasks) == len(LEFT) * 2 * CLIENTS, "a goroutine is said to serve two connections"
    return server.version


def test_each_response_tells_the_tasks_that_it_left_behind():
    found = [release for release in releases() if release.root]
    if not found:
        raise Skip("needs a Go from 1.21 on (make go-versions): those before do not keep who created a goroutine")
    checked = [check_left_behind(build(release, *flags)) for release, flags in (
        (found[-1], ()), (found[-1], STRIPPED), (found[-1], PIE + STRIPPED), (found[0], STRIPPED))]
    return "Go " + ", ".join(checked)


test_each_response_tells_the_tasks_that_it_left_behind.limit_s = 300


def test_what_cannot_be_told_apart_is_not_known():
    """A goroutine whose creator has ended, and two responses on one connection: the number that is true, or none."""
    found = [release for release in releases() if release.root]
    if not found:
        raise Skip("needs a Go from 1.21 on (make go-versions): those before do not keep who created a goroutine")
    with GoServer(build(found[-1], *STRIPPED)) as server, Tracer(server.port) as tracer:
        disconnect(server, "/nested", reset, CLIENTS)
        kept = []
        for first, second in (("/silent", "/producer"), ("/silent", "/patient")):
            connection = server.open(first)
            while b"\r\n\r\n" not in connection.recv(65536):
                pass
            connection.sendall(b"GET %s HTTP/1.1\r\nHost: test\r\n\r\n" % second.encode())
            connection.recv(1)
            kept.append(connection)
        time.sleep(0.3)
        for connection in kept:
            reset(connection)
        time.sleep(4)
        report = tracer.stop()
    told = collections.defaultdict(list)
    for response in report.ended:
        told[response["target"]].append(response["left_behind"])
    assert len(told["/nested"]) == CLIENTS and set(told["/nested"]) <= {1, None}, dict(told)
    assert told["/producer"] == [None] and told["/patient"] == [0] and told["/silent"] == [None] * 2, dict(told)
    return "nested: %s" % told["/nested"]


def test_a_correct_server_leaves_nothing_behind():
    """A thousand clients that go away in the middle of their streams, by FIN and by RST."""
    release = releases()[-1]
    with GoServer(build(release, *STRIPPED)) as server, Tracer(server.port) as tracer:
        base = server.settled()
        for _ in range(10):
            for close in (finish, reset):
                streams = [server.open("/good") for _ in range(50)]
                for stream in streams:
                    stream.recv(1)
                for stream in streams:
                    close(stream)
        server.settled(base)
        time.sleep(4)
        report = tracer.stop()
    told = collections.Counter(response["left_behind"] for response in report.ended)
    assert len(report.ended) == 1000, len(report.ended)
    wanted = {0: 1000} if release.root else {None: 1000}
    assert told == wanted, dict(told)


def test_a_release_that_does_not_keep_who_created_whom_says_so():
    """Go 1.19: who serves is known, what it left behind is not, and so is null."""
    found = [release for release in releases() if not release.root]
    if not found:
        raise Skip("needs Debian's go")
    with GoServer(build(found[0])) as server, Tracer(server.port) as tracer:
        disconnect(server, "/producer", reset, CLIENTS)
        time.sleep(3)
        report = tracer.stop()
    if not server.version.startswith("1.19"):
        raise Skip("this go is %s" % server.version)
    assert [response["left_behind"] for response in report.ended] == [None] * CLIENTS, report.ended
    assert all(response["serving"]["provider"] == "go" for response in report.ended)


def reader_of_tasks(tracer):
    """The process apart."""
    with open("/proc/%d/task/%d/children" % (tracer.process.pid, tracer.process.pid)) as file:
        children = file.read().split()
    assert len(children) == 1, children
    return int(children[0])


def looked_at(tracer):
    """Processes whose tasks the tracer's kernel programs look at."""
    map_id = str(map_ids(reader_of_tasks(tracer))["task_layouts"])
    done = subprocess.run(["bpftool", "-j", "map", "dump", "id", map_id], capture_output=True, text=True, check=True)
    return {int.from_bytes(bytes(int(byte, 16) for byte in item["key"]), "little") for item in json.loads(done.stdout)}


def test_processes_that_have_ended_are_not_looked_at_any_more():
    """Or the map would fill with them, and a process that gets the id of one would be read as if it were it."""
    require_command("bpftool")
    path, ended = build(releases()[-1], *STRIPPED), []
    with GoServer(path) as stays, Tracer(None) as tracer:
        stays.ask("/silent")
        for _ in range(3):
            with GoServer(path) as server:
                ended.append(server.pid)
                server.ask("/silent")
                deadline = time.monotonic() + 30
                while server.pid not in looked_at(tracer):
                    assert time.monotonic() < deadline, "the server is not looked at: %s" % looked_at(tracer)
                    time.sleep(0.05)
        deadline = time.monotonic() + 30
        while looked_at(tracer) & set(ended):
            assert time.monotonic() < deadline, "still looked at: %s of %s" % (looked_at(tracer) & set(ended), ended)
            time.sleep(0.1)
        assert stays.pid in looked_at(tracer), "the one that lives is not looked at any more"
        tracer.stop()
