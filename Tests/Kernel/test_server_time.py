# SPDX-License-Identifier: MIT
"""The time that the server owns: thinking, pausing between events, leaving a request unread."""
from load_client import Connection
from servers import TruthServer, wait_acknowledged
from tracer import Skip, Tracer, require_tailrace, stage, timeline_text
from truth import pairs


def traced(targets, quick_ack=True):
    """(response, record) of the requests, made one after the other on one connection."""
    require_tailrace()
    with TruthServer() as server, Tracer(server.port) as tracer:
        connection = Connection("127.0.0.1", server.port, quick_ack=quick_ack)
        for target in targets:
            connection.request(target)
        wait_acknowledged(server.port)
        report = tracer.stop()
        connection.close()
        return pairs(report.ended, server.log())


def own_time_ns(record):
    """By the server's own clock: from its read of the request to its first send call, and between its send calls."""
    total, since = 0, record["received_ns"]
    for send in record["sends"]:
        total += send["before_ns"] - since
        since = send["after_ns"]
    return total


def test_a_sleep_before_the_answer_is_app():
    worst = 0
    for response, record in traced(["/length/1x2000/sleep=300"] * 5):
        app, own = stage(response, "app"), own_time_ns(record)
        assert app >= 300_000_000, "app is shorter than the sleep: " + timeline_text(response)
        assert abs(app - own) <= 10_000_000, "app is not the server's %.2f ms: %s" % (own / 1e6, timeline_text(response))
        assert app >= 0.9 * response["duration_ns"], "app below 90 %: " + timeline_text(response)
        assert response["ttff_ns"] >= 300_000_000, "ttff %d" % response["ttff_ns"]
        worst = max(worst, abs(app - own))
    return "app within %.3f ms of the server's own clock" % (worst / 1e6)


def test_pauses_between_events_are_app():
    worst = 0
    for response, record in traced(["/sse/6x200/gap=80", "/chunked/4x9000/gap=100", "/length/5x3000/gap=60"]):
        app, own = stage(response, "app"), own_time_ns(record)
        assert abs(app - own) <= 10_000_000, "app is not the server's %.2f ms: %s" % (own / 1e6, timeline_text(response))
        assert app >= 0.9 * response["duration_ns"], "app below 90 %: " + timeline_text(response)
        worst = max(worst, abs(app - own))
    return "app within %.3f ms of the server's own clock" % (worst / 1e6)


def test_a_delayed_acknowledgement_is_shown_as_such():
    """A Linux client that has nothing to send holds its ACK back for 40 ms: network, of which ack_delay is nearly all."""
    delayed = [response for response, _ in traced(["/length/1x2000/sleep=200"] * 6, quick_ack=False)
               if stage(response, "network") >= 35_000_000]
    if not delayed:
        raise Skip("this kernel's client delayed no ACK")
    for response in delayed:
        network, delay = stage(response, "network"), response["ack_delay_ns"]
        # The smoothed RTT learns from delayed ACKs, and ack_delay is what lies beyond it.
        beyond = network - (response["socket"]["srtt_ns"] or 0)
        assert delay is not None and 0 < delay <= network, "ack_delay %s: %s" % (delay, timeline_text(response))
        assert delay >= 0.5 * beyond, "ack_delay %.2f of %.2f ms: %s" % (delay / 1e6, beyond / 1e6, timeline_text(response))
    return "%d delayed, ack_delay %.1f ms of network %.1f ms" % (
        len(delayed), delayed[0]["ack_delay_ns"] / 1e6, stage(delayed[0], "network") / 1e6)


def test_gaps_of_events_are_what_the_server_slept():
    (response, record), = traced(["/sse/11x200/gap=50"])
    gaps = response["gap_ns"]
    sends = [send["before_ns"] for send in record["sends"]]
    own = sorted(after - before for before, after in zip(sends, sends[1:]))
    middle = own[len(own) // 2]
    for place in ("sent", "acked"):
        p50 = gaps[place]["p50"]
        # A histogram's bucket is a few per cent wide.
        assert abs(p50 - middle) <= 0.1 * middle, "%s gap p50 %.2f ms, the server's %.2f" % (place, p50 / 1e6, middle / 1e6)
    return "p50 %.2f ms, the server's %.2f ms" % (gaps["sent"]["p50"] / 1e6, middle / 1e6)


def test_a_request_left_unread_is_read():
    """The server lingers 200 ms after a response before it reads the next request, which is there at once."""
    found = traced(["/length/1x500/linger=200"] * 4)
    for (_, before), (response, record) in zip(found, found[1:]):
        unread = stage(response, "read")
        # Between the two the client got the response and asked again.
        longest = record["received_ns"] - before["sends"][-1]["after_ns"]
        assert unread <= longest + 5_000_000, "the server read after %.2f ms: %s" % (longest / 1e6, timeline_text(response))
        assert unread >= max(100_000_000, longest - 50_000_000), "the server read after %.2f ms: %s" % (
            longest / 1e6, timeline_text(response))
    first = found[0][0]
    assert stage(first, "read") < 50_000_000, "nothing kept the first request: " + timeline_text(first)
    return "read %s ms" % ", ".join("%.1f" % (stage(response, "read") / 1e6) for response, _ in found)
