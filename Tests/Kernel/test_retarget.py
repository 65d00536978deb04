# SPDX-License-Identifier: MIT
"""Another target while tracing goes on, and no capability is left: who is let go, who is found, and that none is between the two."""
import collections
import os
import subprocess
import threading
import time

from daemon import LINES, Daemon, wait_until
from load_client import Connection
from open_streams import Cgroup, Reader, flowing, idle
from servers import TruthServer

FLOWING, IDLE, NEW = 8, 5, 3
LIMIT = 10  # connections, in the test of the limit
FLIPS = 24


def capabilities(pid):
    """What each thread has and could get."""
    found = set()
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, thread)) as file:
            found |= {line.split()[1] for line in file if line.startswith(("CapEff", "CapPrm", "CapInh", "CapAmb"))}
    return {int(text, 16) for text in found}


def established(port):
    """How many connections the server has, as `ss` tells."""
    output = subprocess.run(["ss", "-tnHO", "state", "established", "sport", "=", ":%d" % port], capture_output=True, text=True,
                            check=True).stdout
    return len(output.splitlines())


def followed(daemon):
    """{local port: connections} that the daemon lists."""
    return collections.Counter(int(item["local"].rpartition(":")[2]) for item in daemon.ask("/v1/connections?limit=200")["connections"])


def check_nothing_lost(daemon, untracked=0):
    loss = daemon.ask("/v1/health")["loss"]
    assert loss.pop("untracked") == untracked, loss
    assert not any(loss.values()), "loss: %s" % loss


def change(daemon, *ports, settings=()):
    """From its return on the new target is in force."""
    before = len(daemon.errors())
    daemon.reload(*ports, settings=[*daemon.settings, *settings])
    daemon.wait_log("the settings were read again", after=before)


class Rig:
    """Two servers with streams that flow and connections that wait."""

    def __init__(self, reader, *servers):
        self.servers = servers
        for server in servers:
            flowing(reader, server.port, "/sse/100000x120/gap=100", FLOWING)
        self.idle = {server: idle(server.port, IDLE) for server in servers}
        self.phase = 100

    def ask_all(self):
        """One request on each waiting connection and on new ones of both servers; {server: (target, how many)}."""
        asked = {}
        for server in self.servers:
            self.phase += 1
            target = "/length/1x%d" % self.phase
            self.idle[server] += [Connection("127.0.0.1", server.port).open() for _ in range(NEW)]
            for connection in self.idle[server]:
                connection.request(target)
            asked[server] = (target, len(self.idle[server]))
        return asked


def check_told(stream, asked, wanted):
    """Each request of the wanted servers is told once, of its server; none of the others."""
    def told():
        return collections.Counter((item["target"], item["server"]["pid"]) for item in stream.of_type("response"))

    expected = {(asked[server][0], server.pid): asked[server][1] for server in wanted}
    stream.until(lambda _: all(told()[key] == count for key, count in expected.items()))
    for server, (target, _) in asked.items():
        got = {key: count for key, count in told().items() if key[0] == target}
        key = (target, server.pid)
        assert got == ({key: expected[key]} if key in expected else {}), "asked %s, told %s" % (expected, got)


def test_the_target_changes_without_a_capability():
    """By port, by process and by cgroup: what matches no longer is told as such, what matches now is found, nothing is lost."""
    with Reader() as reader, TruthServer() as one, TruthServer() as other, Daemon(one.port) as daemon, Cgroup(one.pid) as cgroup:
        assert capabilities(daemon.pid) == {0}, "it has capabilities: %s" % capabilities(daemon.pid)
        rig = Rig(reader, one, other)
        with daemon.listen(types="response", accept=LINES) as stream:
            check_told(stream, rig.ask_all(), [one])
            relative = cgroup.path[len(cgroup.path.rpartition("/tailrace")[0]):]
            steps = [
                ([other.port], (), one, other), ([], ["pid = %d" % one.pid], other, one),
                ([other.port], (), one, other), ([], ["cgroup = %s" % relative], other, one),
                ([one.port, other.port], ["pid = %d" % other.pid], one, other),
            ]
            for ports, settings, left, found in steps:
                begun = len(stream.of_type("response"))
                change(daemon, *ports, settings=settings)
                wait_until(lambda: followed(daemon) == {found.port: established(found.port)}, 5,
                           "the connections of %s alone" % found.port)
                check_told(stream, rig.ask_all(), [found])
                gone = [item for item in stream.of_type("response")[begun:] if item["ended_by"] == "unknown"]
                assert {item["server"]["pid"] for item in gone} == {left.pid} and len(gone) == FLOWING, [
                    (item["target"], item["server"]["pid"]) for item in gone]
                assert all(item["estimated"] for item in gone), gone
        assert capabilities(daemon.pid) == {0}
        check_nothing_lost(daemon)
        log = daemon.stop()
    assert "stay as they were" not in log, log
    return "%d targets" % len(steps)


def test_what_is_let_go_makes_room():
    """The limit of connections: those that were let go do not count, and those that find no room are counted once."""
    with Reader() as reader, TruthServer() as one, TruthServer() as other, \
            Daemon(one.port, settings=["max-connections = %d" % LIMIT]) as daemon:
        rig = Rig(reader, one, other)
        wait_until(lambda: followed(daemon) == {one.port: LIMIT}, 5, "as many as there is room for")
        check_nothing_lost(daemon, untracked=FLOWING + IDLE - LIMIT)
        change(daemon, other.port)
        wait_until(lambda: followed(daemon) == {other.port: LIMIT}, 5, "as many of the other")
        time.sleep(2.5)  # they are searched for once more
        check_nothing_lost(daemon, untracked=2 * (FLOWING + IDLE - LIMIT))
        daemon.stop()
        assert all(len(connections) == IDLE for connections in rig.idle.values())


def test_targets_change_under_load():
    """Connections come and go meanwhile: none is judged by the half of two targets, and no record is without its connection."""
    ends = threading.Event()
    requests = collections.Counter()

    def load(port):
        while not ends.is_set():
            connection = Connection("127.0.0.1", port).open()
            for _ in range(4):
                connection.request("/length/1x300")
                requests[port] += 1
            connection.close()

    with Reader() as reader, TruthServer() as one, TruthServer() as other, Daemon(one.port) as daemon:
        rig = Rig(reader, one, other)
        threads = [threading.Thread(target=load, args=(server.port,)) for server in (one, other)]
        for thread in threads:
            thread.start()
        with daemon.listen(types="response", accept=LINES) as stream:
            for flip in range(FLIPS):
                server = (other, one)[flip % 2]
                change(daemon, server.port, settings=["pid = %d" % server.pid])
            seen = len(stream.of_type("response"))
            # In force for good: from here on every request of the one is told, and none of the other.
            time.sleep(0.5)
            ends.set()
            for thread in threads:
                thread.join()
            wait_until(lambda: followed(daemon) == {one.port: established(one.port)}, 5, "the connections of the last target")
            told = collections.Counter(item["server"]["pid"] for item in stream.of_type("response") if item["ended_by"] == "complete")
        check_nothing_lost(daemon)
        daemon.stop()
        assert rig.idle
    assert seen > 0 and told[one.pid] and told[other.pid], "the rig: nothing was told of one of them: %s" % told
    assert told[one.pid] < requests[one.port] and told[other.pid] < requests[other.port], (told, requests)
    return "%d changes, %d requests" % (FLIPS, sum(requests.values()))


def test_a_target_that_cannot_be_traced_changes_nothing():
    with TruthServer() as one, Daemon(one.port) as daemon:
        sentence = daemon.reload(settings=[*daemon.settings, "cgroup = /there/is/none"])
        assert "stay as they were" in sentence and "there is no cgroup /there/is/none" in sentence, sentence
        with_us = Connection("127.0.0.1", one.port).open()
        with_us.request("/length/1x10")
        wait_until(lambda: followed(daemon) == {one.port: 1}, 5, "the target before")
        with_us.close()
        daemon.stop()
