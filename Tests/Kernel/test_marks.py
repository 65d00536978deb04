# SPDX-License-Identifier: MIT
"""Begin, end and first flush of responses, against tcpdump and the server's log of the same run."""
from capture import Capture
from servers import TruthServer
from test_completeness import drive_mixed
from tracer import Tracer, begin_ns, end_ns, require_tailrace
from truth import first_body_send, pairs, percentile, positions

LIMIT_NS = 200_000
MEDIAN_NS = 100_000
ATTEMPTS = 3  # the machine is shared: another's burst may delay a mark by milliseconds; the best run counts


def differences(report, records, conversations):
    """
    Nanoseconds, tailrace minus witness, of each response: begin, end, first body send. A thread of the server may lose the
    CPU between its clock and its call, so the witness of a send call is an interval: outside of it is a difference.
    """
    witnessed = {}
    for record, connection, asked, answered in positions(records):
        conversation = conversations[connection]
        witnessed[(connection, record["number"])] = (conversation.request_at(asked),
                                                     conversation.acknowledged_at(answered))
    begins, ends, firsts, outside = [], [], [], []
    for response, record in pairs(report.ended, records):
        begin, end = witnessed[(tuple(record["remote"]), record["number"])]
        assert begin and end, "the capture does not have %s" % record
        begins.append(begin_ns(response) - begin)
        ends.append(end_ns(response) - end)
        send = first_body_send(record)
        if send:
            assert response["ttff_ns"] is not None, "no ttff: %s" % record["target"]
            first = begin_ns(response) + response["ttff_ns"]
            firsts.append(first - send["before_ns"])
            outside.append(max(send["before_ns"] - first, first - send["after_ns"], 0))
    return {"begin": begins, "end": ends, "first flush": firsts, "first flush outside its call": outside}


def one_run():
    with TruthServer() as server, Tracer(server.port) as tracer, Capture("lo", server.port) as capture:
        drive_mixed(server.port)
        conversations = capture.conversations()
        report = tracer.stop()
        return differences(report, server.log(), conversations)


def verdict(found):
    """(worst p99, text). Of the time from the server's clock to the call only the median counts."""
    worst, parts = 0, []
    for name, values in found.items():
        sizes = [abs(value) for value in values]
        if name == "first flush":
            assert percentile(sizes, 50) <= MEDIAN_NS, "first flush p50 %.1f us" % (percentile(sizes, 50) / 1e3)
        else:
            worst = max(worst, percentile(sizes, 99))
        parts.append("%s p50 %.1f p99 %.1f max %.1f us" % (
            name, percentile(sizes, 50) / 1e3, percentile(sizes, 99) / 1e3, max(sizes) / 1e3))
    return worst, "; ".join(parts)


def test_begin_end_and_first_flush_agree_with_tcpdump_and_the_log():
    require_tailrace()
    tried = []
    for attempt in range(1, ATTEMPTS + 1):
        worst, text = verdict(one_run())
        tried.append((worst, "run %d of at most %d: %s" % (attempt, ATTEMPTS, text)))
        if worst <= LIMIT_NS:
            break
    worst, text = min(tried)
    assert worst <= LIMIT_NS, "p99 above %d us in all of %d runs; best: %s" % (LIMIT_NS // 1000, ATTEMPTS, text)
    return text


test_begin_end_and_first_flush_agree_with_tcpdump_and_the_log.limit_s = 240
