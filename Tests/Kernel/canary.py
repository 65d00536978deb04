# SPDX-License-Identifier: MIT
"""
Requests and responses full of a secret, and everything that the daemon gives out meanwhile: `given_out` is {where: bytes}.

The secret is in queries, fields, cookies, bodies of requests and responses, a password in a target, heads that come in pieces, and
the environment of the server; `path` is a secret that stands in paths only.
"""
import http.client
import http.server
import os
import secrets
import subprocess
import tempfile
import threading
import time

import recording_file
from daemon import LINES, Daemon, UnixConnection, wait_until
from load_client import Connection
from screen import Screen
from servers import TruthServer
from tracer import BINARY

PATHS = ("/", "/v1/health", "/v1/servers", "/v1/responses", "/v1/connections", "/v1/findings", "/v1/pressure", "/v1/samples",
         "/v1/snapshot", "/metrics")
MORE = 12  # responses that end


class Collector:
    """Takes what is sent to it by OTLP/HTTP."""

    def __enter__(self):
        bodies = self.bodies = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Recording:
    """/v1/recording, as it comes; bytes() ends it."""

    def __init__(self, path):
        self.connection = UnixConnection(path, timeout=5)
        self.connection.request("GET", "/v1/recording")
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.status
        self.data = b""
        self.thread = threading.Thread(target=self.collect, daemon=True)
        self.thread.start()

    def collect(self):
        try:
            while piece := self.response.read1(65536):
                self.data += piece
        except (OSError, ValueError, http.client.HTTPException):
            pass


def inflated(data):
    """A recording with its blocks as they were before they were deflated."""
    return data + b"".join(block.payload for block in recording_file.blocks(data))


class Canary:
    def __init__(self, settings=()):
        self.secret, self.path = secrets.token_hex(16), secrets.token_hex(16)  # of 32 bytes each
        self.settings = list(settings)
        self.given_out = {}

    def traffic(self, port):
        fields = ["X-Canary: " + self.secret, "Cookie: session=" + self.secret, "Authorization: Bearer " + self.secret]
        body = ("-- %s --" % self.secret).encode()
        connection = Connection("127.0.0.1", port)
        reply = connection.request("/echo/1x0/p=%s?token=%s" % (self.path, self.secret), method="POST", headers=fields, body=body)
        assert reply.headers["x-canary"] == self.secret and reply.body == body, "the rig does not echo"
        connection.request("/sse/3x200/p=%s?%s" % (self.path, self.secret), headers=fields)
        connection.request("/chunked/3x200/p=%s#%s" % (self.path, self.secret), headers=fields)
        connection.request("/status/404/p=%s?a=%s" % (self.path, self.secret), headers=fields)
        connection.request("http://user:%s@host/length/1x100/p=%s" % (self.secret, self.path), headers=fields)
        connection.request("/length/1x10/p=%s" % self.path, headers=["X-%d: %s" % (number, self.secret * 3) for number in range(60)])
        connection.request("/echo/1x0/p=%s" % self.path, method="POST", body=body * 3000)
        for cut in (8, 40, 70, 110, 160):
            head = "GET /length/1x50/p=%s?%s HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n" % (self.path, self.secret, self.secret)
            connection.open().socket.sendall(head[:cut].encode())
            time.sleep(0.05)
            connection.socket.sendall(head[cut:].encode())
            connection.read_body(connection.read_head(), "GET")
        connection.close()

    def run(self):
        """The server's log. Everything that the daemon gave out is in `given_out` then."""
        with (TruthServer("--sndbuf", 65536, prefix=["env", "CANARY=" + self.secret]) as server, Collector() as collector,
              tempfile.TemporaryDirectory(prefix="tailrace-canary-") as directory):
            with open("/proc/%d/environ" % server.pid, "rb") as environment:
                assert self.secret.encode() in environment.read(), "the rig's server has no secret"
            settings = ["flight-directory = " + directory, "flight-segment = 1s", "otlp-spans = all", "otlp-interval = 1s",
                        "otlp-endpoint = http://127.0.0.1:%d" % collector.port, *self.settings]
            with Daemon(server.port, settings=settings) as daemon:
                self.collect(daemon, server, directory)
            self.given_out["otlp"] = b"".join(collector.bodies)
            return server.log()

    def collect(self, daemon, server, directory):
        given = self.given_out
        recording = Recording(daemon.socket)
        with daemon.listen(types="response,flush,sample,finding,loss") as events, daemon.listen(accept=LINES) as lines:
            stalled = Connection("127.0.0.1", server.port).open()
            stalled.send("/length/1x9000000/p=%s?token=%s" % (self.path, self.secret), headers=["Cookie: " + self.secret])
            stalled.read_head()
            self.traffic(server.port)
            wait_until(lambda: len(lines.of_type("response")) >= MORE, what="all responses")
            assert lines.until(lambda stream: stream.of_type("finding")), "no finding"
            with Screen("top", "--socket", daemon.socket) as top:
                for key in "12345":
                    top.press(key)
                    top.read(0.7)
                top.press("2\r")
                top.read(0.7)
                given["top"] = top.data
            self.ask(daemon)
            stalled.close()
            time.sleep(1.2)
        daemon.get("/v1/nothing?" + "x" * 20)
        self.memory = bytes_of(daemon.pid)
        log = daemon.stop()
        recording.thread.join(5)
        given.update({"events": events.raw, "lines": lines.raw, "log": log.encode(), "recording": inflated(recording.data)})
        with open(daemon.path("stdout"), "rb") as file:
            given["stdout"] = file.read()
        self.read_files(directory, recording)

    def ask(self, daemon):
        for target in PATHS:
            self.given_out[target] = daemon.get(target).body
        self.given_out["openmetrics"] = daemon.get("/metrics", headers={"Accept": "application/openmetrics-text"}).body
        for item in daemon.ask("/v1/responses")["open"]:
            self.given_out["/v1/responses/" + item["id"]] = daemon.get("/v1/responses/" + item["id"]).body

    def read_files(self, directory, recording):
        names = [os.path.join(root, name) for root, _, names in os.walk(directory) for name in names]
        segments = [name for name in names if os.path.getsize(name) > 100]
        assert segments, "the flight recorder wrote nothing"
        for name in names:
            with open(name, "rb") as file:
                data = file.read()
            self.given_out["flight " + os.path.basename(name)] = inflated(data) if data.startswith(recording_file.MAGIC) else data
        with open(os.path.join(directory, "stream.trc"), "wb") as file:
            file.write(recording.data)
        for form in ("html", "json", "text"):
            done = subprocess.run([str(BINARY), "report", file.name, "--format", form], capture_output=True, check=True)
            self.given_out["report " + form] = done.stdout + done.stderr


def bytes_of(pid):
    """All that is readable in its memory, as root sees it."""
    parts = []
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            begin, end = (int(number, 16) for number in place.split("-"))
            if not rights.startswith("r") or "[v" in line:
                continue
            try:
                memory.seek(begin)
                parts.append(memory.read(min(end - begin, 1 << 28)))
            except (OSError, ValueError, OverflowError):
                pass
    return b"".join(parts)


def pieces(secret, length=10):
    """Each part of it that is no accident."""
    return [secret[start:start + length].encode() for start in range(len(secret) - length + 1)]


def found(given_out, secret):
    """Where a piece of it stands, and what is around."""
    for where, data in given_out.items():
        for piece in pieces(secret):
            place = data.find(piece)
            if place >= 0:
                yield where, data[max(0, place - 60):place + 60]
                break
