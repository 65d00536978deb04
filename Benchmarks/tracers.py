# SPDX-License-Identifier: MIT
"""What can be attached for the length of a window: tailrace's variants, bpftrace, tcpdump. All count what they see."""
import json
import shutil
import signal
import subprocess

from load import HERE, start, stop


class Loaded:
    """tailrace-window with its variants loaded: {name: (what it takes after the name, object file or None)}."""

    def __init__(self, program, variants):
        specifications = [f"{name}:{port}" + (f"={path}" if path else "") for name, (port, path) in variants.items()]
        self.names = list(variants)
        self.process = start([str(program), "serve", *specifications], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True, bufsize=1)
        self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("tailrace-window ended; what it said is above")
        return json.loads(line)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self):
        stop(self.process)


class Variant:
    """One of tailrace's variants."""

    def __init__(self, loaded, name):
        self.loaded, self.name = loaded, name
        self.attach_ns = self.detach_ns = 0

    def attach(self):
        self.attach_ns = self.loaded.ask(f"attach {self.name}")["attach_ns"]

    def detach(self):
        self.detach_ns = self.loaded.ask("detach")["detach_ns"]

    def statistics(self):
        return self.loaded.ask(f"stats {self.name}")


class Program:
    """A tracer that is a process: attached when it says so, detached when it has ended."""

    def __init__(self, name, command, ready):
        self.name, self.command, self.ready, self.process = name, command, ready, None

    def attach(self):
        self.process = start(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True)
        said = []
        for line in self.process.stdout:
            said.append(line)
            if self.ready in line:
                return
        raise RuntimeError(f"{self.name} did not start: {''.join(said).strip()}")

    def detach(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:  # its window is measured already; what it would print is not needed
            self.process.kill()
            self.process.communicate()

    def statistics(self):
        return {}

    def close(self):
        stop(self.process)


def bpftrace(port, server_name):
    """None where bpftrace is not installed. tracefs is mounted for it alone, in a mount namespace of its own."""
    if not shutil.which("bpftrace"):
        return None
    script = ('mount -t tracefs none /sys/kernel/tracing 2>/dev/null; mount -t debugfs none /sys/kernel/debug 2>/dev/null; '
              'exec bpftrace "$@"')
    return Program("bpftrace", ["unshare", "--mount", "sh", "-c", script, "sh", str(HERE / "stages.bt"), str(port),
                                server_name], "attached")


def tcpdump(port):
    """None where tcpdump is not installed."""
    if not shutil.which("tcpdump"):
        return None
    return Program("tcpdump", ["tcpdump", "-i", "lo", "-s", "96", "-w", "/dev/null", f"tcp port {port}"], "listening on")
