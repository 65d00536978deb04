# SPDX-License-Identifier: MIT
"""Processes whose memory does not answer: whoever reads it must end all the same, with a sentence, or with what it could read."""
import json
import os
import subprocess
import time

from native import native
from servers import die_with_parent
from silent_files import SilentFiles
from tracer import BINARY, Skip, require_tailrace, run_to_end


class Silent:
    def __init__(self, *words):
        self.words = words

    def __enter__(self):
        self.process = subprocess.Popen([native("silent_memory"), *self.words], stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        if not self.process.stdout.readline():
            code = self.process.wait()
            self.process.stdout.close()
            raise Skip("this kernel has no userfaultfd" if code == 2 else "the scenario ended with %d" % code)
        return self.process

    def __exit__(self, *_):
        self.process.kill()
        self.process.stdout.close()


def test_memory_that_a_file_system_never_delivers():
    """The read of it cannot be ended, not even by SIGKILL: the command can."""
    require_tailrace()
    with SilentFiles() as files:
        with Silent(files.path) as silent:
            for options in ((), ("--watch", "1s")):
                begin, reads = time.monotonic(), files.reads
                done = run_to_end("tasks", silent.pid, *options, seconds=25)
                took = time.monotonic() - begin
                assert done.returncode == 1 and done.stderr.count(b"\n") == 1, done
                assert b"cannot read the memory of process %d: it does not answer" % silent.pid in done.stderr, done.stderr
                assert files.reads >= 1, "the rig: nobody read of the file"
                assert not done.stdout, done.stdout
    silent.wait(10)
    return "after %.1f s, %d reads" % (took, files.reads)


def test_memory_that_its_program_promised_and_does_not_fill():
    """The kernel does not wait for a program on behalf of a debugger: what can be told is told."""
    require_tailrace()
    with Silent() as silent:
        done = run_to_end("tasks", silent.pid, "--json")
        told = {count["provider"]: count for count in json.loads(done.stdout)["counts"]}
    assert done.returncode == 0 and told["threads"]["open"] == 1, done
    assert told["swift"]["open"] is None and "cannot read" in told["swift"]["remark"], told


def test_the_process_apart_ends_with_the_command():
    require_tailrace()
    command = subprocess.Popen([str(BINARY), "tasks", str(os.getpid()), "--json", "--watch", "50ms"], stdout=subprocess.PIPE)
    command.stdout.readline()
    children = open("/proc/%d/task/%d/children" % (command.pid, command.pid)).read().split()
    assert len(children) == 1, children
    command.kill()
    command.wait()
    command.stdout.close()
    deadline = time.monotonic() + 10
    while os.path.exists("/proc/%s/exe" % children[0]):
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.05)
