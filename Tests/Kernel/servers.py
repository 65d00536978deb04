# SPDX-License-Identifier: MIT
"""Starts and ends the servers and clients of Tests/Scenarios, each in a process of its own."""
import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

SCENARIOS = pathlib.Path(__file__).resolve().parent.parent / "Scenarios"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_parent():
    """Runs in the child: whatever kills the test run takes its servers along."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def scenario(script, *arguments):
    return [sys.executable, str(SCENARIOS / script), *map(str, arguments)]


class Program:
    """A server that prints {"port": N} when it listens."""

    def __init__(self, command):
        self.command = command
        self.process = None
        self.port = None
        self.said = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        preexec_fn=die_with_parent)
        line = self.process.stdout.readline()
        if not line:
            self.__exit__()
            raise AssertionError("the server did not start: " + " ".join(self.command))
        self.said = json.loads(line)
        self.port = self.said["port"]
        return self

    @property
    def pid(self):
        return self.process.pid

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __exit__(self, *_):
        if self.process and not self.process.stdout.closed:
            self.end()


class Server(Program):
    """A scenario in Python."""

    def __init__(self, script, *arguments, prefix=()):
        super().__init__([*prefix, *scenario(script, *arguments)])


class TruthServer(Server):
    """The server that logs what it does; log() ends it and gives the log, in the order of the requests."""

    def __init__(self, *arguments, prefix=()):
        self.directory = tempfile.TemporaryDirectory(prefix="tailrace-truth-")
        self.log_path = os.path.join(self.directory.name, "log")
        super().__init__("truth_server.py", "--log", self.log_path, *arguments, prefix=prefix)

    def log(self):
        self.end()
        with open(self.log_path) as file:
            return [json.loads(line) for line in file]

    def __exit__(self, *_):
        super().__exit__()
        self.directory.cleanup()


class Client:
    """A scenario that prints JSON lines and ends by itself; results() waits for it."""

    def __init__(self, script, *arguments, prefix=()):
        self.process = subprocess.Popen([*prefix, *scenario(script, *arguments)], stdout=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def __enter__(self):
        return self

    def results(self, timeout=60):
        output, _ = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0, "the client failed: " + " ".join(self.process.args)
        return [json.loads(line) for line in output.splitlines()]

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def send_queues(port, prefix=()):
    """Send-Q of every connection of the server's port: bytes that are not acknowledged."""
    output = subprocess.run([*prefix, "ss", "-tnH", "state", "connected", "sport", "=", ":%d" % port],
                            capture_output=True, text=True, check=True).stdout
    return [int(line.split()[2]) for line in output.splitlines()
            if line.split()[0] in ("ESTAB", "CLOSE-WAIT", "FIN-WAIT-1", "LAST-ACK", "CLOSING")]


def wait_closed(port, prefix=(), seconds=3):
    """Until the server has closed all its connections."""
    deadline = time.monotonic() + seconds
    while send_queues(port, prefix):
        assert time.monotonic() < deadline, "the rig's own connections are not closed after %d s" % seconds
        time.sleep(0.01)


def wait_acknowledged(port, prefix=(), seconds=3):
    """Until the peers have acknowledged everything (an ACK may be delayed by 40 ms and more): then all responses ended."""
    deadline = time.monotonic() + seconds
    while any(send_queues(port, prefix)):
        assert time.monotonic() < deadline, "the rig's own responses are not acknowledged after %d s" % seconds
        time.sleep(0.01)
