# SPDX-License-Identifier: MIT
"""A server whose every send and read call is written down in the test: a function that is given each accepted connection."""
import socket
import struct
import threading
import time

from servers import send_queues
from tracer import Tracer, require_tailrace

LIMIT_S = 20


class Scripted:
    """`talk(connection)` runs in a thread of its own for each connection; its error is raised at the end."""

    def __init__(self, talk, **options):
        self.talk, self.options = talk, options
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.threads, self.errors = [], []

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(LIMIT_S)
            if self.options.get("nodelay", True):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self.serve, args=(connection,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def serve(self, connection):
        try:
            with connection:
                self.talk(connection)
        except Exception as error:  # raised by whoever waits
            self.errors.append(error)

    def join(self):
        for thread in self.threads:
            thread.join(LIMIT_S)
        if self.errors:
            raise AssertionError("the rig's server failed: %r" % self.errors[0]) from self.errors[0]

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def read_until(connection, mark, data=b""):
    while mark not in data:
        piece = connection.recv(65536)
        assert piece, "the connection ended before %r" % mark
        data += piece
    return data


def read_exactly(connection, count, data=b""):
    while len(data) < count:
        piece = connection.recv(count - len(data))
        assert piece, "the connection ended after %d of %d bytes" % (len(data), count)
        data += piece
    return data


def read_all(connection):
    data = b""
    while True:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece


def read_nothing_more(connection):
    """The peer is done: waits for its FIN."""
    rest = read_all(connection)
    assert not rest, "unexpected bytes: %r" % rest[:80]


def reset(connection):
    """Leaves with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def wait_settled(port, seconds=5):
    """Everything that was sent is acknowledged, or its connection is gone."""
    deadline = time.monotonic() + seconds
    while any(send_queues(port)):
        assert time.monotonic() < deadline, "the rig's bytes are not acknowledged after %d s" % seconds
        time.sleep(0.01)
    time.sleep(0.05)  # the ACK may come before the send call returns


def traced(talk, *asks, keeps_open=True, by=Tracer, options=(), **server_options):
    """
    The report of a connection for each of `asks`, one after the other: `talk` serves, `ask` is the client. `keeps_open`: the
    run ends before the connections do, so that a response has to end by itself.
    """
    require_tailrace()
    clients = []
    with Scripted(talk, **server_options) as server, by(server.port, *options) as tracer:
        try:
            for ask in asks:
                clients.append(socket.create_connection(("127.0.0.1", server.port), LIMIT_S))
                clients[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ask(clients[-1])
                if not keeps_open:
                    clients[-1].close()
            if not keeps_open:
                server.join()
            wait_settled(server.port)
            report = tracer.stop()
        finally:
            for client in clients:
                client.close()
        server.join()
    report.check_no_loss()
    return report


def told(report, *names):
    """These fields of every response that ended, in order."""
    return [tuple(response[name] for name in names) for response in report.ended]


def check(report, names, expected, open_count=0):
    found = told(report, *names.split())
    assert found == expected, "told %s, not %s" % (found, expected)
    assert len(report.open) == open_count, "%d open: %s" % (
        len(report.open), [(item["method"], item["target"], item["response_bytes"]) for item in report.open])
    return "%d responses" % len(found)
