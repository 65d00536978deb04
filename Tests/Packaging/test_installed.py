# SPDX-License-Identifier: MIT
"""The installed daemon in its unit's sandbox: it traces a real server, tells its service manager, and needs no call that is refused."""
import os
import re
import signal
import time

from artifacts import allowed_calls, unit_values
from load_client import Connection
from servers import TruthServer, wait_acknowledged
from service import Service
from tracer import require_command

CAPABILITIES = {"CAP_SYS_PTRACE": 19, "CAP_PERFMON": 38, "CAP_BPF": 39, "CAP_SYS_ADMIN": 21}
# libdispatch asks for the niceness of its threads, and goes on where it may not.
NEEDLESS = {"setpriority"}
SETS = ("CapEff", "CapPrm", "CapInh", "CapAmb")


def traffic(server, count):
    connection = Connection("127.0.0.1", server.port, quick_ack=True)
    for number in range(count):
        connection.request("/length/1x%d" % (number + 1))
    wait_acknowledged(server.port)
    return connection


def counted(service, server):
    """Responses of the server's process that ended, by the metrics."""
    _, body = service.ask("/metrics")
    pattern = r'^tailrace_response_duration_seconds_count\{[^}]*port="%d"[^}]*\} (\d+)' % server.port
    return sum(map(int, re.findall(pattern, body.decode(), re.M)))


def wait_counted(service, server, count):
    deadline = time.monotonic() + 10
    while counted(service, server) < count and time.monotonic() < deadline:
        time.sleep(0.1)
    assert counted(service, server) == count, "%d responses of %d; %s" % (counted(service, server), count, service.errors())


def wait_row(service, server):
    """Sockets are looked at once a second."""
    deadline = time.monotonic() + 10
    while True:
        rows = service.json("/v1/servers")["servers"]
        found = [row for row in rows if row["server"]["pid"] == server.pid]
        if found:
            return found[0]
        assert time.monotonic() < deadline, rows
        time.sleep(0.1)


def test_it_traces_in_its_sandbox():
    """As its user, with the calls, mounts and capabilities of the unit: ready, watched, told to read its settings again, ended."""
    with TruthServer() as server, Service("port = %d" % server.port) as service:
        connection = traffic(server, 25)
        wait_counted(service, server, 25)
        row = wait_row(service, server)
        assert row["connections"] == 1, row
        connection.close()
        service.wait_told("WATCHDOG=1")
        service.configure("port = %d\nthreshold = slow-consumer.age=3s" % server.port)
        os.kill(service.pid, signal.SIGHUP)
        service.wait_told("READY=1")
        assert any("RELOADING=1" in text for text in service.told), service.told
        os.stat("/proc/%d/root/run/tailrace/tailrace.sock" % service.pid)
        code = service.end()
        assert code == 0, "exit code %d: %s" % (code, service.errors())
        assert "none lost" in service.errors(), service.errors()


def test_it_has_no_capability_left():
    """Every thread of it; of what it started, one may look into other processes, and none has another right than the unit's."""
    with TruthServer() as server, Service("port = %d" % server.port) as service:
        connection = traffic(server, 5)
        wait_counted(service, server, 5)
        family = service.family()
        connection.close()
    mine = {task: status for task, status in family.items() if int(status["Tgid"]) == service.pid}
    assert len(mine) > 1, "one thread: is it serving?"
    for task, status in mine.items():
        held = {name: status[name] for name in SETS if int(status[name], 16)}
        assert not held, "thread %d (%s) has %s" % (task, status["Name"], held)
    unit = sum(1 << CAPABILITIES[name] for name in unit_values("CapabilityBoundingSet")[0].split())
    for task, status in family.items():
        users = set(status["Uid"].split())
        assert users == set(next(iter(mine.values()))["Uid"].split()) and users != {"0"}, "%d runs as %s" % (task, users)
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
        more = int(status["CapPrm"], 16) & ~unit
        assert not more, "%d (%s) has %x" % (task, status["Name"], more)
    return "%d threads, %d of processes apart" % (len(mine), len(family) - len(mine))


def test_no_call_of_it_is_refused():
    """What strace sees of the daemon and its processes is what the unit's filter lets through."""
    require_command("strace")
    calls = "/tmp/calls"
    with TruthServer() as server:
        strace = ("strace", "-D", "-f", "-qq", "-e", "signal=none", "-o", calls)
        with Service("port = %d" % server.port, prefix=strace) as service:
            connection = traffic(server, 25)
            wait_counted(service, server, 25)
            service.json("/v1/snapshot")
            os.kill(service.pid, signal.SIGHUP)
            service.wait_told("READY=1")
            connection.close()
            service.end()
            time.sleep(0.5)  # strace writes what it saw
            text = service.system.run("cat", calls)
    _, begin, text = text.partition('execve("%s"' % unit_values("ExecStart")[0].split()[0])
    used = set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", text, re.M))
    assert begin and {"bpf", "capset", "epoll_wait"} <= used, "strace saw too little: %s" % sorted(used)
    refused = used - allowed_calls() - NEEDLESS
    assert not refused, "the unit refuses %s" % sorted(refused)
    return "%d calls: %s" % (len(used), " ".join(sorted(used)))
