# SPDX-License-Identifier: MIT
"""The daemon's recording of the last minutes: killed at any moment, on a full disk, and asked for what happened then."""
import datetime
import glob
import json
import os
import random
import signal
import tempfile
import time

from attachment import Attachment
from daemon import Daemon, wait_until
from load_client import Connection
from native import LedgerServer, Swarm
from recording_file import blocks
from servers import TruthServer, wait_acknowledged
from slow_reader import connect
from test_daemon_soak import disk_bytes
from test_recording_room import tmpfs
from tracer import run_to_end

KILLS = int(os.environ.get("STRESS_KILLS", "6"))  # 100 is the long form


def segments(directory):
    """Where the files end that may be read, oldest first."""
    return sorted(glob.glob(os.path.join(directory, "*.trc")))


def exported(what, *options):
    done = run_to_end("export", what, "--format", "ndjson", *options, seconds=60)
    assert done.returncode == 0, "%s cannot be read: %s" % (what, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def settings(flight, *more):
    return ("flight-directory = " + flight, "flight-segment = 1s", "cpu-limit = 800%", *more)


def test_killed_at_any_moment_it_leaves_nothing_attached_and_every_segment_readable():
    chance = random.Random(KILLS)
    with LedgerServer() as server, tempfile.TemporaryDirectory(prefix="tailrace-flight-") as flight, \
            Swarm("load", "127.0.0.1", server.port, 3 * KILLS + 30, 50, 10) as load:
        for turn in range(KILLS):
            with Daemon(server.port, settings=settings(flight)) as daemon:
                attachment = Attachment(daemon.process.pid)
                time.sleep(chance.uniform(0, 2))
                daemon.process.send_signal(signal.SIGKILL)
                daemon.process.wait()
                attachment.gone_within(5)
            files = segments(flight)
            assert files, "nothing is recorded after the kill number %d" % turn
            for path in files:
                with open(path, "rb") as file:
                    assert blocks(file.read())[0].kind == "description", path
        objects = exported(flight)
        counts = objects[-1]["counts"]
        load.process.terminate()
        ledger = server.log()
    refused = [entry for entry in ledger if entry.get("error")]
    assert not refused, "the server saw errors: %s" % refused[:3]
    assert counts["response"] > 10 * KILLS, counts
    return "%d kills, %d segments, %d responses in them" % (KILLS, len(files), counts["response"])


test_killed_at_any_moment_it_leaves_nothing_attached_and_every_segment_readable.limit_s = 120 + 5 * KILLS


def test_a_full_disk_is_counted_and_it_goes_on_by_itself():
    with tmpfs("6m") as directory, TruthServer() as server:
        flight = os.path.join(directory, "flight")
        with Daemon(server.port, settings=settings(flight, "flight-size = 64MiB")) as daemon, daemon.listen("response") as stream:
            connection = Connection("127.0.0.1", server.port)
            ballast = os.path.join(directory, "ballast")
            connection.request("/length/1x10/before")
            with open(ballast, "wb") as file:
                try:
                    while True:
                        file.write(bytes(65536))
                        file.flush()
                except OSError:
                    pass

            def asked(name):
                connection.request("/length/1x10/" + name)
                return daemon.ask("/v1/health")["flight"]

            full = wait_until(lambda: (lambda flight: flight["dropped"] and flight)(asked("full")), 40, "a dropped record")
            assert not full["recording"] and full["problem"] and full["dropped_since"], full
            health = daemon.ask("/v1/health")
            assert health["status"] == "degraded" and any("not recorded" in reason for reason in health["reasons"]), health["reasons"]
            os.unlink(ballast)
            again = wait_until(lambda: (lambda flight: flight["recording"] and flight)(asked("again")), 60, "it goes on")
            assert again["problem"] is None and again["gaps"] >= 1, again
            assert not any("not recorded" in reason for reason in daemon.ask("/v1/health")["reasons"])
            connection.request("/length/1x10/after")
            wait_acknowledged(server.port)
            stream.until(lambda stream: any(item["target"].endswith("/after") for item in stream.of_type("response")))
            told = [item["target"].rpartition("/")[2] for item in stream.of_type("response")]
            log = daemon.stop()
            kept = [item["target"].rpartition("/")[2] for item in exported(flight) if item["type"] == "response" and item["target"]]
            served = [record["target"].rpartition("/")[2] for record in server.log()]
            connection.close()
    assert told == served, "tracing went on: told %d, served %d" % (len(told), len(served))
    assert "No space left" in log and "goes on" in log, log
    assert "after" in kept and len(kept) < len(served), "%s kept" % kept
    return "%d records were dropped" % again["dropped"]


def test_it_stays_within_its_budget():
    with LedgerServer() as server, tempfile.TemporaryDirectory(prefix="tailrace-flight-") as flight, \
            Swarm("load", "127.0.0.1", server.port, 60, 100, 10), \
            Daemon(server.port, settings=settings(flight, "flight-size = 1MiB", "flight-pinned-size = 0B")) as daemon:
        largest, end = 0, time.monotonic() + 20
        while time.monotonic() < end:
            # One that goes while another one comes is counted with it: the least of three looks is none of that.
            largest = max(largest, min(disk_bytes(flight) for _ in range(3)))
            time.sleep(0.05)
        account = daemon.ask("/v1/health")["flight"]
    assert 0.3 * 2 ** 20 < largest <= 2 ** 20, "%d bytes on the disk" % largest
    assert account["removed"] > 0 and not account["dropped"], account
    return "at most %d KiB of 1024, %d segments taken away" % (largest // 1024, account["removed"])


def test_what_happened_then_is_told_later_and_its_surroundings_are_kept():
    """A client that stops to read; half a minute of other traffic writes over what nobody pinned."""
    with TruthServer() as server, tempfile.TemporaryDirectory(prefix="tailrace-flight-") as flight, \
            Daemon(server.port, settings=settings(flight)) as daemon:
        slow = connect("127.0.0.1", server.port, 4096)
        slow.sendall(b"GET /length/200x65536 HTTP/1.1\r\nHost: x\r\n\r\n")
        finding = wait_until(lambda: next((item for item in daemon.ask("/v1/findings")["findings"]
                                           if item["anomaly"] == "slow-consumer"), None), 20, "the finding")
        time.sleep(2)
        then = datetime.datetime.now()
        slow.close()
        daemon.stop()
        pinned = os.listdir(os.path.join(flight, "pinned"))
        done = run_to_end("report", "--at", then.strftime("%H:%M:%S"), "--within", "20s", "--directory", flight, "--format", "json")
        early = run_to_end("report", "--at", (then - datetime.timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M"), "--directory", flight)
        written = [run_to_end("report", "--at", text, "--directory", flight) for text in ("2020-01-02 04:25", "2020-01-02 4:25:30")]
        short = run_to_end("report", "--at", (then - datetime.timedelta(hours=2)).strftime("%-H:%M"), "--directory", flight)
        for other in (*written, short):
            assert other.returncode == 65 and b"nothing was recorded" in other.stderr, (other.returncode, other.stderr)
        assert run_to_end("report", "--at", "2020-01-02 ", "--directory", flight).returncode == 64
    assert any(name.endswith(".trc") for name in pinned), "nothing is pinned: %s" % pinned
    assert any(finding["id"] in name or name.endswith(".json") for name in pinned), pinned
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert "slow-consumer" in [item["anomaly"] for item in report["findings"]], report["findings"]
    assert early.returncode != 0 and b"nothing was recorded" in early.stderr, early.stderr
