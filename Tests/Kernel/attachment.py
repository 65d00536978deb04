# SPDX-License-Identifier: MIT
"""Which of tailrace's kernel programs and links are there, as bpftool sees it."""
import json
import os
import subprocess
import time

from tracer import Skip, require_command

PROGRAMS = {"on_state", "on_xmit", "on_packet"}
SEND_CALL = ({"on_call", "on_called"}, {"on_send", "on_sent"})  # one pair for each backend


def listed(kind):
    done = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, text=True)
    if done.returncode:
        raise Skip("bpftool cannot list here: " + (done.stderr or done.stdout).strip()[:200])
    return json.loads(done.stdout or "[]")


def held_by(pid):
    """(ids of programs, ids of links) that a process has descriptors of. Its own only: another tailrace may run too."""
    programs, links = set(), set()
    directory = "/proc/%d/fdinfo" % pid
    for descriptor in os.listdir(directory):
        try:
            with open(os.path.join(directory, descriptor)) as file:
                fields = dict(line.split(":", 1) for line in file.read().splitlines() if ":" in line)
        except FileNotFoundError:  # closed meanwhile
            continue
        if "prog_id" in fields:
            programs.add(int(fields["prog_id"]))
        if "link_id" in fields:
            links.add(int(fields["link_id"]))
    return programs, links


class Attachment:
    """What a run that is ready has attached."""

    def __init__(self, pid):
        require_command("bpftool")
        self.programs, self.links = held_by(pid)
        names = {program.get("name") for program in listed("prog") if program["id"] in self.programs}
        assert PROGRAMS <= names, "not attached: %s" % sorted(PROGRAMS - names)
        assert any(pair <= names for pair in SEND_CALL), "no backend's send call among %s" % sorted(names)
        assert len(self.links) >= len(PROGRAMS) + 2, "only %d links" % len(self.links)

    def left(self):
        return ({program["id"]: program.get("name") for program in listed("prog") if program["id"] in self.programs},
                {link["id"] for link in listed("link") if link["id"] in self.links})

    def gone_within(self, seconds):
        """Programs are freed after a grace period of the kernel."""
        deadline = time.monotonic() + seconds
        while True:
            programs, links = self.left()
            if not programs and not links:
                return
            assert time.monotonic() < deadline, "after %.1f s there are still programs %s and links %s" % (
                seconds, programs, links)
            time.sleep(0.05)
