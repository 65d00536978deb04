# SPDX-License-Identifier: MIT
"""Every response is found, and its bytes are exact: against the server's own log."""
import random
import time

from load_client import Connection, drive
from servers import TruthServer, wait_acknowledged
from tracer import Tracer, require_tailrace
from truth import pairs, path

CONNECTIONS, REQUESTS = 40, 1009

MIX = [("GET", "/length/1x%d", (1, 900, 16000, 120000)), ("GET", "/length/3x%d", (700, 30000)),
       ("GET", "/chunked/4x%d", (100, 5000)), ("GET", "/sse/5x%d", (120, 400)), ("GET", "/sse-close/3x%d", (150,)),
       ("GET", "/close/2x%d", (800, 20000)), ("HEAD", "/length/1x%d", (5000,)), ("GET", "/status/%d", (404, 204, 304)),
       ("POST", "/echo/1x%d?secret=1", (0,)), ("GET", "/length/1x%d?a=b&c=d", (333,))]


def mixed_requests(count, seed=20):
    """The same mix on every run."""
    choice = random.Random(seed)
    requests = []
    for number in range(count):
        method, pattern, sizes = MIX[number % len(MIX)]
        body = b"u" * choice.choice((10, 3000, 60000)) if method == "POST" else b""
        requests.append((method, pattern % choice.choice(sizes), body))
    choice.shuffle(requests)
    return requests


def drive_mixed(port, count=REQUESTS, connections=CONNECTIONS):
    """All requests over that many connections at a time, one half of them IPv6."""
    requests = mixed_requests(count)

    def worker(number):
        connection = Connection("127.0.0.1" if number % 2 else "::1", port)
        for method, target, body in requests[number::connections]:
            connection.request(target, method=method, body=body)
        connection.close()

    drive([lambda number=number: worker(number) for number in range(connections)])
    wait_acknowledged(port)


def check_one(response, record, pid):
    told = {"method": response["method"], "target": response["target"], "status": response["status"],
            "response_bytes": response["response_bytes"], "request_bytes": response["request_bytes"],
            "pid": response["server"]["pid"]}
    served = {"method": record["method"], "target": path(record["target"]), "status": record["status"],
              "response_bytes": record["response_bytes"], "request_bytes": record["request_bytes"], "pid": pid}
    assert told == served, "traced %s, served %s" % (told, served)
    expected = ("complete", "server_close") if record["kind"] in ("close", "sse-close") else ("complete",)
    assert response["ended_by"] in expected, "%s ended by %s" % (record["target"], response["ended_by"])
    if record["kind"].startswith("sse") and record["method"] == "GET":
        assert response["streaming"] is True, "not marked streaming: %s" % record["target"]
        assert response["content_type"] == "text/event-stream", response["content_type"]
    assert response["flushes"] == len(record["sends"]), "%d flushes, %d send calls: %s" % (
        response["flushes"], len(record["sends"]), record["target"])


def check_all(report, records, pid):
    assert not report.open, "%d open at the end: %s" % (len(report.open), [item["target"] for item in report.open][:10])
    assert len(report.ended) == len(records), "%d responses ended, %d requests" % (len(report.ended), len(records))
    for response, record in pairs(report.ended, records):
        check_one(response, record, pid)
    estimated = report.check_no_loss()
    return "%d of %d responses, %d estimated" % (len(report.ended), len(records), estimated)


def test_23_requests_on_one_connection_are_23_responses():
    require_tailrace()
    with TruthServer() as server, Tracer(server.port) as tracer:
        connection = Connection("127.0.0.1", server.port)
        for number in range(23):
            connection.request("/length/1x%d" % (number * 997 + 1))
        wait_acknowledged(server.port)
        report = tracer.stop()
        connection.close()
        pid = server.pid
        return check_all(report, server.log(), pid)


def test_every_response_of_40_mixed_connections_is_exact():
    require_tailrace()
    with TruthServer() as server, Tracer(server.port) as tracer:
        drive_mixed(server.port)
        report = tracer.stop()
        records = server.log()
        assert len(records) == REQUESTS, "the rig served %d" % len(records)
        return check_all(report, records, server.pid)


def test_flushes_account_for_every_send_call_and_byte():
    require_tailrace()
    with TruthServer() as server, Tracer(server.port, "--flushes") as tracer:
        connection = Connection("127.0.0.1", server.port)
        for target in ("/length/1x70000", "/chunked/30x2000", "/sse/20x100/gap=3", "/length/40x5000", "/close/9x1"):
            connection.request(target)
        wait_acknowledged(server.port)
        report = tracer.stop()
        flushes = report.of_type("flush")
        for response, record in pairs(report.ended, server.log()):
            own = [flush for flush in flushes if flush["response"] == response["id"]]
            sent, written = sum(flush["bytes"] for flush in own), sum(flush["writes"] for flush in own)
            assert sent == record["response_bytes"], "%s: flushes of %d bytes, served %d" % (
                record["target"], sent, record["response_bytes"])
            assert written == len(record["sends"]), "%s: %d writes, %d send calls" % (
                record["target"], written, len(record["sends"]))
            # Under pressure adjacent calls share an object (writes > 1); the response counts what the server did.
            assert written == response["flushes"], "%s: %d writes, response.flushes says %d" % (
                record["target"], written, response["flushes"])
        report.check_no_loss()
        return "%d flushes" % len(flushes)


def test_an_upload_of_many_reads_counts_all_request_bytes():
    require_tailrace()
    with TruthServer() as server, Tracer(server.port) as tracer:
        connection = Connection("127.0.0.1", server.port)
        connection.request("/echo/1x0", method="POST", body=b"u" * 700000)
        connection.request("/length/1x10")
        wait_acknowledged(server.port)
        report = tracer.stop()
        connection.close()
        pid = server.pid
        return check_all(report, server.log(), pid)


def test_an_sse_response_is_one_response_however_long_it_pauses():
    require_tailrace()
    with TruthServer() as server, Tracer(server.port) as tracer:
        connection = Connection("::1", server.port)
        connection.request("/sse/4x200/gap=400")
        connection.request("/chunked/3x50/gap=150")
        wait_acknowledged(server.port)
        report = tracer.stop()
        connection.close()
        pid = server.pid
        return check_all(report, server.log(), pid)


def pipelined(requests, gap_s):
    """(report, log, pid) of requests that do not wait for the responses before them."""
    require_tailrace()
    with TruthServer() as server, Tracer(server.port) as tracer:
        connection = Connection("127.0.0.1", server.port).open()
        texts = ["GET %s HTTP/1.1\r\nHost: scenario\r\n\r\n" % target for target in requests]
        if gap_s:
            for text in texts:
                connection.socket.sendall(text.encode())
                time.sleep(gap_s)
        else:
            connection.socket.sendall("".join(texts).encode())
        for _ in requests:
            connection.read_body(connection.read_head(), "GET")
        wait_acknowledged(server.port)
        report = tracer.stop()
        connection.close()
        return report, server.log(), server.pid


PIPELINE = ["/length/1x1000/sleep=100", "/chunked/3x500", "/length/2x4000", "/sse/2x100"]


def test_pipelined_requests_have_their_own_responses():
    return check_all(*pipelined(PIPELINE, 0.02))


def test_pipelined_requests_in_one_segment_have_their_own_responses():
    return check_all(*pipelined(PIPELINE, 0))
