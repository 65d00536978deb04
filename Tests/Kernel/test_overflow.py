# SPDX-License-Identifier: MIT
"""A ring that is too small while nobody reads it: what is lost is counted, and what is told is true or marked."""
import os
import re
import signal
import time

from load_client import Connection
from native import LedgerServer, Swarm, resident_bytes, waited_ns
from tracer import Tracer, begin_ns, loss_numbers, nanoseconds, remote, require_steady, require_tailrace
from truth import by_connection, path

LONG = int(os.environ.get("STRESS_SECONDS", "0"))
STOPPED_S = max(5, LONG)
# Clients, and how many milliseconds after each answer they ask again.
CALM, FLOOD = (40, 150), (250, 40)
STREAMS = 12
STUTTERS = 50
KINDS = ("sockets", "reads", "heads", "flushes", "states")
FIELDS = ("method", "target", "status", "request_bytes", "response_bytes")
# Where a clock is read beside the event that it is compared with.
TOLERANCE_NS = 3_000_000
RECOVERED_NS = 2_000_000_000
# After so many looks at all sockets, one a second, who was not met is gone.
SEEN_GONE_S = 4.5


class Run:
    """The report of a run whose reader was stopped for a while, the server's ledger, and when that was."""


def overflow():
    run = Run()
    with LedgerServer() as server, Tracer(server.port, "--ring", "64KiB") as tracer:
        streams = [Connection("127.0.0.1", server.port).open() for _ in range(STREAMS)]
        for stream in streams:
            stream.send("/e/0/50")
            stream.read_head()
        with Swarm("load", "127.0.0.1", server.port, STOPPED_S + 6, *CALM) as calm:
            time.sleep(1)
            run.before = resident_bytes(tracer.process.pid)
            tracer.process.send_signal(signal.SIGSTOP)
            run.stopped = time.time_ns()
            # It ends with the stop: afterwards the small ring has to carry only what it can.
            with Swarm("load", "127.0.0.1", server.port, STOPPED_S, *FLOOD) as flood:
                time.sleep(STOPPED_S / 2)
                for stream in streams[::2]:
                    stream.close()
                flood.results()
            tracer.process.send_signal(signal.SIGCONT)
            run.continued = time.time_ns()
            time.sleep(RECOVERED_NS / 1e9)
            starved_ns = waited_ns(tracer.process.pid)
            calm.results()
        time.sleep(SEEN_GONE_S)
        run.after = resident_bytes(tracer.process.pid)
        run.starved_ns = waited_ns(tracer.process.pid) - starved_ns
        run.report = tracer.stop()
        run.left = sorted(stream.local for stream in streams[1::2])
        for stream in streams[1::2]:
            stream.close()
        run.ledger = server.log()
    return joined(run)


def stutter():
    """The reader stops for a moment and goes on, again and again: losses begin and end in the middle of everything."""
    run = Run()
    with LedgerServer() as server, Tracer(server.port, "--ring", "64KiB") as tracer:
        with Swarm("load", "127.0.0.1", server.port, STUTTERS * 0.1 + 1, *FLOOD) as flood:
            for _ in range(STUTTERS):
                tracer.process.send_signal(signal.SIGSTOP)
                time.sleep(0.07)
                tracer.process.send_signal(signal.SIGCONT)
                time.sleep(0.03)
            flood.results()
        time.sleep(SEEN_GONE_S)
        run.report = tracer.stop()
        run.left = []
        run.ledger = server.log()
    return joined(run)


def joined(run):
    run.entries = by_connection(run.ledger, lambda entry: tuple(entry["remote"]), lambda entry: entry["number"])
    run.told = by_connection(run.report.responses, remote, begin_ns)
    return run


def check_flood(run):
    meanwhile = [entry for entry in run.ledger if run.stopped <= entry["begin_ns"] <= run.continued]
    require_steady(3 * len(meanwhile) >= 50_000, "only %d responses while it was stopped" % len(meanwhile))
    lost = sum(run.report.loss[kind] for kind in KINDS)
    assert lost >= 50_000, "%d lost, of %d responses while nobody read" % (lost, len(meanwhile))


def check_balance(run):
    end = run.report.objects[-1]
    made, delivered = end["events"]["made"], end["events"]["delivered"]
    lost = sum(end["loss"][kind] for kind in KINDS)
    # A response is at least a read, a head and a flush.
    assert made >= 3 * len(run.ledger), "%d events made of %d responses" % (made, len(run.ledger))
    assert made == delivered + lost, "%d made, %d delivered and %d lost" % (made, delivered, lost)
    assert isinstance(end["loss"]["missed"], int), "recursion misses are not told: %s" % end["loss"]
    return "%d made, %d lost" % (made, lost)


def check_summary(run):
    """stderr says for people what `end` says for programs."""
    end = run.report.objects[-1]
    said = re.search(r"(\d+) responses ended, (\d+) open; (\d+) events made, (\d+) delivered, (\d+) lost \(ring full\), "
                     r"(\d+) missed", run.report.errors.decode())
    assert said, "no summary: %s" % run.report.errors[-300:]
    expected = [end["counts"]["response"], end["counts"]["open"], end["events"]["made"], end["events"]["delivered"],
                sum(end["loss"][kind] for kind in KINDS), end["loss"]["missed"]]
    assert list(map(int, said.groups())) == expected, "stderr says %s, `end` %s" % (said.groups(), expected)
    assert [end["counts"]["response"], end["counts"]["open"]] == [len(run.report.ended), len(run.report.open)]


def entries_of(run, response):
    """What the server did on that connection in the response's time."""
    begin = begin_ns(response) - TOLERANCE_NS
    end = begin_ns(response) + response["duration_ns"] + TOLERANCE_NS
    return [entry for entry in run.entries.get(remote(response), ())
            if entry["begin_ns"] <= end and (entry["end_ns"] or entry["begin_ns"]) >= begin]


def facts(item):
    return {name: path(item[name]) if name == "target" and item[name] else item[name] for name in FIELDS}


def check_truth(run):
    """What is told happened; and what is not marked happened as told."""
    marked = 0
    for response in run.report.responses:
        entries = entries_of(run, response)
        assert entries, "never served: %s %s from %s, estimated: %s" % (
            response["begin"], facts(response), remote(response), response["estimated"])
        marked += response["estimated"]
        if not response["estimated"] and response["state"] == "ended":
            assert facts(response) in [facts(entry) for entry in entries] and len(entries) == 1, (
                "not marked, and told %s of %s; served %s" % (facts(response), remote(response), list(map(facts, entries))))
    assert marked, "nothing is marked"
    return "%d of %d told are marked" % (marked, len(run.report.responses))


def check_recovery(run):
    """Two seconds later nothing is lost any more, and every response is there, exact and not marked."""
    since = run.continued + RECOVERED_NS
    losses = [(nanoseconds(item["at"]), sum(count for _, count in loss_numbers(item["loss"])))
              for item in run.report.of_type("loss")]
    assert losses, "the loss was not told while it grew"
    late = ["%d more at %.1f s" % (after - before, (at - run.continued) / 1e9)
            for (_, before), (at, after) in zip(losses, losses[1:]) if at > since]
    require_steady(not late or run.starved_ns < 100_000_000, "tailrace waited %d ms for a processor, and lost %s" % (
        run.starved_ns / 1e6, late))
    assert not late, "the loss grew: " + ", ".join(late)
    final = sum(run.report.loss[kind] for kind in (*KINDS, "missed", "untracked", "undecodable"))
    assert final == losses[-1][1], "%d lost at the end, %d when it was told last" % (final, losses[-1][1])
    told = [entry for entry in run.ledger if entry["begin_ns"] >= since and entry["target"].startswith("/s/")]
    require_steady(len(told) > 300, "only %d responses after the recovery" % len(told))
    for entry in told:
        found = [response for response in run.told.get(tuple(entry["remote"]), ()) if entry in entries_of(run, response)]
        exact = [response for response in found if not response["estimated"]]
        assert len(exact) == 1 and facts(exact[0]) == facts(entry), "%.1f s after the recovery: served %s to %s, told %s" % (
            (entry["begin_ns"] - run.continued) / 1e9, facts(entry), entry["remote"],
            [(facts(response), response["estimated"]) for response in found])
    return "%d exact after the recovery" % len(told)


def check_open(run):
    still = sorted(remote(response) for response in run.report.open)
    assert still == run.left, "open are %d, not the %d streams that are: %s" % (
        len(still), len(run.left), [item for item in run.report.open if remote(item) not in run.left][:2])


def test_what_a_full_ring_lost_is_counted_and_marked():
    require_tailrace()
    run = overflow()
    check_flood(run)
    notes = [check_balance(run), check_truth(run), check_recovery(run)]
    check_summary(run)
    check_open(run)
    assert run.after <= 1.3 * run.before + 4e6, "memory grew from %d to %d bytes" % (run.before, run.after)
    return "; ".join(notes) + "; memory %.1f to %.1f MB" % (run.before / 1e6, run.after / 1e6)


test_what_a_full_ring_lost_is_counted_and_marked.limit_s = 120 + 6 * STOPPED_S


def test_a_reader_that_stutters_tells_nothing_that_is_not_true():
    require_tailrace()
    run = stutter()
    notes = [check_balance(run), check_truth(run)]
    check_summary(run)
    check_open(run)
    return "; ".join(notes)
