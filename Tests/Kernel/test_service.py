# SPDX-License-Identifier: MIT
"""The daemon's sockets and those who come to them: users who may not, crowds, clients that are silent, slow or talk nonsense."""
import json
import os
import random
import socket
import time

from daemon import Daemon, wait_until
from load_client import Connection, drive
from servers import TruthServer, wait_acknowledged
from tracer import loss_numbers, require_tailrace

# Numbers that nobody has here.
GROUP, USER, OTHER = 54321, 54322, 54323

def asked_by(daemon, user, group, groups=()):
    """What came back for that user, or why nothing did."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing is started: the user may not be allowed to read what runs here.
        try:
            os.setgroups(groups)
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)
            said = ask_once(daemon)
        except BaseException as error:
            said = type(error).__name__.encode()
        os.write(theirs, said[:4096])
        os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def ask_once(daemon):
    client = connect(daemon)
    client.sendall(b"GET /v1/health HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n")
    return read_all(client)


def clients(daemon):
    """What the daemon says of its clients."""
    return daemon.ask("/v1/health")["clients"]


def connect(daemon):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(daemon.socket)
    return client


def read_all(client):
    """Until the daemon ends it; a reset is an end too."""
    reply = b""
    try:
        while piece := client.recv(65536):
            reply += piece
    except ConnectionResetError:
        pass
    return reply


def resident_kib(pid):
    with open("/proc/%d/status" % pid) as status:
        return int(next(line for line in status if line.startswith("VmRSS:")).split()[1])


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def test_members_of_the_group_are_served_and_others_are_refused():
    require_tailrace()
    with Daemon(settings=["socket-group = %d" % GROUP]) as daemon:
        status = os.stat(daemon.socket)
        assert status.st_mode & 0o7777 == 0o660 and status.st_gid == GROUP, "mode %o, group %d" % (
            status.st_mode, status.st_gid)
        assert asked_by(daemon, USER, GROUP).startswith(b"HTTP/1.1 200 "), "its primary group"
        assert asked_by(daemon, USER, USER, (OTHER, GROUP)).startswith(b"HTTP/1.1 200 "), "one of its groups"
        assert asked_by(daemon, USER, USER, (OTHER,)) == b"PermissionError", "the file lets others in"
        # An administrator may open the file too far: the daemon asks who it is all the same.
        os.chmod(daemon.socket, 0o666)
        for groups in ((), (OTHER,), (0,)):
            reply = asked_by(daemon, USER, USER, groups)
            head, _, body = reply.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 403 "), reply
            assert "may not" in json.loads(body)["error"], body
        assert asked_by(daemon, USER, USER, (GROUP,)).startswith(b"HTTP/1.1 200 ")
        told = clients(daemon)
        assert told["refused_users"] == 3, told
        daemon.stop()


def test_no_thread_of_the_daemon_may_anything():
    """While it traces and serves; its own word is not asked."""
    require_tailrace()
    with TruthServer() as server, Daemon(server.port) as daemon, daemon.listen():
        Connection("127.0.0.1", server.port).request("/length/1x100")
        count = 0
        for thread in os.listdir("/proc/%d/task" % daemon.pid):
            with open("/proc/%d/task/%s/status" % (daemon.pid, thread)) as status:
                lines = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
            for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
                assert int(lines[name], 16) == 0, "thread %s (%s) has %s %s" % (thread, lines["Name"], name, lines[name])
            assert lines["NoNewPrivs"] == "1", thread
            count += 1
        assert count >= 2, "one thread serves and one traces"
        daemon.stop()
        return "%d threads" % count


def test_a_hundred_silent_clients_change_nothing():
    require_tailrace()
    requests, connections = 600, 6
    with TruthServer() as server, Daemon(server.port) as daemon, daemon.listen(types="response") as stream:
        wait_until(lambda: clients(daemon)["open"] == 2, what="two clients")

        def work():
            for number in range(connections):
                connection = Connection("127.0.0.1", server.port)
                for _ in range(requests // connections):
                    connection.request("/length/1x500")
                connection.close()
            wait_acknowledged(server.port)

        work()
        stream.until(lambda stream: len(stream.objects) > requests)
        before, files, told = resident_kib(daemon.pid), descriptors(daemon.pid), clients(daemon)
        silent = [connect(daemon) for _ in range(100)]
        began = time.monotonic()
        work()
        ended = stream.until(lambda stream: len(stream.objects) > 2 * requests)
        assert ended, "%d responses told" % (len(stream.objects) - 1)
        grown = resident_kib(daemon.pid) - before
        # Whoever asks about the health gets in beside them.
        time.sleep(1.2)
        assert daemon.get("/v1/health").status == 200
        replies = [read_all(client) for client in silent]
        assert any(b"too many clients" in reply for reply in replies), replies[:2]
        waited = time.monotonic() - began
        refused = sum(reply.startswith(b"HTTP/1.1 503 ") for reply in replies)
        closed = sum(reply == b"" for reply in replies)
        assert refused + closed == 100 and closed == 16, "%d refused, %d closed" % (refused, closed)
        assert waited >= 5, "closed after %.1f s: they had no time" % waited
        now = clients(daemon)
        assert now["refused_for_room"] - told["refused_for_room"] == refused, (told, now)
        assert now["timed_out"] - told["timed_out"] == closed, (told, now)
        lost = [(path, count) for path, count in loss_numbers(daemon.ask("/v1/health")["loss"]) if count]
        assert not lost, lost
        responses = stream.of_type("response")
        assert len(responses) == 2 * requests == len(server.log()), "%d of %d" % (len(responses), len(server.log()))
        assert not [one for one in responses if one["estimated"]], "some were lost"
        assert grown < 4096, "%d KiB more with them" % grown
        wait_until(lambda: descriptors(daemon.pid) <= files, what="as many descriptors as before")
        daemon.stop()
        return "%d KiB more; %d refused, %d closed after %.1f s" % (grown, refused, closed, waited)


def test_a_reader_that_stops_is_dropped_and_others_hear_all():
    require_tailrace()
    requests, connections = 1200, 3
    # Else it may tell less, to spare the machine: that is another test's.
    settings = ["cpu-limit = 100%", "memory-limit = 1GiB"]
    with TruthServer() as server, Daemon(server.port, settings=settings) as daemon, daemon.listen(types="response") as quick:
        slow = connect(daemon)
        slow.sendall(b"GET /v1/stream?types=response,flush HTTP/1.1\r\nHost: \r\n\r\n")
        before = slow.recv(4096)
        assert before.startswith(b"HTTP/1.1 200 OK"), before

        def work():
            connection = Connection("127.0.0.1", server.port)
            for _ in range(requests // connections):
                connection.request("/length/2x400")
                time.sleep(0.005)  # the one that reads is Python too, and must keep up
            connection.close()

        drive([work] * connections)
        wait_acknowledged(server.port)
        heard = quick.until(lambda stream: len(stream.of_type("response")) >= requests, 30)
        assert heard, "%d of %d responses; %s; %s" % (len(quick.of_type("response")), requests, quick.ended, clients(daemon))
        told = clients(daemon)
        assert told["dropped_slow"] == 1 and told["open"] == 2, told
        rest = read_all(slow)
        assert not rest.endswith(b"0\r\n\r\n"), "it looks like the end"
        taken = len(before) + len(rest)
        assert not [one for one in quick.of_type("response") if one["estimated"]], "some were lost"
        assert quick.ended is None, quick.ended
        daemon.stop()
        return "dropped after %d bytes; the other heard %d responses" % (taken, requests)


def malformed():
    """(bytes, statuses that may come back)"""
    fields = b"Host: \r\n\r\n"
    yield b"POST /v1/health HTTP/1.1\r\nContent-Length: 2\r\n" + fields + b"ab", {405}
    yield b"DELETE / HTTP/1.1\r\n" + fields, {405}
    yield b"GET / HTTP/1.1\r\nContent-Length: 2\r\n" + fields + b"ab", {413}
    yield b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + fields + b"0\r\n\r\n", {413}
    yield b"GET /v1/../v1/health HTTP/1.1\r\n" + fields, {400}
    yield b"GET /v1/%2e%2e/health HTTP/1.1\r\n" + fields, {400}
    yield b"GET /v1%00 HTTP/1.1\r\n" + fields, {400}
    yield b"GET /v1/responses?limit=1&limit=2 HTTP/1.1\r\n" + fields, {400}
    yield b"GET / HTTP/1.1\r\n\r\n", {400}
    yield b"GET / HTTP/9.9\r\n" + fields, {400, 505}
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", {400}
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 405, 505}
    yield b"GET /" + b"a" * (1 << 20), {431}
    yield b"GET / HTTP/1.1\r\nX: " + b"b" * (1 << 20), {431}
    yield b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (1 << 17), {431}
    yield b"GET / HTTP/1.1\r\nX:" + b" " * (1 << 20), {431}
    choice = random.Random(8)
    for _ in range(20):
        yield bytes(choice.randrange(256) for _ in range(choice.randrange(1, 2000))) + b"\r\n\r\n", {400, 405, 431, 505}


def say(client, data):
    """As much as it takes: who refuses may read no further."""
    try:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_nonsense_is_refused_and_counted():
    require_tailrace()
    with Daemon() as daemon:
        begin = clients(daemon)
        resident = resident_kib(daemon.pid)
        count = 0
        for data, statuses in malformed():
            client = connect(daemon)
            say(client, data)
            reply = read_all(client)
            client.close()
            status = int(reply.split(b" ")[1]) if reply.startswith(b"HTTP/1.") else None
            assert status in statuses, "%r was answered %r" % (data[:60], reply[:200])
            assert json.loads(reply.partition(b"\r\n\r\n")[2])["error"], reply
            count += 1
        # Half a head, and gone.
        for _ in range(50):
            client = connect(daemon)
            client.sendall(b"GET /v1/hea")
            client.close()
        told = wait_until(lambda: (told := clients(daemon))["open"] == 1 and told, what="they are gone")
        assert told["malformed"] - begin["malformed"] in range(count, count + 51), (begin, told)
        grown = resident_kib(daemon.pid) - resident
        assert grown < 4096, "%d KiB more" % grown
        assert daemon.get("/v1/health", method="HEAD").status == 200
        daemon.stop()
        return "%d requests; %d KiB more" % (count, grown)


def test_over_tcp_there_are_metrics_and_nothing_else():
    require_tailrace()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Daemon(settings=["metrics-listen = 127.0.0.1:%d" % port]) as daemon:
        connection = Connection("127.0.0.1", port)
        for target, status in (("/metrics", 200), ("/v1/health", 200), ("/v1/responses", 404), ("/v1/stream", 404),
                               ("/v1/recording", 404), ("/", 404), ("/metrics/", 200)):
            reply = connection.request(target)
            assert reply.status == status, "%s: %d" % (target, reply.status)
        connection.close()
        daemon.stop()


def test_it_begins_where_a_killed_one_left_its_socket():
    require_tailrace()
    with Daemon() as daemon:
        daemon.process.kill()
        daemon.process.wait()
        assert os.path.exists(daemon.socket), "the rig: a killed daemon leaves its socket"
        os.unlink(daemon.path("ready"))
        daemon.start().wait_ready()
        assert daemon.get("/v1/health").status == 200
        # A second one must not take it away.
        second = Daemon(settings=["socket = " + daemon.socket])
        second.start()
        assert second.process.wait(20) == 1, "code %s" % second.process.returncode
        assert "another service answers there" in second.errors(), second.errors()
        second.__exit__()
        assert daemon.get("/v1/health").status == 200
        daemon.stop()
