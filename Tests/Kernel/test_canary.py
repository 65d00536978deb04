# SPDX-License-Identifier: MIT
"""No payload leaves the process: a secret is sent everywhere, and looked for in everything that comes out."""
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import recording_file
from canary import MORE, Canary, found
from daemon import Daemon
from servers import TruthServer
from test_daemon_api import children
from tracer import Skip, require_command, require_tailrace

POINTER = re.compile(rb"ffff[0-9a-f]{12}", re.IGNORECASE)


def check_no_pointers(given_out):
    """Neither as text nor, in recordings, as numbers."""
    for where, data in given_out.items():
        if where == "recording" or where.startswith("flight"):
            for _, record in recording_file.records(recording_file.blocks(raw(data))):
                words = struct.unpack_from("<%dQ" % (len(record) // 8), record)
                kernel = [word for word in words if 0xffff800000000000 <= word < 0xfffffff000000000]
                assert not kernel, "%s: %s" % (where, ["%x" % word for word in kernel])
            continue
        match = POINTER.search(data)
        assert not match, "%s has a kernel pointer: %r" % (where, data[max(0, match.start() - 80):match.end() + 20])


def raw(data):
    """Of a recording with what is in it behind it: the recording."""
    end = 0
    while data[end:end + 8] == recording_file.MAGIC:
        end += recording_file.HEADER.unpack_from(data, end)[4]
    return data[:end]


def test_a_secret_is_nowhere_in_what_comes_out():
    require_tailrace()
    canary = Canary()
    log = canary.run()
    assert len(log) == MORE + 1, len(log)
    leaks = list(found(canary.given_out, canary.secret))
    assert not leaks, leaks[:3]
    check_no_pointers(canary.given_out)
    # It looks where something is: paths are shown.
    shown = {where for where, _ in found(canary.given_out, canary.path)}
    expected = {"events", "lines", "otlp", "recording", "top", "/v1/responses", "/v1/snapshot", "report html"}
    assert expected <= shown, "no path in %s" % sorted(expected - shown)
    assert any(where.startswith("flight") for where in shown), "no path in what the flight recorder keeps"
    # It has been in the process, whose memory therefore stays there: the tests below.
    held = canary.secret.encode() in canary.memory
    return "%d places of %d KB; it %s in the daemon's memory" % (
        len(canary.given_out), sum(map(len, canary.given_out.values())) // 1000, "is" if held else "is not")


def test_paths_that_are_not_shown_are_nowhere():
    require_tailrace()
    canary = Canary(["show-paths = off"])
    log = canary.run()
    for secret in (canary.secret, canary.path, "/length/", "/echo/"):
        leaks = [leak for leak in (found(canary.given_out, secret) if len(secret) > 10 else simply(canary.given_out, secret))]
        assert not leaks, leaks[:3]
    lines = [line for line in canary.given_out["lines"].decode().splitlines() if '"type":"response"' in line]
    told = sorted(tuple(re.search(r'"method":"(\w+)","target":null,"status":(\d+)', line).groups()) for line in lines[:MORE])
    served = sorted((record["method"], str(record["status"])) for record in log if "9000000" not in record["target"])
    assert told == served, (told, served)
    assert b'"summary"' in canary.given_out["/v1/findings"], "no finding is told"
    assert b"GET" in canary.given_out["top"], "the method is not shown"


def simply(given_out, text):
    return [(where, text) for where, data in given_out.items() if text.encode() in data]


# What it holds stays with it.

def tries_to_read(pid):
    """As this user: what comes of looking into that process, by its memory and by a debugger."""
    script = ("import sys\ntry:\n  open('/proc/%d/mem', 'rb'); print('opened')\nexcept OSError as error: print(error.errno)" % pid)
    user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    memory = subprocess.run([*user, "python3", "-c", script], capture_output=True, text=True, timeout=30).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="tailrace-core-") as directory:
        os.chmod(directory, 0o777)
        subprocess.run([*user, "env", "HOME=" + directory, "gcore", "-o", directory + "/core", str(pid)], capture_output=True,
                       timeout=60, stdin=subprocess.DEVNULL)
        return memory, len(os.listdir(directory))


AS_NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", "-all,+bpf,+perfmon",
             "--ambient-caps", "-all,+bpf,+perfmon", "--bounding-set", "-all,+bpf,+perfmon")


def test_nobody_but_root_reads_its_memory():
    """Its own user may not either, who may do so with any other process of his."""
    require_tailrace()
    require_command("setpriv")
    require_command("gcore")
    directory = tempfile.mkdtemp(prefix="tailrace-daemon-")
    os.chown(directory, 65534, 65534)
    try:
        with TruthServer() as server, Daemon(server.port, prefix=AS_NOBODY, directory=directory) as daemon:
            other = subprocess.Popen([*AS_NOBODY[:6], "sleep", "60"])
            time.sleep(0.5)
            assert tries_to_read(other.pid) == ("opened", 1), "the rig cannot read a process of that user's"
            other.kill()
            other.wait()
            told = tries_to_read(daemon.pid)
            assert told == ("13", 0), "the daemon's memory: errno %s, %d cores" % told
            for process in (daemon.pid, *children(daemon.pid)):
                # So the kernel marks one that leaves no core.
                assert os.stat("/proc/%d/stat" % process).st_uid == 0, "process %d may be dumped" % process
            assert children(daemon.pid), "who reads the tasks?"
            daemon.stop()
    finally:
        shutil.rmtree(directory)


def may_crash():
    """As a shell would start it: one that runs us in the background has taken SIGQUIT away."""
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def started(command, directory):
    return subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            preexec_fn=may_crash)


def test_a_crash_leaves_no_core_and_no_words():
    require_tailrace()
    with open("/proc/sys/kernel/core_pattern") as file:
        pattern = file.read().strip()
    if pattern.startswith(("|", "/")):
        raise Skip("cores go to %s here" % pattern)
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
        raise Skip("there are no cores here")
    for number in (signal.SIGSEGV, signal.SIGILL, signal.SIGABRT, signal.SIGQUIT):
        with tempfile.TemporaryDirectory(prefix="tailrace-core-") as directory:
            other = started(["sleep", "60"], directory)
            time.sleep(0.3)
            other.send_signal(number)
            other.communicate()
            assert len(os.listdir(directory)) == 1, "the rig makes no cores: %s" % os.listdir(directory)
            os.remove(os.path.join(directory, os.listdir(directory)[0]))
            crashes(directory, number)


def crashes(directory, number):
    with TruthServer() as server:
        daemon = Daemon(server.port)
        daemon.process = started(daemon.command(), directory)
        try:
            daemon.wait_ready()
            daemon.notice(number)
            words = daemon.process.communicate(timeout=20)[1].decode("utf-8", "replace")
            assert daemon.process.returncode == -number, "exit code %d of signal %d" % (daemon.process.returncode, number)
            assert not os.listdir(directory), "it left %s" % os.listdir(directory)
            assert "Registers" not in words and "Crash" not in words and len(words) < 1000, words[:500]
        finally:
            daemon.__exit__()
