# SPDX-License-Identifier: MIT
"""Joins what tailrace said with what the server logged: connection by connection, in the order of the requests."""
import collections

from tracer import begin_ns, remote


def by_connection(items, key, order):
    groups = collections.defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    for group in groups.values():
        group.sort(key=order)
    return groups


def logged(records):
    return by_connection(records, lambda record: tuple(record["remote"]), lambda record: (record.get("received_ns", 0), record["number"]))


def pairs(responses, records):
    """(response, record) for every request. Fails where one side has more on a connection than the other."""
    traced = by_connection(responses, remote, begin_ns)
    served = logged(records)
    for connection in sorted(set(traced) | set(served)):
        seen, done = len(traced.get(connection, ())), len(served.get(connection, ()))
        assert seen == done, "connection from %s: %d responses traced, %d served; traced: %s; served: %s" % (
            connection, seen, done, [item["target"] for item in traced.get(connection, ())],
            [item["target"] for item in served.get(connection, ())])
    return [pair for connection in served for pair in zip(traced[connection], served[connection])]


def path(target):
    """The target as it may be shown: without its query."""
    return target.split("?")[0]


def first_body_send(record):
    return next((send for send in record["sends"] if send["body_bytes"]), None)


def positions(records):
    """(record, request offset, response end) with offsets in the connection's own bytes."""
    for connection, served in logged(records).items():
        asked = answered = 0
        for record in served:
            answered += record["response_bytes"]
            yield record, connection, asked, answered
            asked += record["request_bytes"]


def percentile(values, share):
    """The smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def mean(values):
    values = list(values)
    return sum(values) / len(values)
