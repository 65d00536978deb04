# SPDX-License-Identifier: MIT
"""The leaky server, built with every release of Go that is here; it knows how many goroutines it has."""
import collections
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time

from servers import SCENARIOS, die_with_parent
from tracer import BINARY, ROOT, Skip, require_tailrace

SOURCE = SCENARIOS / "leaky_server.go"
RELEASES = ROOT / ".build" / "go-versions"  # `make go-versions` puts them there
WITH_C = SCENARIOS / "leaky_server_with_c.go"
STRIPPED = ("-ldflags", "-s -w")
PIE = ("-buildmode=pie",)

_directory = tempfile.TemporaryDirectory(prefix="tailrace-go-")

Release = collections.namedtuple("Release", "name command root")


def releases():
    """Debian's, and those of `make go-versions`."""
    require_tailrace()
    found = []
    if shutil.which("go"):
        found.append(Release("debian", "go", None))
    for directory in sorted(RELEASES.glob("*/go")):
        found.append(Release(directory.parent.name, str(directory / "bin" / "go"), str(directory)))
    if not found:
        raise Skip("needs go")
    return found


def build(release, *flags, with_c=False):
    """Path of the server, built once a run; `with_c`: with code in C in it."""
    name = "-".join(["server-c" if with_c else "server", release.name, *(flag.strip("-").replace(" ", "") for flag in flags)])
    path = os.path.join(_directory.name, name)
    if not os.path.exists(path):
        environment = dict(os.environ, GO111MODULE="off", GOFLAGS="", GOPROXY="off", GOTOOLCHAIN="local",
                           GOCACHE=str(ROOT / ".build" / "go-cache"), CGO_ENABLED=str(int(with_c)))
        environment.pop("GOROOT", None)
        if release.root:
            environment["GOROOT"] = release.root
        sources = [str(SOURCE), *([str(WITH_C)] if with_c else [])]
        done = subprocess.run([release.command, "build", *flags, "-o", path, *sources], env=environment,
                              capture_output=True, text=True)
        assert done.returncode == 0, "Go %s does not build the server: %s" % (release.name, done.stderr[-500:])
    return path


class GoServer:
    """`with GoServer(path) as server:`; server.goroutines() is what runtime.NumGoroutine() says."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.process = subprocess.Popen([self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                                        preexec_fn=die_with_parent)
        line = self.process.stdout.readline()
        assert line, "the server did not start: " + self.path
        greeting = json.loads(line)
        self.port, self.version = greeting["port"], greeting["version"].removeprefix("go")
        return self

    @property
    def pid(self):
        return self.process.pid

    def goroutines(self):
        self.process.stdin.write(b"x")
        return int(self.process.stdout.readline().split()[1])

    def settled(self, wanted=None, seconds=10):
        """The count once it stays the same; `wanted`: once it is that."""
        deadline, last, same = time.monotonic() + seconds, None, 0
        while True:
            now = self.goroutines()
            same = same + 1 if now == last else 0
            last = now
            if same >= 4 and (wanted is None or now == wanted):
                return now
            assert time.monotonic() < deadline, "%d goroutines after %d s, not %s" % (now, seconds, wanted)
            time.sleep(0.05)

    def ask(self, target):
        """A whole response, on a connection of its own."""
        with self.open(target, "Connection: close\r\n") as connection:
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 200"), answer[:100]

    def open(self, target, headers=""):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: test\r\n%s\r\n" % (target.encode(), headers.encode()))
        return connection

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def reset(connection):
    """Closes with an RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def finish(connection):
    """Closes with a FIN: nothing unread may be left."""
    connection.setblocking(False)
    try:
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.002)
        while connection.recv(65536):
            pass
    except OSError:
        pass
    connection.close()


def disconnect(server, target, close, clients):
    """So many clients ask, get the begin of an answer, and go, all at once."""
    streams = [server.open(target) for _ in range(clients)]
    for stream in streams:
        stream.recv(1)
    time.sleep(0.4)
    for stream in streams:
        close(stream)


def census(pid):
    """One census, and what it counts by provider."""
    done = subprocess.run([str(BINARY), "tasks", str(pid), "--json"], capture_output=True, timeout=60)
    assert done.returncode == 0, "exit code %d: %s" % (done.returncode, done.stderr)
    told = json.loads(done.stdout)
    return told, {count["provider"]: count for count in told["counts"]}


def censuses(pid, count, every="10ms"):
    """So many, one after the other, of one run."""
    process = subprocess.Popen([str(BINARY), "tasks", str(pid), "--json", "--watch", every], stdout=subprocess.PIPE,
                               preexec_fn=die_with_parent)
    try:
        found = []
        for _ in range(count):
            line = process.stdout.readline()
            assert line, "it ended by itself, code %s" % process.wait(10)
            found.append(json.loads(line))
        return found
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class CensusWatch:
    """`tasks --watch`, a census after the other."""

    TOLD_WITHIN_S = 20

    def __init__(self, pid):
        self.command = [str(BINARY), "tasks", str(pid), "--json", "--watch", "100ms"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self.next()
        return self

    def next(self):
        return json.loads(self.process.stdout.readline())

    def until(self, holds):
        deadline = time.monotonic() + self.TOLD_WITHIN_S
        while not holds(told := self.next()):
            assert time.monotonic() < deadline, "told for %d s: %s" % (self.TOLD_WITHIN_S, json.dumps(told)[:2000])
        return told

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def open_tasks(told, provider="go"):
    counted = next(count for count in told["counts"] if count["provider"] == provider)
    assert counted["open"] is not None, counted["remark"]
    return counted["open"]


def grouped(told, provider="go"):
    """Tasks in groups, without those of the runtime."""
    return sum(group["count"] for group in told["groups"] if group["provider"] == provider and not group["system"])
