# SPDX-License-Identifier: MIT
"""The scenarios in C, for loads that Python is too slow for: compiled once a run, into a directory that goes with it."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from servers import SCENARIOS, Server, die_with_parent
from tracer import Skip

_directory = tempfile.TemporaryDirectory(prefix="tailrace-native-")
FLAGS = ("-O2", "-Wall", "-Werror", "-D_GNU_SOURCE")


def native(name):
    """Path of the program from Scenarios/NAME.c."""
    binary = pathlib.Path(_directory.name, name)
    if not binary.exists():
        if not shutil.which("cc"):
            raise Skip("needs cc, a C compiler")
        done = subprocess.run(["cc", *FLAGS, "-o", binary, SCENARIOS / (name + ".c")], capture_output=True, text=True)
        assert done.returncode == 0, "%s does not compile: %s" % (name, done.stderr[-500:])
    return str(binary)


class LedgerServer(Server):
    """The server that keeps a ledger; log() ends it and gives the ledger, in the order of the requests."""

    def __init__(self, host="127.0.0.1", backlog=4096, idle_ms=0, patience_ms=0, prefix=()):
        super().__init__("ledger_server.c")
        self.directory = tempfile.TemporaryDirectory(prefix="tailrace-ledger-")
        self.log_path = os.path.join(self.directory.name, "ledger")
        self.command = [*prefix, native("ledger_server"), self.log_path, host, str(backlog), str(idle_ms),
                        str(patience_ms)]

    def toggle_accepting(self):
        self.process.send_signal(signal.SIGUSR1)

    def fall_silent(self):
        """From now on it sends no event: the ledger stays as it is."""
        self.process.send_signal(signal.SIGUSR2)

    def log(self):
        self.end()
        with open(self.log_path) as file:
            return [json.loads(line) for line in file]

    def __exit__(self, *_):
        super().__exit__()
        self.directory.cleanup()


class Swarm:
    """Many clients that end by themselves; results() waits for them."""

    def __init__(self, *arguments, prefix=()):
        self.process = subprocess.Popen([*prefix, native("swarm"), *map(str, arguments)], stdout=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def __enter__(self):
        return self

    def results(self, timeout=120):
        output, _ = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0, "the swarm failed"
        results = json.loads(output)
        assert not results["failed"], "clients of the rig failed: %s" % results
        return results

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def resident_bytes(pid):
    """What a process has in memory of its own: without its program and the ring, whose size is given."""
    fields = {}
    with open("/proc/%d/status" % pid) as file:
        for line in file:
            name, _, value = line.partition(":")
            fields[name] = value.split()
    return int(fields["RssAnon"][0]) * 1024


def waited_ns(pid):
    """How long a process's first thread was ready and had no processor, since its begin."""
    with open("/proc/%d/schedstat" % pid) as file:
        return int(file.read().split()[1])
