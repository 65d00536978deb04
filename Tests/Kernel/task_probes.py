# SPDX-License-Identifier: MIT
"""A server with jobs that knows how many are open, and the run that counts them by two of its functions."""
import json
import re
import select
import socket
import subprocess
import time

from native import native
from servers import die_with_parent
from tracer import BINARY, run_to_end


class JobServer:
    """`with JobServer() as server:`; server.jobs() is (open, opened), as the server itself counts."""

    def __init__(self, prefix=(), path=None):
        self.command = [*prefix, path or native("job_server")]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                                        preexec_fn=die_with_parent)
        self.port = json.loads(self.process.stdout.readline())["port"]
        return self

    @property
    def pid(self):
        return self.process.pid

    def jobs(self):
        self.process.stdin.write(b"x")
        return tuple(map(int, self.process.stdout.readline().split()))

    def become_another(self):
        self.process.stdin.write(b"e")

    def settled(self, wanted, seconds=20):
        deadline = time.monotonic() + seconds
        while (now := self.jobs())[0] != wanted:
            assert time.monotonic() < deadline, "%d jobs are open, not %d" % (now[0], wanted)
            time.sleep(0.02)
        return now

    def open(self, target):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: test\r\n\r\n" % target.encode())
        return connection

    def ask(self, target):
        with self.open(target) as connection:
            while connection.recv(65536):
                pass

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def refusal(pid, open_at, close_at, *more):
    """The sentence that says why tasks cannot be counted so; None: they can."""
    done = run_to_end("tasks", pid, "--json", "--task-probe", "open=%s,close=%s" % (open_at, close_at), *more)
    if done.returncode == 0:
        return None
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and not done.stdout, done
    return done.stderr.decode()


def accepted(pid, open_at, close_at):
    """The pair, each place moved to where the refusal says that it is better."""
    for _ in range(3):
        sentence = refusal(pid, open_at, close_at)
        if sentence is None:
            return open_at, close_at
        told = re.search(r"cannot count tasks at (\S+): .* give ([^ ,\n]+)", sentence)
        assert told, sentence
        open_at, close_at = (told.group(2) if at == told.group(1) else at for at in (open_at, close_at))
    raise AssertionError("what is offered is refused: " + sentence)


class ProbeWatch:
    """`tailrace tasks --watch` with a probe; newest() is the count that is told after now."""

    def __init__(self, pid, open_at, close_at, *more):
        self.command = [str(BINARY), "tasks", str(pid), "--json", "--watch", "20ms", "--task-probe",
                        "open=%s,close=%s" % (open_at, close_at), *more]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                                        preexec_fn=die_with_parent)
        self.newest()
        return self

    def line(self):
        line = self.process.stdout.readline()
        assert line, "it ended: %s" % self.process.communicate()[1]
        return json.loads(line)

    def newest(self):
        """What it tells of the pair; all that was told before is passed over."""
        told = self.line()
        while select.select([self.process.stdout], [], [], 0)[0]:
            told = self.line()
        self.line()  # it may have been in the making
        told = self.line()
        return next(count for count in told["counts"] if count["provider"] == "uprobe")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
