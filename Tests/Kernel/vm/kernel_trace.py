# SPDX-License-Identifier: MIT
"""The kernel's own tracing (tracefs): probes on the send path that are not ours, and what they saw, in its own words."""
import collections
import contextlib
import os
import re

from tracer import Skip

TRACING = "/sys/kernel/tracing"
# How a probe finds the socket's local port, from the first argument: sock_common.skc_num, by way of sk_buff.sk. x86-64, all kernels.
OF_SOCKET, OF_PACKET = "port=+14(%di):u16", "port=+14(+24(%di)):u16"
LINE = re.compile(r"^\s*.+-(\d+)\s+\[\d+\] \S+\s+(\d+)\.(\d{6}): (\w+): (.*)$")

Event = collections.namedtuple("Event", "thread at_us name fields")


def write(name, text, how=os.O_TRUNC):
    """Python's own append seeks, which these files refuse."""
    descriptor = os.open(os.path.join(TRACING, name), os.O_WRONLY | how)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        with open(TRACING + "/error_log") as log:
            raise AssertionError("the rig: %s in %s: %s: %s" % (text.strip(), name, error, log.read()[-400:])) from None
    finally:
        os.close(descriptor)


def hooked_functions():
    """As ftrace lists them: a program's trampoline is called directly."""
    with open(TRACING + "/enabled_functions") as file:
        return {line.split()[0] for line in file if "bpf_trampoline" in line or " D " in line.split("\t")[0]}


class KernelTrace:
    """`with KernelTrace(probes, points):` defines them, on() begins, events() ends and tells.

    `probes`: {event: (definition after the event's name, filter or "")}; `points`: {"net/net_dev_xmit": filter}.
    """

    def __init__(self, probes, points=()):
        if not os.path.exists(TRACING + "/kprobe_events"):
            raise Skip("no kprobes here")
        self.probes, self.points = probes, dict(points)

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            undo.callback(self.__exit__)
            for name, (definition, _) in self.probes.items():
                kind, _, rest = definition.partition(" ")
                write("kprobe_events", "%s:kprobes/%s %s\n" % (kind, name, rest), os.O_APPEND)
            write("buffer_size_kb", "16384")
            write("trace_clock", "mono")  # the clock of the programs
            for name, (_, condition) in self.probes.items():
                write("events/kprobes/%s/filter" % name, condition or "0")
            for name, condition in self.points.items():
                write("events/%s/filter" % name, condition)
            undo.pop_all()
        return self

    def switch(self, state):
        write("events/kprobes/enable", state)
        for name in self.points:
            write("events/%s/enable" % name, state)

    def on(self):
        write("trace", "")
        self.switch("1")

    def events(self):
        self.switch("0")
        found = []
        with open(TRACING + "/trace") as file:
            for line in file:
                assert "LOST" not in line, "the rig: the kernel's own trace lost events"
                match = LINE.match(line)
                if match:
                    thread, seconds, micros, name, rest = match.groups()
                    fields = dict(re.findall(r"(\w+)=(\S+)", rest))
                    found.append(Event(int(thread), int(seconds) * 1_000_000 + int(micros), name, fields))
        return found

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.switch("0")
        write("kprobe_events", "")
        write("trace", "")
