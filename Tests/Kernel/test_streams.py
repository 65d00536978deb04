# SPDX-License-Identifier: MIT
"""Streams of a plain asyncio server: seen while they are open, and how they ended."""
import time

from capture import FIN, RST, Capture
from load_client import Connection
from servers import Server, send_queues, wait_acknowledged
from tracer import Tracer, require_tailrace, timeline_text


def wait_gone(port, seconds=5):
    """Until the server has no connection with unacknowledged bytes, or none at all."""
    deadline = time.monotonic() + seconds
    while send_queues(port):
        assert time.monotonic() < deadline, "the rig's connection is still there"
        time.sleep(0.02)


def read_events(connection, count):
    """Bytes of the head and of that many chunked events."""
    head = connection.read_head()
    assert head.status == 200, head.status
    for _ in range(count):
        size = int(connection.take_until(b"\r\n"), 16)
        connection.take(size + 2)
    return connection.taken


def test_a_stream_is_visible_while_it_is_open():
    require_tailrace()
    with Server("sse_asyncio.py") as server, Tracer(server.port) as tracer:
        connection = Connection("127.0.0.1", server.port)
        connection.send("/events/10/20/60000")
        received = read_events(connection, 10)
        wait_acknowledged(server.port)
        time.sleep(0.2)  # the open response grows older than its last event
        report = tracer.stop()
        connection.close()
    assert len(report.open) == 1 and not report.ended, "%d open, %d ended" % (len(report.open), len(report.ended))
    stream = report.open[0]
    text = timeline_text(stream)
    assert (stream["method"], stream["target"], stream["status"]) == ("GET", "/events/10/20/60000", 200), stream
    assert stream["response_bytes"] == received, "%d bytes, the client got %d" % (stream["response_bytes"], received)
    assert stream["flushes"] == 11, "%d flushes, a head and 10 events were sent" % stream["flushes"]
    assert stream["streaming"] is True and stream["content_type"] == "text/event-stream", stream["content_type"]
    assert stream.get("end") is None and stream.get("ended_by") is None, "an open response has no end: %s" % stream
    assert 380_000_000 <= stream["duration_ns"] <= 5_000_000_000, text
    assert (stream["timeline_ns"]["app"] or 0) >= 0.9 * stream["duration_ns"], text
    return text


def ended(report, count=1):
    assert not report.open, "still open, %d bytes: %s" % (report.open[0]["response_bytes"], timeline_text(report.open[0]))
    assert len(report.ended) == count, "%d responses ended" % len(report.ended)
    return report.ended


def test_a_finished_stream_says_how_it_ended():
    require_tailrace()
    with Server("sse_asyncio.py") as server, Tracer(server.port) as tracer:
        chunked, closed = Connection("127.0.0.1", server.port), Connection("127.0.0.1", server.port)
        sizes = [chunked.request("/events/5/20").wire_bytes, closed.request("/stream/5/20").wire_bytes]
        wait_acknowledged(server.port)
        report = tracer.stop()
        chunked.close()
    first, second = ended(report, 2)
    assert [first["response_bytes"], second["response_bytes"]] == sizes, "bytes are not the client's %s" % sizes
    assert first["ended_by"] == "complete", first["ended_by"]
    assert second["ended_by"] in ("complete", "server_close"), second["ended_by"]
    return "%s, %s" % (first["ended_by"], second["ended_by"])


def left_by(leave):
    """The response of a client that leaves in the middle of a stream, and the flags with which it left."""
    require_tailrace()
    with Server("sse_asyncio.py") as server, Tracer(server.port) as tracer, Capture("lo", server.port) as capture:
        connection = Connection("127.0.0.1", server.port)
        connection.send("/events/1000/60")
        received = read_events(connection, 4)
        leave(connection)
        wait_gone(server.port)
        packets = capture.stop()
        report = tracer.stop()
    parting = next(packet.flags & (FIN | RST) for packet in packets
                   if packet.destination[1] == server.port and packet.flags & (FIN | RST))
    response, = ended(report)
    assert response["response_bytes"] >= received, "%d bytes, the client got %d" % (response["response_bytes"], received)
    return response, parting


def test_a_client_that_leaves_with_fin_ends_the_response_by_client_fin():
    response, parting = left_by(lambda connection: connection.close())
    assert parting == FIN, "the rig's client did not leave with FIN"
    assert response["ended_by"] == "client_fin", response["ended_by"]


def test_a_client_that_leaves_with_rst_ends_the_response_by_client_reset():
    response, parting = left_by(lambda connection: connection.reset())
    assert parting & RST, "the rig's client did not leave with RST"
    assert response["ended_by"] == "client_reset", response["ended_by"]


def test_a_server_that_dies_in_the_middle_ends_the_response_by_server_close():
    require_tailrace()
    with Server("sse_asyncio.py") as server, Tracer(server.port) as tracer, Capture("lo", server.port) as capture:
        connection = Connection("127.0.0.1", server.port)
        connection.send("/events/1000/60")
        received = read_events(connection, 4)
        server.process.kill()
        received += len(connection.take_all())
        connection.close()
        wait_gone(server.port)
        packets = capture.stop()
        report = tracer.stop()
    parting = next(packet.flags & (FIN | RST) for packet in packets
                   if packet.source[1] == server.port and packet.flags & (FIN | RST))
    assert parting == FIN, "the rig's server did not leave with FIN"
    response, = ended(report)
    assert response["ended_by"] == "server_close", response["ended_by"]
    assert response["response_bytes"] in (received, connection.taken), "%d bytes" % response["response_bytes"]


def test_a_half_closed_client_that_still_reads_gets_a_complete_response():
    """shutdown(SHUT_WR) is not leaving: the FIN comes early, and the response goes on to its end."""
    require_tailrace()
    with Server("sse_asyncio.py") as server, Tracer(server.port) as tracer:
        connection = Connection("127.0.0.1", server.port)
        connection.send("/events/6/40")
        connection.socket.shutdown(1)
        reply = connection.read_head()
        connection.read_body(reply, "GET")
        wait_gone(server.port)
        report = tracer.stop()
        taken = connection.taken
        connection.close()
    response, = ended(report)
    assert response["response_bytes"] == taken, "%d bytes, the client got %d" % (response["response_bytes"], taken)
    assert response["ended_by"] == "complete", response["ended_by"]
