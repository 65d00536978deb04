# SPDX-License-Identifier: MIT
"""Swift tasks from outside, of a program that the runtime is loaded with and of one that it is part of."""
import subprocess
import tempfile

from go_servers import census, censuses, grouped, open_tasks
from servers import die_with_parent
from swift_programs import compiled
from tracer import require_command, require_tailrace

READINGS = 20
STATES = ("begin", "tasks", "detached", "named", "group", "async-let", "cancelled", "ended", "churn", "worn", "over")
# (count, created by, what they wait for) that must be among the groups at `async-let`
GROUPS = {
    (1000, "closure #1 in main.leakTasks", None),
    (500, "main.detachTasks", None),
    (200, "closure #1 in closure #1 in static main.SwiftTasks.main", None),
    (50, "closure #2 in static main.SwiftTasks.main", "a task's value"),
}


class SwiftProgram:
    """Goes a step for each next(), and says then how many tasks are open."""

    def __init__(self, directory, *flags):
        self.path = compiled("swift_tasks", directory, *flags)

    def __enter__(self):
        self.process = subprocess.Popen([self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                                        preexec_fn=die_with_parent)
        self.read()
        return self

    def read(self):
        line = self.process.stdout.readline().split()
        assert line, "the scenario ended by itself"
        self.state, self.open = line[0].decode(), int(line[1])

    def next(self):
        self.process.stdin.write(b"\n")
        self.read()

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def check_exact(program):
    for told in censuses(program.process.pid, READINGS, every="5ms"):
        counts = (open_tasks(told, "swift"), grouped(told, "swift"))
        assert counts == (program.open, program.open), "%s: told %s, %d are open" % (program.state, counts, program.open)


def check_groups(program):
    told, _ = census(program.process.pid)
    found = {(group["count"], (group["created_by"] or {}).get("function"), group["waits_for"])
             for group in told["groups"] if group["provider"] == "swift"}
    assert GROUPS <= found, "not told: %s; told: %s" % (GROUPS - found, found)
    held = [group for group in told["groups"] if group["count"] == 1000]
    assert held[0]["waits_at"]["function"] == "main.Gate.wait", held


def test_swift_tasks_are_counted_exactly():
    require_tailrace()
    require_command("swiftc")
    with tempfile.TemporaryDirectory(prefix="tailrace-swift-") as directory:
        for flags in ((), ("-static-stdlib",)):
            with SwiftProgram(directory, *flags) as program:
                for state in STATES:
                    assert program.state == state, program.state
                    check_exact(program)
                    if state == "async-let":
                        check_groups(program)
                    if state != STATES[-1]:
                        program.next()
    return "%d states, %d readings each, dynamic and static" % (len(STATES), READINGS)
