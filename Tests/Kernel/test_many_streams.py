# SPDX-License-Identifier: MIT
"""Thousands of open streams at once, an event a second each: all of them are told as they stand."""
import os
import re
import resource
import subprocess
import time

from native import LedgerServer, Swarm, resident_bytes
from open_streams import stalled
from tracer import Tracer, remote, require_steady, require_tailrace

STREAMS = int(os.environ.get("STRESS_STREAMS", "2000"))  # 10000 is the long form
SECONDS = max(4, int(os.environ.get("STRESS_SECONDS", "0")))
STALLED = 5
STALLED_EVENTS_MS = 10
SPARE_DESCRIPTORS = 100


def unsent_by_ss(port):
    """{(address, port) of the peer: bytes that TCP has not sent} where there are any."""
    output = subprocess.run(["ss", "-tinHO", "state", "established", "sport", "=", ":%d" % port],
                            capture_output=True, text=True, check=True).stdout
    found = {}
    for line in output.splitlines():
        unsent = re.search(r"notsent:(\d+)", line)
        if unsent:
            address, _, number = line.split()[3].rpartition(":")
            found[address, int(number)] = int(unsent.group(1))
    return found


def allow_descriptors(count):
    """For the server and the clients too: they inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    require_steady(hard >= count, "%d descriptors are allowed, %d needed" % (hard, count))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


class Crowd:
    def run(self):
        with LedgerServer() as server, Tracer(server.port) as tracer, \
                Swarm("hold", "127.0.0.1", server.port, 600, STREAMS, 1000):
            slow = stalled(server.port, "/e/0/%d" % STALLED_EVENTS_MS, STALLED)
            time.sleep(1.5 + STREAMS / 4000)  # all have begun
            self.before = resident_bytes(tracer.process.pid)
            time.sleep(SECONDS)
            self.after = resident_bytes(tracer.process.pid)
            server.fall_silent()
            time.sleep(1.5)  # the last events are acknowledged, and all sockets looked at once more
            self.unsent = unsent_by_ss(server.port)
            self.report = tracer.stop()
            self.slow = {connection.getsockname()[:2] for connection in slow}
            self.ledger = server.log()
            for connection in slow:
                connection.close()


def check_stream(response, entry):
    told = {"state": response["state"], "method": response["method"], "target": response["target"],
            "status": response["status"], "bytes": response["response_bytes"], "flushes": response["flushes"],
            "streaming": response["streaming"], "type": response["content_type"]}
    served = {"state": "open", "method": "GET", "target": entry["target"], "status": 200, "bytes": entry["response_bytes"],
              "flushes": entry["sends"], "streaming": True, "type": "text/event-stream"}
    assert told == served, "told %s, served %s" % (told, served)


def check_slow(crowd, told):
    """What a stalled reader does not take waits, and how long is told."""
    assert set(crowd.unsent) == crowd.slow, "the rig's stalled streams are %d, not %d" % (len(crowd.unsent), STALLED)
    for name in crowd.slow:
        pressure = told[name]["socket"]
        assert pressure["unsent_bytes_max"] >= crowd.unsent[name], "%s, ss says %d unsent" % (pressure, crowd.unsent[name])
        assert pressure["oldest_unsent_ns_max"] >= 0.5e9 * SECONDS, "the oldest unsent byte: %s" % pressure
    last = crowd.report.of_type("sample")[-1]
    seen = last["connections"], last["in_flight"], last["socket"]["unsent_bytes"]
    assert seen == (STREAMS + STALLED, STREAMS + STALLED, sum(crowd.unsent.values())), "the last sample is of %s: %s" % (
        seen, last)


def test_thousands_of_open_streams_are_all_told():
    require_tailrace()
    allow_descriptors(STREAMS + SPARE_DESCRIPTORS)
    crowd = Crowd()
    crowd.run()
    report = crowd.report
    require_steady(len(crowd.ledger) == STREAMS + STALLED, "the rig served %d" % len(crowd.ledger))
    lost = {kind: count for kind, count in report.loss.items() if count and kind != "missed"}
    assert not lost, "loss: %s" % report.loss
    told = {remote(response): response for response in report.responses}
    assert len(report.responses) == len(told) == STREAMS + STALLED, "%d told of %d connections" % (
        len(report.responses), len(told))
    for entry in crowd.ledger:
        check_stream(told[tuple(entry["remote"])], entry)
    events = sum(entry["sends"] - 1 for entry in crowd.ledger)
    require_steady(events > 0.8 * STREAMS * SECONDS, "only %d events" % events)
    check_slow(crowd, told)
    estimated = [name for name, response in told.items() if response["estimated"] and name not in crowd.slow]
    assert not estimated, "%d of the others are estimated" % len(estimated)
    assert crowd.after <= 1.15 * crowd.before + 1e6, "memory grew from %d to %d bytes" % (crowd.before, crowd.after)
    return "%d events of %d streams; memory %.1f, then %.1f MB, %.1f kB a stream" % (
        events, STREAMS, crowd.before / 1e6, crowd.after / 1e6, crowd.after / 1e3 / STREAMS)


test_thousands_of_open_streams_are_all_told.limit_s = 120 + 2 * SECONDS + STREAMS // 100
