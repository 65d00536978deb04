# SPDX-License-Identifier: MIT
"""The process apart that counts tasks is killed: what is said, what goes on, and what is begun anew."""
import os
import re
import signal
import time

from daemon import Daemon, wait_until
from go_servers import GoServer, build, releases
from tracer import Tracer, require_tailrace


def children(pid):
    """State and command line of each, also of those that nobody has buried."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name) as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
            with open("/proc/%s/cmdline" % name, "rb") as file:
                words = file.read()
        except OSError:
            continue
        if int(parent) == pid:
            found[int(name)] = (state, words)
    return found


def reader(pid):
    return next((child for child, (_, words) in children(pid).items() if b"read-tasks" in words), None)


def test_the_daemon_says_once_that_it_is_gone_and_goes_on():
    """It may not begin another one: it has given up every right."""
    require_tailrace()
    with GoServer(build(releases()[-1])) as server, Daemon(server.port) as daemon:
        def tasks():
            server.ask("/gc")
            return next((sample["tasks"] for sample in daemon.ask("/v1/samples")["samples"]), {})

        wait_until(lambda: tasks().get("go"), 20, "a count of goroutines")
        assert "\ntailrace_task_reader_up 1" in daemon.get("/metrics").body.decode()
        os.kill(reader(daemon.pid), signal.SIGKILL)
        daemon.wait_log("the rights to begin another one were given up")
        wait_until(lambda: not children(daemon.pid), 5, "the end of what is left of it")
        wait_until(lambda: (lambda told: told.get("go") is None and told.get("threads") is None)(tasks()), 20, "no count that nobody made")
        assert tasks()["responses"] is not None, "responses are not counted any more: %s" % tasks()
        health = daemon.ask("/v1/health")
        assert health["status"] == "degraded" and any("counts tasks has ended" in reason for reason in health["reasons"]), health
        assert health["task_reader"] == {"reading": False, "ended": 1}, health["task_reader"]
        metrics = daemon.get("/metrics").body.decode()
        assert "\ntailrace_task_reader_up 0" in metrics and re.search(r"^tailrace_task_reader_ended(_total)? 1", metrics, re.MULTILINE), [
            line for line in metrics.split("\n") if "reader" in line]
        with daemon.listen(types="response") as stream:
            server.ask("/gc")
            response = wait_until(lambda: stream.of_type("response"), 10, "a response")[0]
            told = [(response["tasks"][moment] or {}).get("open") for moment in ("begin", "end", "max")]
            assert told == [None] * 3, "counts that nobody made: %s" % response["tasks"]
        log = daemon.stop()
    assert log.count("that reads the servers' tasks has ended") == 1, log


def test_who_still_may_begins_another_one():
    require_tailrace()
    with GoServer(build(releases()[-1])) as server, Tracer(server.port) as tracer:
        for _ in range(2):
            server.ask("/gc")
            time.sleep(0.3)
        first = reader(tracer.process.pid)
        os.kill(first, signal.SIGKILL)
        second = wait_until(lambda: (lambda found: found != first and found)(reader(tracer.process.pid)), 10, "another one")
        assert first not in children(tracer.process.pid), "nobody has buried it"
        time.sleep(3)
        server.ask("/gc")
        time.sleep(1.5)
        report = tracer.stop()
        assert tracer.errors().decode().count("another one is begun") == 1, tracer.errors()
    last = report.ended[-1]
    assert last["tasks"]["end"]["provider"] == "go", last["tasks"]
    return "%d, then %d" % (first, second)
