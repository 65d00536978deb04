# SPDX-License-Identifier: MIT
"""What is not HTTP/1: seen as such, delimited by changes of direction or by the connection's end, never guessed at."""
import os
import socket
import ssl
import struct
import subprocess
import tempfile
import time

from real_server import settled
from scripted import check, read_exactly, read_nothing_more, read_until, told, traced
from servers import SCENARIOS, Program
from test_delimitation import OK, request
from tracer import Tracer, require_command, require_tailrace

H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, payload=b""):
    """RFC 9113 section 4.1."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def test_a_banner_is_a_response_without_a_request():
    """A server that speaks first, as SMTP does."""
    lines = [(b"EHLO x\r\n", b"250-hello\r\n250 OK\r\n"), (b"NOOP\r\n", b"250 OK\r\n"), (b"QUIT\r\n", b"221 bye\r\n")]

    def talk(connection):
        connection.sendall(b"220 ready\r\n")
        for asked, answer in lines:
            read_exactly(connection, len(asked))
            connection.sendall(answer)

    def ask(client):
        read_exactly(client, 11)
        for asked, answer in lines:
            time.sleep(0.01)
            client.sendall(asked)
            read_exactly(client, len(answer))
        read_nothing_more(client)

    return check(traced(talk, ask, keeps_open=False), "protocol method target status request_bytes response_bytes ended_by", [
        ("opaque", None, None, None, 0, 11, "complete"),
        *(("opaque", None, None, None, len(asked), len(answer), "complete") for asked, answer in lines)])


def test_a_websocket_is_one_response_until_its_end():
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    asked = request("/chat", headers=b"Upgrade: websocket\r\nConnection: Upgrade\r\n")
    ours, theirs = b"\x81\x05hello", b"\x81\x85abcd" + b"\x09\x04\x0f\x08\x0e"

    def talk(connection):
        read_until(connection, b"\r\n\r\n")
        connection.sendall(switch)
        for _ in range(15):
            connection.sendall(ours)
            read_exactly(connection, len(theirs))
            connection.sendall(b"\x82\x0fGET / HTTP/1.1\r\n")  # like a request, in the middle of it
        connection.sendall(b"\x88\x00")

    def ask(client):
        client.sendall(asked)
        read_exactly(client, len(switch))
        for _ in range(15):
            read_exactly(client, len(ours))
            time.sleep(0.002)
            client.sendall(theirs)
            read_exactly(client, 18)
        read_exactly(client, 2)
        read_nothing_more(client)

    return check(traced(talk, ask, keeps_open=False), "method target status streaming request_bytes response_bytes ended_by", [
        ("GET", "/chat", 101, True, len(asked) + 15 * len(theirs), len(switch) + 15 * (len(ours) + 18) + 2, "complete")])


def test_http2_prior_knowledge_is_seen_and_not_parsed():
    settings, acknowledgement = frame(4), frame(4, 1)
    headers, data = frame(1, 4, 1, b"\x88"), frame(0, 1, 1, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")
    asked = frame(1, 5, 1, b"\x82\x84\x86")

    def talk(connection):
        read_exactly(connection, len(H2_PREFACE) + len(settings))
        connection.sendall(settings + acknowledgement)
        for _ in range(3):
            read_exactly(connection, len(asked))
            connection.sendall(headers)
            connection.sendall(data)
        read_nothing_more(connection)

    def ask(client):
        client.sendall(H2_PREFACE + settings)
        read_exactly(client, len(settings) + len(acknowledgement))
        for _ in range(3):
            client.sendall(asked)
            read_exactly(client, len(headers) + len(data))
            time.sleep(0.01)

    report = traced(talk, ask)
    found = told(report, "protocol", "method", "target", "status", "content_type")
    found += [tuple(item[name] for name in ("protocol", "method", "target", "status", "content_type"))
              for item in report.open]
    assert set(found) == {("http/2", None, None, None, None)}, found
    sent = sum(response["response_bytes"] for response in report.responses)
    assert sent == len(settings) + len(acknowledgement) + 3 * (len(headers) + len(data)), sent
    return "%d turns" % len(found)


def test_http2_of_node_and_curl_is_seen_and_not_parsed():
    require_command("node")
    require_command("curl")
    require_tailrace()
    with Program(["node", str(SCENARIOS / "node_server.js"), "http2"]) as server, Tracer(server.port) as tracer:
        bodies = 0
        for path in ("small/700", "sse/5/10", "small/30000"):
            done = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-w", "%{stderr}%{http_version}",
                                   "http://127.0.0.1:%d/%s" % (server.port, path)],
                                  capture_output=True, check=True, timeout=30)
            assert done.stderr == b"2", "the rig does not speak HTTP/2: %r" % done.stderr
            bodies += len(done.stdout)
        report = settled(tracer, server.port)
    for response in report.responses:
        fields = [response[name] for name in ("protocol", "method", "target", "status", "content_type")]
        assert fields == ["http/2", None, None, None, None], fields
    sent = sum(response["response_bytes"] for response in report.responses)
    assert sent > bodies > 30000, "%d bytes, the bodies alone are %d" % (sent, bodies)
    report.check_no_loss()
    return "%d turns" % len(report.responses)


def certificate(directory):
    require_command("openssl")
    names = [os.path.join(directory, name) for name in ("key", "certificate")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", names[0], "-out", names[1], "-subj", "/CN=localhost", "-days", "2"],
                   check=True, capture_output=True)
    return names


class CountingTLS:
    """A TLS client that counts the ciphertext that came."""

    def __init__(self, client):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.client, self.received = client, 0
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)

    def run(self, step, *arguments):
        while True:
            try:
                result = step(*arguments)
                break
            except ssl.SSLWantReadError:
                self.flush()
                data = self.client.recv(65536)
                assert data, "the connection ended inside TLS"
                self.received += len(data)
                self.incoming.write(data)
        self.flush()
        return result

    def flush(self):
        data = self.outgoing.read()
        if data:
            self.client.sendall(data)


def test_tls_is_seen_and_not_parsed():
    with tempfile.TemporaryDirectory(prefix="tailrace-tls-") as directory:
        key, chain = certificate(directory)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        received = []

        def talk(connection):
            with context.wrap_socket(connection, server_side=True) as tls:
                while tls.recv(4096):
                    tls.sendall(OK)

        def ask(client):
            tls = CountingTLS(client)
            tls.run(tls.tls.do_handshake)
            for number in range(10):
                tls.run(tls.tls.write, request("/secret/%d" % number))
                body = b""
                while len(body) < len(OK):
                    body += tls.run(tls.tls.read, 4096)
            received.append(tls.received)

        report = traced(talk, ask)
    for response in report.responses:
        fields = [response[name] for name in ("protocol", "method", "target", "status", "content_type")]
        assert fields == ["tls", None, None, None, None], fields
    sent = sum(response["response_bytes"] for response in report.responses)
    assert sent == received[0], "%d bytes of ciphertext, the client got %d" % (sent, received[0])
    assert len(report.responses) >= 11, "%d turns for a handshake and 10 requests" % len(report.responses)
    return "%d turns" % len(report.responses)


def test_a_line_protocol_ends_at_each_change_of_direction():
    def talk(connection):
        for number in range(30):
            read_exactly(connection, 6)
            connection.sendall(b"+PONG\r\n")
            if number % 3 == 0:
                connection.sendall(b"+MORE\r\n")
        read_nothing_more(connection)

    def ask(client):
        for number in range(30):
            client.sendall(b"PING\r\n")
            read_exactly(client, 14 if number % 3 == 0 else 7)
        client.shutdown(socket.SHUT_WR)
        read_nothing_more(client)

    report = traced(talk, ask, keeps_open=False)
    return check(report, "protocol status response_bytes ended_by",
                 [("opaque", None, 14 if number % 3 == 0 else 7, "complete") for number in range(30)])
