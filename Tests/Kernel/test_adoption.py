# SPDX-License-Identifier: MIT
"""What was open before tailrace came: found once, told as what it is, and counted from then on."""
import os
import re
import signal
import socket
import subprocess
import time

from load_client import Connection
from namespaces import SERVER_ADDRESS, Namespaces
from open_streams import Cgroup, Reader, ask, flowing, idle, stalled
from servers import Client, TruthServer
from tracer import Tracer, begin_ns, nanoseconds, remote, require_steady, require_tailrace, stage, timeline_text

FLOWING, BLOCKED, QUEUED, PAUSED, IDLE, FAR = 140, 20, 20, 10, 10, 10
RESUMED = 5  # of the blocked ones
EVENT_GAP_MS = 300
BLOCKED_BYTES = 3_000_000
UNKNOWN = ("method", "target", "status", "content_type", "ttff_ns")


def sockets(port, prefix=()):
    """{(address, port) of the peer: (Send-Q, bytes_acked)} of the server's connections, as `ss` tells."""
    output = subprocess.run([*prefix, "ss", "-tinHO", "state", "established", "sport", "=", ":%d" % port],
                            capture_output=True, text=True, check=True).stdout
    found = {}
    for line in output.splitlines():
        fields = line.split()
        address, _, number = fields[3].rpartition(":")
        acked = re.search(r"bytes_acked:(\d+)", line)
        found[address.strip("[]"), int(number)] = int(fields[1]), int(acked.group(1)) if acked else 0
    return found


def wait_stalled(port, count):
    """Until so many connections have bytes that nobody takes, and neither more nor fewer than a moment before."""
    deadline, before = time.monotonic() + 10, None
    while True:
        held = {peer: state for peer, state in sockets(port).items() if state[0] > 20_000}
        if len(held) == count and held == before:
            return held
        assert time.monotonic() < deadline, "the rig's readers are not stalled: %d of %d" % (len(held), count)
        before = held
        time.sleep(0.3)


def check_adopted(response, attached, ready):
    told = {name: response[name] for name in UNKNOWN if response[name] is not None}
    assert not told, "told of what was before: %s" % told
    assert response["adopted"] is True and response["estimated"] is True, "not marked: %s" % response
    assert attached <= begin_ns(response) <= ready, "it begins %.3f s after the tracer did" % (
        (begin_ns(response) - attached) / 1e9)


def sent_between(record, begin, end):
    """What the server sent in that time; and in the 60 ms before it, in which a delayed ACK may still be on its way."""
    since = sum(send["bytes"] for send in record["sends"] if begin < send["before_ns"] <= end)
    just_before = [send["bytes"] for send in record["sends"] if begin - 60_000_000 < send["before_ns"] <= begin]
    return since, since + sum(just_before)


class Rig:
    """200 connections to a server, to one with a small send buffer, and to one in a namespace of its own."""

    def __init__(self, server, small, far, reader):
        self.server, self.small, self.far, self.reader = server, small, far, reader
        self.flowing = flowing(reader, server.port, "/sse/100000x120/gap=%d" % EVENT_GAP_MS, FLOWING)
        self.paused = flowing(reader, server.port, "/sse/2x120/gap=100000", PAUSED)
        self.idle = idle(server.port, IDLE)
        self.blocked = stalled(small.port, "/length/1x%d" % BLOCKED_BYTES, BLOCKED, "127.0.0.2")
        self.queued = stalled(server.port, "/length/1x100000", QUEUED)
        self.held = {**wait_stalled(small.port, BLOCKED), **wait_stalled(server.port, QUEUED)}

    def trace(self):
        pids = [option for server in (self.server, self.small, self.far) for option in ("--pid", server.pid)]
        self.attached = time.time_ns()
        with Tracer(None, *pids) as tracer:
            self.ready = time.time_ns()
            time.sleep(1.2)
            self.answered = [connection.request("/length/2x700").wire_bytes for connection in self.idle[::2]]
            for connection in self.blocked[:RESUMED]:
                connection.setblocking(True)
                self.reader.add(connection)
            time.sleep(0.8)
            for connection in self.blocked[:RESUMED]:
                ask(connection, "/length/1x10")
            time.sleep(1)
            # Nothing moves any more: what was sent until now is what is to be told.
            for server in (self.server, self.small, self.far):
                server.process.send_signal(signal.SIGSTOP)
            self.paused_at = time.time_ns()
            time.sleep(0.2)
            self.report = tracer.stop()
        for server in (self.server, self.small, self.far):
            server.process.send_signal(signal.SIGCONT)

    def close(self):
        for connection in (*self.idle, *self.blocked, *self.queued):
            connection.close()


def check_flowing(rig, told, records):
    """Streams with traffic: all of them, each once, with the bytes since they were found."""
    names = rig.flowing + [tuple(record["remote"]) for record in records if record["remote"][0] not in ("127.0.0.1", "127.0.0.2", "::1")]
    assert len(names) == FLOWING + FAR, "the rig has %d streams" % len(names)
    served = {tuple(record["remote"]): record for record in records}
    for name in names:
        response = told.pop(name, None)
        assert response, "the stream from %s is not listed" % (name,)
        assert response["state"] == "open", response["ended_by"]
        check_adopted(response, rig.attached, rig.ready)
        least, most = sent_between(served[name], begin_ns(response), rig.paused_at)
        assert response["response_bytes"] in (least, most), "%d bytes since it was found, the server sent %d to %d" % (
            response["response_bytes"], least, most)


def check_stalled(rig, told, name):
    response = told.pop(name, None)
    assert response, "the stalled stream from %s is not listed" % (name,)
    check_adopted(response, rig.attached, rig.ready)
    assert response["response_bytes"] == rig.held[name][0], "%d bytes, ss says %d" % (
        response["response_bytes"], rig.held[name][0])
    assert response["socket"]["queued_bytes_max"] >= rig.held[name][0] and response["socket"]["unsent_bytes_max"] > 0
    return response


def check_resumed(rig, told, name, records):
    """Its writer was inside the send call: the rest of that call's bytes, and then an ordinary response."""
    response = told.pop(name, None)
    assert response, "the resumed stream from %s is not listed" % (name,)
    check_adopted(response, rig.attached, rig.ready)
    first, second = (record for record in records if tuple(record["remote"]) == name)
    rest = first["response_bytes"] - rig.held[name][1]
    assert response["response_bytes"] == rest, "%d bytes since it was found, of %d that were left then" % (
        response["response_bytes"], rest)
    assert response["ended_by"] == "complete", response["ended_by"]
    assert stage(response, "blocked") > 0.5e9, "its writer waited: " + timeline_text(response)
    return second


def test_200_open_streams_are_found_and_counted_from_then_on():
    require_tailrace()
    with Namespaces() as link, Reader() as reader, TruthServer() as server, TruthServer("--sndbuf", 65536) as small, \
            TruthServer("--host", SERVER_ADDRESS, prefix=link.server) as far, \
            Client("load_client.py", "--host", SERVER_ADDRESS, "--port", far.port, "--connections", FAR,
                   "--target", "/sse/100000x120/gap=%d" % EVENT_GAP_MS, prefix=link.client) as crowd:
        rig = Rig(server, small, far, reader)
        rig.trace()
        report = rig.report
        resumed = [connection.getsockname()[:2] for connection in rig.blocked[:RESUMED]]
        blocked = [connection.getsockname()[:2] for connection in rig.blocked[RESUMED:]]
        queued = [connection.getsockname()[:2] for connection in rig.queued]
        asked = {connection.local: count for connection, count in zip(rig.idle[::2], rig.answered)}
        rig.close()
        crowd.process.kill()  # or it would complain about its server's end
        records = server.log() + small.log() + far.log()
    assert not [name for name in map(remote, report.responses) if name[1] in (server.port, small.port, far.port)], \
        "a client's own socket was traced"
    ordinary = [response for response in report.responses if not response["adopted"]]
    told = {remote(response): response for response in report.responses if response["adopted"]}
    adopted = sorted(remote(response) for response in report.responses if response["adopted"])
    assert len(told) == len(adopted), "found twice: %s" % sorted(name for name in told if adopted.count(name) > 1)
    check_flowing(rig, told, records)
    for name in queued:
        check_stalled(rig, told, name)
    for name in blocked:
        response = check_stalled(rig, told, name)
        assert stage(response, "blocked") >= 0.8 * response["duration_ns"], "a writer waits: " + timeline_text(response)
    later = [check_resumed(rig, told, name, records) for name in resumed]
    assert not told, "listed without traffic or queued bytes: %s" % list(told.values())[:2]
    check_ordinary(ordinary, asked, later)
    waiting = max(item["socket"]["blocked_writers"] for item in report.of_type("sample"))
    assert waiting == BLOCKED, "%d writers were seen waiting, not %d" % (waiting, BLOCKED)
    assert report.objects[-1]["events"]["adopted"] == FLOWING + PAUSED + IDLE + BLOCKED + QUEUED + FAR, report.objects[-1]
    report_lost = [kind for kind, count in report.loss.items() if count and kind != "unattributed"]
    assert not report_lost, report.loss
    return "%d found" % report.objects[-1]["events"]["adopted"]


def check_ordinary(ordinary, asked, later):
    """Later requests on the same connections: exact, and nothing of idle ones that did not ask."""
    expected = sorted([(name, "/length/2x700", count) for name, count in asked.items()] +
                      [(tuple(record["remote"]), record["target"], record["response_bytes"]) for record in later])
    found = sorted((remote(item), item["target"], item["response_bytes"]) for item in ordinary)
    assert found == expected, "told %s, served %s" % (found, expected)
    for item in ordinary:
        assert (item["method"], item["status"], item["state"], item["estimated"]) == ("GET", 200, "ended", False), item


def three_servers(check):
    with Reader() as reader, TruthServer("--comm", "adopt-one") as one, TruthServer("--comm", "adopt-two") as two, \
            TruthServer("--comm", "adopt-three") as three, Cgroup(three.pid) as cgroup:
        names = {server: sorted(flowing(reader, server.port, "/sse/10000x100/gap=50", 3)) for server in (one, two, three)}
        time.sleep(0.3)

        def found(*options):
            with Tracer(None, *options) as tracer:
                time.sleep(0.9)
                report = tracer.stop()
            return sorted(map(remote, report.responses)), report.objects[-1]["events"]["adopted"]

        return check(names, found, (one, two, three), cgroup)


def test_targets_hold_for_what_is_adopted_too():
    require_tailrace()

    def check(names, found, servers, cgroup):
        one, two, three = servers
        for server, options in ((one, ("--comm", "adopt-one")), (two, ("--pid", two.pid)), (three, ("--cgroup", cgroup.path)),
                                (one, ("--port", one.port))):
            assert found(*options) == (names[server], 3), "%s: found %s, not %s" % (options, found(*options), names[server])
        both = sorted(names[one] + names[two])
        assert found("--comm", "adopt-one", "--comm", "adopt-two") == (both, 6), "two names"
        # This process holds the other ends of them all, and accepted none.
        assert found("--pid", os.getpid()) == ([], 0), "clients' own sockets were adopted"

    return three_servers(check)
