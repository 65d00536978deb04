# SPDX-License-Identifier: MIT
"""The rig of test_send_calls: Tests/Scenarios/send_calls.c compiled, its clients, and what the three of them counted."""
import collections
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from native import PREBUILT
from servers import LIBC, SCENARIOS, Server
from tracer import Skip, remote, stage, timeline_text

SOURCES = ("send_calls.c", "send_ways.c", "send_uring.c", "send_writers.c")
HOSTS = ("127.0.0.1", "::1")
MODES = ("block", "poll", "epoll")
MPTCP = 262
CLONE_NEWNET = 0x40000000

# What the kernel makes of one call of the program, which is what a flush counts (sock_send_length with bytes taken):
# one call each
SINGLE = ("write", "writev", "send", "sendmsg", "more", "zerocopy", "timestamps", "timeout", "uring-send", "uring-sendmsg",
          "uring-write", "uring-fixed", "uring-zc", "uring-async", "uring-sqpoll")
# one call each, of several writers: four threads, two processes, a process that was passed the descriptor
SHARED = ("threads", "processes", "passed")
# sendmmsg: one for each message; sendfile and splice: one for each 16 pages of the file or the pipe; http: one for its head
# (http-begun: with the first bytes of the body), and sendfile's
SEVERAL = ("sendmmsg", "sendfile", "splice", "vmsplice", "http", "http-begun")
# ways whose data is no memory of the caller, so that a head is not read
UNREAD = ("sendfile", "splice", "vmsplice", "uring-fixed")
WAITED = "blocked, and the program waited"
WAYS = SINGLE + SHARED + SEVERAL

Cell = collections.namedtuple("Cell", "way mode host total call sndbuf rate")
_directory = None


def program():
    """The compiled server; once a run."""
    global _directory
    if PREBUILT:
        return os.path.join(PREBUILT, "send_calls")
    if not shutil.which("cc"):
        raise Skip("needs cc")
    if not _directory:
        _directory = tempfile.TemporaryDirectory(prefix="tailrace-send-")
        subprocess.run(["cc", "-O2", "-pthread", "-o", _directory.name + "/send_calls",
                        *(str(SCENARIOS / name) for name in SOURCES)], check=True)
    return _directory.name + "/send_calls"


class SendCalls(Server):
    """The server; log() ends it and gives its records by the client's address and port."""

    def __init__(self, *arguments, prefix=()):
        self.directory = tempfile.TemporaryDirectory(prefix="tailrace-sent-")
        self.log_path = os.path.join(self.directory.name, "log")
        if os.path.isdir("/sys/kernel/tracing/events") and not os.path.exists("/sys/kernel/tracing/events/sock/sock_send_length"):
            raise Skip("this kernel has no count of send calls of its own (sock_send_length)")
        self.command = [*prefix, program(), self.log_path, *arguments]
        self.process = self.port = None

    def log(self, count):
        """Once it has this many records."""
        deadline = time.monotonic() + 20
        while len(records := self.lines()) < count:
            assert time.monotonic() < deadline, "the rig: %d of %d connections are logged" % (len(records), count)
            time.sleep(0.01)
        self.end()
        if any(record["kernel_calls"] < 0 for record in records):
            raise Skip("the kernel's own count of send calls is not to be had here (tracefs, perf)")
        return {tuple(record["remote"]): record for record in records}

    def lines(self):
        with open(self.log_path) as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def __exit__(self, *_):
        super().__exit__()
        self.directory.cleanup()


def target(cell):
    return "/%s/%s/%d/%d/%d" % (cell.way, cell.mode, cell.total, cell.call, cell.sndbuf)


def request(cell):
    return ("GET %s HTTP/1.1\r\nHost: scenario\r\n\r\n" % target(cell)).encode()


def enter(namespace):
    """This thread alone is in the network namespace from now on."""
    with open("/run/netns/" + namespace) as file:
        if LIBC.setns(file.fileno(), CLONE_NEWNET):
            raise OSError("no setns() to " + namespace)


class Clients:
    """One connection a cell, all at once; wait() gives (cell, own address, bytes read) once all have all, or as much as `reset_at`.
    They leave at leave()."""

    def __init__(self, cells, port, namespace=None, protocol=0, reset_at=None):
        self.reset_at = reset_at
        self.leaving, self.read, self.failed = threading.Event(), [], []
        self.whole = threading.Semaphore(0)
        self.threads = [threading.Thread(target=self.run, args=(cell, port, namespace, protocol), daemon=True)
                        for cell in cells]
        for thread in self.threads:
            thread.start()

    def run(self, cell, port, namespace, protocol):
        try:
            if namespace:
                enter(namespace)
            family = socket.AF_INET6 if ":" in cell.host else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM, protocol) as connection:
                connection.settimeout(60)
                if cell.rate:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
                connection.connect((cell.host, port))
                connection.sendall(request(cell))
                own, count = connection.getsockname()[:2], self.take(connection, cell)
                self.read.append((cell, own, count))
                self.whole.release()
                self.leaving.wait(60)
                if self.reset_at:  # RST instead of FIN
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        except OSError as error:
            self.failed.append("%s: %s" % (target(cell), error))
            self.whole.release()

    def take(self, connection, cell):
        count, wanted, start = 0, self.reset_at or cell.total, time.monotonic()
        while count < wanted:
            if cell.rate:
                time.sleep(max(0.0, start + count / cell.rate - time.monotonic()))
            data = connection.recv(8192 if cell.rate else 262144)
            if not data:
                break
            if not count and not self.reset_at and data.startswith(b"HTTP/1.1 "):
                wanted += data.index(b"\r\n\r\n") + 4 + 100 * (cell.way == "http-begun")
            count += len(data)
        return count

    def wait(self):
        for _ in self.threads:
            assert self.whole.acquire(timeout=90), "the clients' responses are not whole"
        assert not self.failed, self.failed[:3]
        return self.read

    def leave(self):
        self.leaving.set()
        for thread in self.threads:
            thread.join(10)


def check_rig(cell, record, count):
    """Program, client and TCP agree, or the rig is wrong."""
    sent = record["sent"]
    counted = {"program": record["bytes"], "client": count,
               "TCP_INFO": sent["bytes_sent"] - sent["bytes_retrans"] + sent["notsent_bytes"],
               "acknowledged": record["acknowledged"]["bytes_acked"]}
    assert len(set(counted.values())) == 1, "the rig: %s: %s" % (target(cell), counted)
    if cell.way in SINGLE + SHARED:
        assert record["calls"] == record["kernel_calls"], "the rig: %s: %s" % (target(cell), record)
    else:
        assert record["calls"] <= record["kernel_calls"], "the rig: %s: %s" % (target(cell), record)


def differences(cell, record, responses):
    """What tailrace tells of one cell's connection and the program does not: texts."""
    if len(responses) != 1:
        return ["%d responses: %s" % (len(responses), [(item["response_bytes"], item["ended_by"]) for item in responses])]
    response = responses[0]
    told = {"target": response["target"], "request_bytes": response["request_bytes"], "bytes": response["response_bytes"],
            "flushes": response["flushes"], "ended_by": response["ended_by"]}
    true = {"target": target(cell), "request_bytes": len(request(cell)), "bytes": record["bytes"],
            "flushes": record["kernel_calls"], "ended_by": "complete"}
    found = ["%s %s, not %s" % (name, told[name], true[name]) for name in told if told[name] != true[name]]
    if cell.way.startswith("http") and (response["status"], response["content_type"]) != (200, "text/plain"):
        found.append("head: %s, %s" % (response["status"], response["content_type"]))
    return found + blocked_difference(cell, record, response)


def blocked_difference(cell, record, response):
    """
    The program's own waiting: the time of its blocking calls, or from a refused or short call to the next. Of several writers
    it is that of the one who waited longest; for all of them it ends, in tailrace's word, when any of them succeeds.
    """
    blocked, waited = stage(response, "blocked"), record["waited_ns"]
    if not cell.rate:  # there is little to wait for, and the program cannot tell it from work
        return []
    if cell.way in SHARED:
        fits = 0.5 * waited <= blocked <= response["duration_ns"]
    elif cell.way == "uring-sqpoll":  # the kernel's thread, too, waits for a CPU, and nobody tells
        fits = 0.5 * waited <= blocked <= 1.5 * waited
    else:
        fits = 0.8 * waited - record["delayed_ns"] <= blocked <= 1.2 * waited
    return [] if fits else [WAITED + " %.1f ms (%.1f ms for a CPU): %s" % (
        waited / 1e6, record["delayed_ns"] / 1e6, timeline_text(response))]


def compare(report, records, read):
    """Texts of all cells that differ; with --flushes, also of responses that are not the sum of theirs."""
    traced, sums = collections.defaultdict(list), collections.defaultdict(collections.Counter)
    for response in report.responses:
        traced[remote(response)].append(response)
    for flush in report.of_type("flush"):
        sums[flush["response"]].update(bytes=flush["bytes"], writes=flush["writes"])
    found = []
    for cell, client, count in read:
        check_rig(cell, records[client], count)
        found += ["%s from %s: %s" % (target(cell), cell.host, text)
                  for text in differences(cell, records[client], traced[client])]
    for response in report.responses if sums else ():
        total = sums[response["id"]]
        if (total["bytes"], total["writes"]) != (response["response_bytes"], response["flushes"]):
            found.append("%s: its flushes have %s" % (response["target"], total))
    return found
