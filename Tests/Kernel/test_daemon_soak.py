# SPDX-License-Identifier: MIT
"""
The daemon for long: many streams without an end, its recording, a scraper and a listener. Its memory and its files stay as they
were, and the server's ledger is what it delivered. STRESS_STREAMS=10000 STRESS_SECONDS=1800 is the long form.
"""
import os
import time

from daemon import LINES, Daemon, wait_until
from native import LedgerServer, Swarm, resident_bytes
from test_many_streams import SPARE_DESCRIPTORS, allow_descriptors
from tracer import require_steady, require_tailrace

STREAMS = int(os.environ.get("STRESS_STREAMS", "1000"))
SECONDS = max(24, int(os.environ.get("STRESS_SECONDS", "0")))
INTERVAL_MS = 1000 if STREAMS <= 2000 else 5000
BUDGET = 16 << 20


def disk_bytes(directory):
    """What its files take; one may go while they are counted."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def check_own_cost(looks):
    """What it says of itself, against /proc: resident memory with its program, and that of the process that reads tasks."""
    for resident, _, health in looks:
        own = health["own_cost"]
        assert own["resident_bytes"] and resident <= own["resident_bytes"] <= resident + 150e6, (resident, own)
        assert 0 < own["core_share"] < 1, own


def test_memory_and_files_stay_as_they_are_while_streams_go_on():
    require_tailrace()
    allow_descriptors(STREAMS + SPARE_DESCRIPTORS)
    looks = []
    with LedgerServer() as server, Daemon(server.port) as daemon:
        flight = daemon.path("flight")
        daemon.end()
        daemon.settings = ["flight-directory = " + flight, "flight-size = %dB" % BUDGET, "flight-segment = 5s"]
        if STREAMS <= 2000:
            daemon.settings.append("cpu-limit = 50%")  # a build for debugging takes several times as much
        daemon.configure(server.port)
        os.remove(daemon.path("ready"))
        daemon.start().wait_ready()
        with Swarm("hold", "127.0.0.1", server.port, SECONDS + 600, STREAMS, INTERVAL_MS), daemon.listen("sample", LINES) as stream:
            wait_until(lambda: daemon.ask("/v1/responses")["open_count"] == STREAMS, 60, "all streams are open", every=1)
            time.sleep(8)  # tables of a minute begin to fill, and what grows with them
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                assert daemon.get("/metrics").status == 200
                looks.append((resident_bytes(daemon.pid), disk_bytes(flight), daemon.ask("/v1/health")))
                time.sleep(min(10, SECONDS / 12))
            server.fall_silent()
            time.sleep(2)
            last = daemon.ask("/v1/health")
            opened = daemon.ask("/v1/responses")["open_count"]
            # On a machine that others use too, it may have had to do less: then it looks every other second.
            least = 0.8 * SECONDS if last["detail"]["changes"] == 0 else 0.4 * SECONDS
            assert stream.ended is None and len(stream.of_type("sample")) >= least, (stream.ended, last["detail"])
        ledger = server.log()
    require_steady(len(ledger) == STREAMS, "the rig served %d" % len(ledger))
    assert opened == STREAMS, "%d open responses told" % opened
    lost = {kind: count for kind, count in last["loss"].items() if count and kind != "missed"}
    assert not lost, "loss: %s" % last["loss"]
    sends = sum(entry["sends"] for entry in ledger)
    flushes = last["events"]["made"]
    assert last["events"]["delivered"] == flushes, last["events"]
    assert flushes >= sends, "%d events of %d send calls" % (flushes, sends)
    third = max(1, len(looks) // 3)
    before, after = (max(look[0] for look in part) for part in (looks[:third], looks[-third:]))
    assert after <= 1.15 * before + 2e6, "memory grew from %d to %d bytes: %s" % (before, after, [look[0] for look in looks])
    check_own_cost(looks)
    largest = max(look[1] for look in looks)
    assert 0 < largest <= BUDGET, "the recording takes %d bytes of %d" % (largest, BUDGET)
    return "%d streams for %d s, %d send calls; memory %.1f, then %.1f MB; recording at most %.1f MB; %.1f %% of a core; detail given up or taken back %d times" % (
        STREAMS, SECONDS, sends, before / 1e6, after / 1e6, largest / 1e6, 100 * last["own_cost"]["core_share"],
        last["detail"]["changes"])


test_memory_and_files_stay_as_they_are_while_streams_go_on.limit_s = 180 + 2 * SECONDS + STREAMS // 50
