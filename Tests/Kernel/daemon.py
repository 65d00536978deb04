# SPDX-License-Identifier: MIT
"""
The daemon under test: starts `tailrace daemon` with settings and a socket of its own, asks it, listens to it, and ends it.

    with Daemon(server.port) as daemon:
        print(daemon.ask("/v1/servers"))
        with daemon.listen(types="response") as stream: ...
        daemon.stop()
"""
import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time

from servers import die_with_parent
from tracer import BINARY, ENDS_WITHIN_S, NOT_FOR_THIS_USER, NOT_ON_THIS_KERNEL, OPTIONS, READY_WITHIN_S, Skip, require_tailrace

ANSWERS_WITHIN_S = 20
EVENTS, LINES = "text/event-stream", "application/x-ndjson"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket, and nothing else than the standard client."""

    def __init__(self, path, timeout=ANSWERS_WITHIN_S):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Reply:
    """What came back, whole."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def type(self):
        return self.headers.get("content-type", "")

    def json(self):
        return json.loads(self.body)

    @property
    def sentence(self):
        """Of a refusal."""
        return self.json()["error"]


def ask(path, target, method="GET", headers=None, timeout=ANSWERS_WITHIN_S):
    """One request on a connection of its own."""
    connection = UnixConnection(path, timeout)
    try:
        connection.request(method, target, headers=headers or {})
        return Reply(connection.getresponse())
    finally:
        connection.close()


class Stream:
    """What is told as it happens: `raw` bytes, and `objects` as they are complete. A thread reads; close() ends it."""

    def __init__(self, path, target, accept=EVENTS):
        self.connection = UnixConnection(path, timeout=None)
        self.connection.request("GET", target, headers={"Accept": accept})
        self.response = self.connection.getresponse()
        self.status, self.type = self.response.status, self.response.getheader("content-type")
        self.is_lines = accept == LINES
        self.raw, self.objects, self.kinds, self.comments = b"", [], [], 0
        self.left = b""
        self.ended = None  # why it ended
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.collect, daemon=True)
        self.thread.start()

    def collect(self):
        try:
            while True:
                data = self.response.read1(65536)
                if not data:
                    break
                with self.changed:
                    self.raw += data
                    self.left += data
                    self.take()
                    self.changed.notify_all()
            reason = "the end"
        except (OSError, ValueError, AttributeError, http.client.HTTPException) as error:
            reason = repr(error)
        with self.changed:
            self.ended = reason
            self.changed.notify_all()

    def take(self):
        mark = b"\n" if self.is_lines else b"\n\n"
        while mark in self.left:
            block, _, self.left = self.left.partition(mark)
            (self.take_line if self.is_lines else self.take_event)(block)

    def take_line(self, line):
        item = json.loads(line)
        self.kinds.append(item["type"])
        self.objects.append(item)

    def take_event(self, block):
        """As the standard has it: fields a line, a line that begins with a colon is a comment."""
        fields = {}
        for line in block.decode("utf-8").split("\n"):
            name, _, value = line.partition(":")
            if not name:
                self.comments += 1
                continue
            assert name in ("event", "data", "id", "retry"), "no field of an event: %r" % line
            assert name not in fields, "a field twice in an event: %r" % block
            fields[name] = value.removeprefix(" ")
        if fields:
            self.kinds.append(fields["event"])
            self.objects.append(json.loads(fields["data"]))

    def of_type(self, name):
        with self.changed:
            return [item for item in self.objects if item["type"] == name]

    def until(self, holds, seconds=15):
        """Waits until `holds(self)`; its value then."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                value = holds(self)
                if value or self.ended or time.monotonic() >= deadline:
                    return value
                self.changed.wait(0.05)

    def close(self):
        sock = self.connection.sock or getattr(getattr(self.response.fp, "raw", None), "_sock", None)
        if sock:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join(5)
        self.response.close()
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wait_until(holds, seconds=15, what="it", every=0.02):
    """Polls; its value, or the test fails."""
    deadline = time.monotonic() + seconds
    while True:
        value = holds()
        if value:
            return value
        assert time.monotonic() < deadline, "%s did not happen within %d s" % (what, seconds)
        time.sleep(every)


class Daemon:
    """
    `with Daemon(port):` has it ready; leaves nothing behind.

    `ports`: traced ones; none: everything. `settings`: lines of the file beside them. `prefix`: a command that starts it.
    `directory`: where its files are, if they shall outlive it.
    """

    def __init__(self, *ports, settings=(), options=(), environment=None, prefix=(), directory=None):
        require_tailrace()
        self.own_directory = None if directory else tempfile.TemporaryDirectory(prefix="tailrace-daemon-")
        self.directory = directory or self.own_directory.name
        os.chmod(self.directory, 0o755)  # a prefix may start it as another user
        self.socket = self.path("socket")
        self.settings, self.ports = list(settings), ports
        self.options, self.prefix = options, prefix
        self.environment = environment
        self.process = None
        self.configure(*ports)

    def path(self, name):
        return os.path.join(self.directory, name)

    @property
    def config(self):
        return self.path("tailrace.conf")

    def configure(self, *ports, settings=None):
        """Writes the file; what stands in `settings` comes instead of the defaults here."""
        own = self.settings if settings is None else list(settings)
        keys = {line.partition("=")[0].strip() for line in own}
        defaults = ["socket = " + self.socket, "socket-group = nogroup", "flight-directory ="]
        lines = [line for line in defaults if line.partition("=")[0].strip() not in keys]
        lines += ["port = %d" % port for port in ports] + own
        with open(self.config, "w") as file:
            file.write("\n".join(lines) + "\n")

    def command(self):
        return [*self.prefix, str(BINARY), "daemon", "--config", self.config, "--ready-file", self.path("ready"), *OPTIONS,
                *self.options]

    def start(self):
        """Without waiting."""
        with open(self.path("stdout"), "ab") as output, open(self.path("stderr"), "ab") as errors:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                                            env=dict(os.environ, **(self.environment or {})), preexec_fn=die_with_parent)
        return self

    def wait_ready(self):
        deadline = time.monotonic() + READY_WITHIN_S
        while not os.path.exists(self.path("ready")):
            code = self.process.poll()
            if code in (NOT_ON_THIS_KERNEL, NOT_FOR_THIS_USER):
                raise Skip("tailrace cannot trace here: " + self.errors().strip()[:300])
            assert code is None, "exit code %d before it was ready: %s" % (code, self.errors()[-500:])
            assert time.monotonic() < deadline, "not ready after %d s: %s" % (READY_WITHIN_S, self.errors()[-500:])
            time.sleep(0.01)

    def __enter__(self):
        try:
            self.start().wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def pid(self):
        return self.process.pid

    def errors(self):
        """Its log."""
        with open(self.path("stderr"), "rb") as file:
            return file.read().decode("utf-8")

    def wait_log(self, text, seconds=15, after=0):
        """Until the log has `text` behind its first `after` characters."""
        return wait_until(lambda: text in self.errors()[after:], seconds, "%r in the log" % text)

    # Questions.

    def get(self, target, method="GET", headers=None):
        return ask(self.socket, target, method, headers)

    def ask(self, target):
        """The object; anything but 200 fails."""
        reply = self.get(target)
        assert reply.status == 200, "%s: %d %s" % (target, reply.status, reply.body[:300])
        return reply.json()

    def listen(self, types=None, accept=EVENTS):
        """A stream; it listens already, `meta` has come."""
        stream = Stream(self.socket, "/v1/stream" + ("?types=" + types if types else ""), accept)
        if stream.status == 200:
            assert stream.until(lambda stream: stream.objects, 10), "no first object: %r" % stream.raw[:200]
        return stream

    # What it is told.

    def notice(self, number):
        """A signal."""
        self.process.send_signal(number)

    def reload(self, *ports, settings=None):
        """Writes the file anew and says so; waits until the log has a sentence more."""
        self.configure(*ports, settings=settings)
        before = len(self.errors())
        self.notice(signal.SIGHUP)
        wait_until(lambda: len(self.errors()) > before, 15, "a sentence about the settings")
        return self.errors()[before:]

    def end(self, how=signal.SIGTERM):
        """Its exit code."""
        self.notice(how)
        try:
            return self.process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise AssertionError("still there %d s after signal %d: %s" % (ENDS_WITHIN_S, how, self.errors()[-500:])) from None

    def stop(self):
        """Ends it in order, and says what it logged."""
        assert self.process.poll() is None, "it ended by itself, code %s: %s" % (self.process.returncode, self.errors()[-1000:])
        code = self.end()
        assert code == 0, "exit code %d: %s" % (code, self.errors()[-500:])
        assert not os.path.exists(self.socket), "the socket's file is still there"
        return self.errors()

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.own_directory:
            self.own_directory.cleanup()
