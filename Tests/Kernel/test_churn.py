# SPDX-License-Identifier: MIT
"""Connections that come and go in every way that there is: nothing of them stays, and every response is there."""
import os
import socket
import struct
import subprocess
import time

from held import Held
from load_client import Connection
from namespaces import SERVER_ADDRESS, Namespaces
from native import LedgerServer, Swarm, resident_bytes
from servers import wait_acknowledged
from tracer import Tracer, begin_ns, remote, require_steady, require_tailrace
from truth import by_connection, path

SECONDS = int(os.environ.get("STRESS_SECONDS", "10"))
RATE = 333  # new connections a second: 20,000 a minute
IDLE_MS, PATIENCE_MS = 800, 1500
VANISHING = 40
QUEUE = 8  # of a listener that nobody accepts from
LIMIT, OPENED = 64, 100
FIELDS = ("method", "target", "status", "request_bytes", "response_bytes")


def facts(item):
    return tuple(path(item[name]) if name == "target" and item[name] else item[name] for name in FIELDS)


def unaccepted(port):
    """Connections that wait in the queue of a listener, or do not even get into it; some leave by FIN, some by RST."""
    clients = []
    for _ in range(3 * QUEUE):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
        clients.append(client)
    time.sleep(0.2)
    for number, client in enumerate(clients):
        try:
            client.send(b"GET /s/200/5 HTTP/1.1\r\nHost: s\r\n\r\n")
        except BlockingIOError:
            pass  # its handshake is not over, and never will be
        if number % 3 == 0:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if number % 3 < 2:
            client.close()
    return clients


def check_responses(responses, ledger):
    """Every response of the ledger is told once, exactly, also those whose client left in the middle."""
    told = by_connection(responses, remote, begin_ns)
    served = by_connection(ledger, lambda entry: tuple(entry["remote"]), lambda entry: entry["begin_ns"])
    for name in sorted(set(told) | set(served)):
        seen, done = [list(map(facts, group.get(name, ()))) for group in (told, served)]
        assert seen == done, "from %s: told %s, served %s" % (name, seen, done)


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


class Churn:
    """A run over all of it, with more tracers that come in the middle."""

    def __init__(self, link, held):
        self.link, self.held, self.late = link, held, []

    def run(self):
        with LedgerServer(SERVER_ADDRESS, idle_ms=IDLE_MS, patience_ms=PATIENCE_MS, prefix=self.link.server) as server, \
                LedgerServer(backlog=QUEUE) as deaf, Tracer(server.port, "--port", deaf.port) as tracer:
            deaf.toggle_accepting()
            clients = unaccepted(deaf.port)
            churn = Swarm("churn", SERVER_ADDRESS, server.port, SECONDS, RATE, prefix=self.link.server)
            gone = Swarm("hold", SERVER_ADDRESS, server.port, SECONDS, VANISHING, 40, prefix=self.link.client)
            try:
                self.during(server, tracer, churn, gone)
            finally:
                for swarm in (churn, gone):
                    swarm.__exit__()
                for late in self.late:
                    late.__exit__()
            deaf.end()  # with connections in its queue
            for client in clients:
                client.close()
            self.held.wait_empty(tracer.process.pid, 8)
            self.after = resident_bytes(tracer.process.pid), descriptors(tracer.process.pid)
            time.sleep(1)
            self.report = tracer.stop()
            self.ledger = server.log()

    def during(self, server, tracer, churn, gone):
        time.sleep(SECONDS * 0.4)
        # Their cable is cut: no FIN, no RST, no ACK.
        subprocess.run(["ip", "-n", self.link.client_name, "link", "set", "way", "down"], check=True)
        time.sleep(SECONDS * 0.1)
        self.half = resident_bytes(tracer.process.pid), descriptors(tracer.process.pid)
        for _ in range(3):  # they find connections that end while they look
            self.late.append(Tracer(server.port).__enter__())
        self.results = churn.results()
        gone.__exit__()
        self.late_reports = []
        for late in self.late:
            self.held.wait_empty(late.process.pid, 8)
            self.late_reports.append(late.stop())


def check_nothing_left(churn):
    for report in (churn.report, *churn.late_reports):
        assert report.objects[-1]["counts"]["connections"] == 0, report.objects[-1]["counts"]
        assert not report.open, "%d open at the end: %s" % (len(report.open), report.open[0])
        lost = {kind: count for kind, count in report.loss.items() if count and kind not in ("missed", "unattributed")}
        assert not lost, "loss: %s" % report.loss
    (half_bytes, half_descriptors), (bytes_after, descriptors_after) = churn.half, churn.after
    assert bytes_after <= 1.3 * half_bytes + 1e6, "memory grew from %d to %d bytes in the second half" % (
        half_bytes, bytes_after)
    assert descriptors_after <= half_descriptors, "%d descriptors, %d at half time" % (descriptors_after, half_descriptors)


def test_20000_connections_a_minute_leave_nothing_behind():
    require_tailrace()
    with Namespaces() as link, Held() as held:
        churn = Churn(link, held)
        churn.run()
    begun = sum(kind["begun"] for kind in churn.results.values() if isinstance(kind, dict))
    require_steady(begun > 0.9 * RATE * SECONDS, "only %d connections" % begun)
    check_nothing_left(churn)
    check_responses(churn.report.responses, churn.ledger)
    ends = {ending: sum(item["ended_by"] == ending for item in churn.report.ended)
            for ending in ("client_reset", "timeout", "server_close", "complete")}
    assert ends["timeout"] == VANISHING and ends["client_reset"] >= begun / 10, "ends: %s" % ends
    return "%d connections, %d responses %s; memory %.1f, then %.1f MB" % (
        begun, len(churn.ledger), ends, churn.half[0] / 1e6, churn.after[0] / 1e6)


test_20000_connections_a_minute_leave_nothing_behind.limit_s = 120 + 6 * SECONDS


def limited(open_before):
    """100 connections, a limit of 64; ten of those that are followed leave, and ten others come."""
    require_tailrace()
    with LedgerServer() as server:
        def come(count):
            return [Connection("127.0.0.1", server.port).open() for _ in range(count)]

        connections = come(OPENED) if open_before else []
        if open_before:
            time.sleep(0.2)  # they are accepted
        with Tracer(server.port, "--max-connections", LIMIT) as tracer:
            connections = connections or come(OPENED)
            for turn in range(3):
                for connection in connections:
                    connection.request("/s/200/%d" % (100 * turn + 7))
                time.sleep(0.6)  # also over the second search for open connections
            wait_acknowledged(server.port)
            names = [connection.local for connection in connections]
            # Which were found first, nobody says: all leave that were followed. Then there is room again.
            for connection in connections:
                connection.close()
            time.sleep(0.2)
            later = come(10)
            for connection in later:
                connection.request("/s/404/9")
            wait_acknowledged(server.port)
            report = tracer.stop()
            more = [connection.local for connection in later]
            for connection in later:
                connection.close()
        return report, server.log(), names, more


def check_limit(report, ledger, names, more):
    assert report.loss["untracked"] == OPENED - LIMIT, "%d of %d are told untracked" % (report.loss["untracked"], OPENED)
    told = set(map(remote, report.responses))
    assert len(told & set(names)) == LIMIT, "responses of %d connections" % len(told & set(names))
    assert told >= set(more), "a connection that came later is missing"
    check_responses(report.responses, [entry for entry in ledger if tuple(entry["remote"]) in told])
    estimated = [response for response in report.responses if response["estimated"]]
    assert not estimated, "estimated: %s" % estimated[:1]
    return told


def test_connections_beyond_the_limit_are_counted():
    report, ledger, names, more = limited(open_before=False)
    told = check_limit(report, ledger, names, more)
    assert told == set(names[:LIMIT]) | set(more), "the first %d are followed, and nothing drives them out" % LIMIT


def test_open_connections_beyond_the_limit_are_counted_once():
    report, ledger, names, more = limited(open_before=True)
    check_limit(report, ledger, names, more)
    assert report.objects[-1]["events"]["adopted"] == LIMIT, report.objects[-1]["events"]
