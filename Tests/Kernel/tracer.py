# SPDX-License-Identifier: MIT
"""The traced run: starts `tailrace trace`, ends it, and reads what it said."""
import datetime
import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time
import tty

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TAILRACE", ROOT / ".build" / "debug" / "tailrace"))

OPTIONS = os.environ.get("TAILRACE_OPTIONS", "").split()  # for every live run, as `--backend tracepoint`

STAGES = ("accept", "read", "app", "send", "blocked", "queue", "qdisc", "driver", "network")
CAUSES = ("peer_window", "congestion_window", "qdisc", "other")

READY_WITHIN_S = 30
ENDS_WITHIN_S = 15
NOT_ON_THIS_KERNEL, NOT_FOR_THIS_USER = 69, 77


class Skip(Exception):
    """This machine cannot run the test; the message says why."""


class Unsteady(Exception):
    """The rig itself did not do what the test is about (the machine is shared): the run says nothing, try again."""


def require_steady(holds, why):
    if not holds:
        raise Unsteady(why)


def require_tailrace():
    if os.geteuid() != 0:
        raise Skip("needs root")
    if not BINARY.exists():
        raise Skip("no tailrace binary (build it, or set TAILRACE)")


def require_command(name):
    if not shutil.which(name):
        raise Skip("needs " + name)


def nanoseconds(text):
    """RFC 3339 with up to 9 digits of a second, as an integer: a float would lose the last three."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z", text)
    assert match, "not RFC 3339 UTC with nanoseconds: %r" % text
    seconds = datetime.datetime.fromisoformat(match.group(1) + "+00:00").timestamp()
    return int(seconds) * 10**9 + int(match.group(2))


def begin_ns(response):
    return nanoseconds(response["begin"])


def end_ns(response):
    return nanoseconds(response["end"])


def stage(response, *names):
    """Nanoseconds in these stages; what is not known counts as 0."""
    return sum(response["timeline_ns"][name] or 0 for name in names)


def cause(response, name):
    return response["cause_ns"][name] or 0


def remote(response):
    """(address, port) of the peer."""
    address, _, port = response["connection"]["remote"].rpartition(":")
    return address.strip("[]"), int(port)


def timeline_text(response):
    """For failures: where the time went, in milliseconds."""
    parts = ["%s %.2f" % (name, (response["timeline_ns"][name] or 0) / 1e6) for name in STAGES]
    causes = ["%s %.2f" % (name, cause(response, name) / 1e6) for name in CAUSES]
    return "%.2f ms: %s; cause: %s" % (response["duration_ns"] / 1e6, ", ".join(parts), ", ".join(causes))


def loss_numbers(value, path="loss"):
    """Every number in `loss`, however it is nested, but for points in time."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, (int, float)):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("since", "at", "capacity", "size_bytes"):
                yield from loss_numbers(inner, path + "." + key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from loss_numbers(inner, "%s[%d]" % (path, number))


def run_to_end(*arguments, prefix=(), binary=None, seconds=30):
    """For runs that end by themselves."""
    require_tailrace()
    return subprocess.run([*prefix, str(binary or BINARY), *map(str, arguments)], capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=seconds)


class Terminal:
    """A pseudo terminal for the tracer's stdout; text() is what it was sent, byte for byte."""

    def __init__(self, columns=160, lines=50):
        self.own, self.other = pty.openpty()
        tty.setraw(self.other)  # else the terminal itself would add a carriage return to each line
        fcntl.ioctl(self.other, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
        self.parts = []
        self.thread = threading.Thread(target=self.collect, daemon=True)
        self.thread.start()

    def collect(self):
        try:
            while True:
                data = os.read(self.own, 65536)
                if not data:
                    break
                self.parts.append(data)
        except OSError:  # EIO: nobody holds the other end any more
            pass

    def text(self):
        os.close(self.other)
        self.thread.join(5)
        os.close(self.own)
        return b"".join(self.parts)


class Report:
    """What a traced run printed."""

    def __init__(self, output, errors, code):
        self.output, self.errors, self.code = output, errors, code
        lines = output.decode("utf-8").split("\n")
        assert lines[-1] == "", "the last line is cut: %r" % lines[-1][-200:]
        self.objects = [json.loads(line) for line in lines[:-1]]
        self.responses = self.of_type("response")
        self.ended = [response for response in self.responses if response["state"] == "ended"]
        self.open = [response for response in self.responses if response["state"] == "open"]

    def of_type(self, name):
        return [item for item in self.objects if item["type"] == name]

    @property
    def loss(self):
        return self.objects[-1]["loss"]

    def check_frame(self):
        """What holds of every ordered run."""
        assert self.code == 0, "exit code %s, stderr: %s" % (self.code, self.errors.decode("utf-8", "replace")[-500:])
        assert self.objects and self.objects[0]["type"] == "meta", "meta is not the first object"
        assert self.objects[-1]["type"] == "end", "end is not the last object"
        for item in self.objects:
            assert item["v"] == 1, "not version 1: %r" % item
        for response in self.responses:
            total = stage(response, *STAGES)
            assert total == response["duration_ns"], "stages sum to %d, duration is %d" % (total, response["duration_ns"])
        for response in self.ended:
            length = end_ns(response) - begin_ns(response)
            assert length == response["duration_ns"], "end - begin = %d, duration %d" % (length, response["duration_ns"])

    def check_no_loss(self):
        if "TAILRACE_VM" in os.environ:  # preempts programs for long when it is starved; what was missed then is counted
            require_steady(not self.loss["missed"], "%d events missed" % self.loss["missed"])
        lost = [(path, count) for path, count in loss_numbers(self.loss) if count]
        assert not lost, "loss: %s" % lost
        estimated = [response for response in self.responses if response["estimated"]]
        return len(estimated)


class Tracer:
    """`with Tracer(port) as tracer:` attaches (None: to all ports); tracer.stop() gives the Report. Leaves nothing behind."""

    def __init__(self, port, *options, command="trace", json_lines=True, environment=None, stdout=None):
        require_tailrace()
        self.directory = tempfile.TemporaryDirectory(prefix="tailrace-test-")
        self.ready_file = os.path.join(self.directory.name, "ready")
        target = ["--port", str(port)] if port else []
        self.arguments = [command, *target, "--ready-file", self.ready_file, *OPTIONS, *map(str, options)]
        if json_lines:
            self.arguments.append("--json")
        self.environment = dict(os.environ, **(environment or {}))
        self.stdout = stdout
        self.process = None

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def command(self):
        return [str(BINARY), *self.arguments]

    def __enter__(self):
        # Files, not pipes: nobody has to read them while the traced servers run.
        with open(self.path("stdout"), "wb") as output, open(self.path("stderr"), "wb") as errors:
            self.process = subprocess.Popen(self.command(), env=self.environment, stdin=subprocess.DEVNULL,
                                            stdout=output if self.stdout is None else self.stdout, stderr=errors)
        try:
            self.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait_ready(self):
        deadline = time.monotonic() + READY_WITHIN_S
        while not os.path.exists(self.ready_file):
            code = self.process.poll()
            if code in (NOT_ON_THIS_KERNEL, NOT_FOR_THIS_USER):
                raise Skip("tailrace cannot trace here: " + self.errors().decode("utf-8", "replace").strip()[:300])
            assert code is None, "exit code %d before it was ready: %s" % (code, self.errors()[-500:])
            assert time.monotonic() < deadline, "not ready after %d s" % READY_WITHIN_S
            time.sleep(0.01)

    def errors(self):
        with open(self.path("stderr"), "rb") as file:
            return file.read()

    def output(self):
        with open(self.path("stdout"), "rb") as file:
            return file.read()

    def end(self, how=signal.SIGINT):
        self.process.send_signal(how)
        try:
            return self.process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise AssertionError("still there %d s after signal %d" % (ENDS_WITHIN_S, how)) from None

    def stop(self):
        assert self.process.poll() is None, "it ended by itself, code %s: %s" % (
            self.process.returncode, self.errors()[-500:])
        code = self.end()
        report = Report(self.output(), self.errors(), code)
        report.check_frame()
        return report

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.directory.cleanup()


class Recorder(Tracer):
    """
    The same by way of a recording: stop() gives what its export says, with these options.

    `record`: options of `tailrace record`; `file`: where to; `command`: what it runs.
    """

    def __init__(self, port, *options, record=(), file=None, command=()):
        super().__init__(port, json_lines=False)
        self.options = options
        self.file = file or self.path("recording")
        self.arguments = ["record", "--port", str(port), "--ready-file", self.ready_file, "-o", self.file, *record]
        if command:
            self.arguments += ["--", *command]

    def export(self, *options):
        done = run_to_end("export", self.file, *(options or self.options))
        report = Report(done.stdout, done.stderr, done.returncode)
        report.check_frame()
        return report

    def stop(self):
        code = self.end()
        assert code == 0, "exit code %d: %s" % (code, self.errors()[-500:])
        return self.export()
