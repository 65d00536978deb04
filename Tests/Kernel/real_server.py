# SPDX-License-Identifier: MIT
"""Holds what tailrace told of a real server's responses against what the clients wrote down of them."""
import collections

from servers import wait_acknowledged
from tracer import begin_ns, end_ns, remote
from truth import by_connection

EVENTS, GAP_MS = 5, 10
KEPT, CLOSED = 12, 30
# Between CLOCK_REALTIME as the clients read it and CLOCK_MONOTONIC as the kernel side does.
CLOCKS_NS = 50_000


def plans(small="/small/%d", sse="/sse/%d/%d", trailers=None):
    """Keep-alive connections with streams between small responses, and connections of one response each."""
    stream = sse % (EVENTS, GAP_MS)
    kept = [[(small % (100 * place + number), False) for number in range(4)] + [(stream, False)]
            + [(small % (20000 + number), False) for number in range(4)] + ([(trailers, False)] if trailers else [])
            + [(stream, place % 2 == 0)] for place in range(KEPT)]
    if trailers:
        kept += [[(trailers, False)]] * 4
    closed = [[(stream if place % 3 == 0 else small % (10 + place), True)] for place in range(CLOSED)]
    return kept + closed


def joined(report, records, port):
    """(response, record) of all: each connection has the same number on both sides."""
    own = [item for item in report.responses if item["connection"]["local"].endswith(":%d" % port)]
    told = by_connection(own, remote, begin_ns)
    seen = by_connection(records, lambda record: tuple(record["local"]), lambda record: record["number"])
    for connection in sorted(set(told) | set(seen)):
        both = [[item["target"] for item in side.get(connection, ())] for side in (told, seen)]
        assert len(both[0]) == len(both[1]), "connection from %s: traced %s, the client saw %s" % (connection, *both)
    return [pair for connection in seen for pair in zip(told[connection], seen[connection])]


def is_stream(record):
    return record["target"].startswith("/sse")


def check_response(response, record):
    told = tuple(response[name] for name in ("state", "method", "target", "status", "response_bytes", "protocol"))
    seen = ("ended", record["method"], record["target"], record["status"], record["bytes"], "http/1.1")
    assert told == seen, "traced %s, the client saw %s" % (told, seen)
    assert response["ended_by"] == "complete", "%s ended by %s" % (record["target"], response["ended_by"])
    if is_stream(record):
        assert response["streaming"] is True and response["content_type"] == "text/event-stream", response
    elif "/small/" in record["target"]:
        assert response["streaming"] is False, response


def check_times(response, record):
    """What is sure of any run, however slow the machine: each bound is a moment before or after the other by causality."""
    begin, end = begin_ns(response), end_ns(response)
    bounds = {"it began before its request was sent": begin - record["asked_ns"],
              "it began after its first byte was there": record["first_ns"] - begin,
              "it ended before its last byte could be there": end - record["missing_ns"]}
    if record["served_ns"]:
        bounds["it began after its handler had the request"] = record["served_ns"] - begin
    if record["first_body_ns"]:
        assert response["ttff_ns"] is not None, "no ttff: %s" % record
        bounds["its first flush was after its first body byte was there"] = (
            record["first_body_ns"] - begin - response["ttff_ns"])
    for what, room in bounds.items():
        assert room >= -CLOCKS_NS, "%s: by %d ns; %s" % (what, -room, record)
    # Both from the client's clock: no allowance.
    least = record["missing_ns"] - record["first_ns"]
    assert response["duration_ns"] >= least, "%d ns, the client saw %d" % (response["duration_ns"], least)


def check_order(pairs):
    """
    The client asks when it has all of the response before: on one connection, one ends before the next begins; mostly with the
    same packet, and each is told by the clock's anchor of its own moment.
    """
    by_socket = collections.defaultdict(list)
    for response, _ in pairs:
        by_socket[response["connection"]["id"]].append(response)
    for responses in by_socket.values():
        for before, after in zip(responses, responses[1:]):
            late = end_ns(before) - begin_ns(after)
            assert late <= CLOCKS_NS, "%s ends %d ns after %s begins" % (before["target"], late, after["target"])


def check_against(report, records, port, comm):
    """All that holds of any server; returns the pairs."""
    report.check_no_loss()
    pairs = joined(report, records, port)
    for response, record in pairs:
        check_response(response, record)
        check_times(response, record)
        assert response["server"]["comm"] == comm, response["server"]
    check_order(pairs)
    return pairs


def streams(pairs):
    return [pair for pair in pairs if is_stream(pair[1])]


def check_paced(pairs):
    """Events left by themselves, so that their gaps are told; on a busy machine a server may catch up on two at once."""
    found = streams(pairs)
    assert found, "the rig: no streams"
    for _, record in found:
        assert record.get("events", EVENTS) == EVENTS, "the rig: %d events" % record["events"]
    flushes = [response["flushes"] for response, _ in found]
    assert sum(flushes) >= 0.8 * EVENTS * len(found), "%d events each, flushes: %s" % (EVENTS, flushes)
    assert max(flushes) >= EVENTS, "%d events each, flushes: %s" % (EVENTS, flushes)


def settled(tracer, port):
    wait_acknowledged(port)
    return tracer.stop()
