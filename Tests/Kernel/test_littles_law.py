# SPDX-License-Identifier: MIT
"""Little's law as a witness: what waits in the write queue, over the rate at which it drains, is how long it waits."""
from capture import Capture
from servers import Client, TruthServer, wait_acknowledged
from tracer import Tracer, require_steady, require_tailrace
from truth import mean, positions

FLUSH_BYTES, FLUSHES, GAP_MS = 4096, 500, 8  # 512 kB/s in
RATE = 250_000  # out: the queue grows all the time


def witnessed_waits(record, conversation, rate):
    """(seconds that each send call's last byte waited for the wire, seconds that the law says)."""
    waits, law, sent = [], [], 0
    for send in record["sends"]:
        sent += send["bytes"]
        waits.append(max(0, conversation.transmitted_at(sent) - send["after_ns"]) / 1e9)
        law.append(send["unsent_bytes"] / rate)
    return waits, law


def test_queue_wait_is_unsent_bytes_over_drain_rate():
    require_tailrace()
    target = "/length/%dx%d/gap=%d" % (FLUSHES, FLUSH_BYTES, GAP_MS)
    with TruthServer() as server, Tracer(server.port, "--flushes") as tracer, Capture("lo", server.port) as capture:
        # A small buffer makes the window's steps small against the queue.
        with Client("slow_reader.py", "--port", server.port, "--target", target, "--rate", RATE, "--step", 1024,
                    "--receive-buffer", 8192) as client:
            read = client.results()[0]
        wait_acknowledged(server.port)
        conversations = capture.conversations()
        report = tracer.stop()
        (record, connection, _, _), = positions(server.log())
    waits, law = witnessed_waits(record, conversations[connection], read["rate"])
    require_steady(abs(mean(waits) / mean(law) - 1) < 0.05, "by tcpdump and the server %.3f s, by the law %.3f s" % (
        mean(waits), mean(law)))
    flushes = report.of_type("flush")
    assert flushes, "no flush objects"
    queued = mean((flush["delivery_ns"]["queue"] or 0) / 1e9 for flush in flushes)
    expected = mean(flush["unsent_bytes"] / read["rate"] for flush in flushes)
    text = "wait %.3f s, unsent / rate %.3f s (means of %d flushes); tcpdump, server: %.3f, %.3f s (of %d calls)" % (
        queued, expected, len(flushes), mean(waits), mean(law), len(waits))
    assert abs(queued / expected - 1) <= 0.1, "more than 10 % apart: " + text
    # Where calls were merged, a flush stands for several: weighted so, it is the server's own mean.
    calls = sum(flush["writes"] for flush in flushes)
    assert calls == len(waits), "%d writes in flushes, %d send calls" % (calls, len(waits))
    weighted = sum((flush["delivery_ns"]["queue"] or 0) / 1e9 * flush["writes"] for flush in flushes) / calls
    assert abs(weighted / mean(waits) - 1) <= 0.15, "by calls %.3f s: %s" % (weighted, text)
    told = report.ended[0]["delivery_ns"]["queue"]["mean"] / 1e9
    assert abs(told / mean(waits) - 1) <= 0.15, "the response's own mean is %.3f s: %s" % (told, text)
    return text
