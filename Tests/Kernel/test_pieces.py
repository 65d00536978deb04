# SPDX-License-Identifier: MIT
"""Heads and bodies that a server hands over in several pieces of one call."""
import socket
import threading

from load_client import Connection
from servers import wait_acknowledged
from tracer import Tracer, require_tailrace

REPLIES = [
    (200, [b"HTTP/1.1 200 OK\r\n", b"Content-Type: text/plain\r\n", b"Content-Length: 5\r\n", b"\r\n", b"hello"]),
    (201, [b"HTTP/1.1 201 Created\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\n", b"hello", b"\r\n", b"0\r\n\r\n"]),
    (404, [b"HTTP/1.1 404 Not Found\r\nContent-Length: 2000\r\n\r\n", b"x" * 1000, b"y" * 1000]),
    (202, [b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"", b""]),
    (200, [b"HTTP/1.1 200 OK\r\nX-Long: " + b"l" * 1500 + b"\r\nContent-Length: 3\r\n\r\n", b"end"]),
]


def serve(listener):
    """One connection; each request is answered by one sendmsg() of several pieces."""
    connection, _ = listener.accept()
    with connection:
        for _, pieces in REPLIES:
            connection.recv(4096)
            sent = connection.sendmsg(pieces)
            assert sent == sum(map(len, pieces)), "the rig's call was cut short"
        connection.recv(4096)


def test_a_head_in_several_pieces_is_read_and_ends_its_response():
    require_tailrace()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = threading.Thread(target=serve, args=(listener,), daemon=True)
        server.start()
        with Tracer(port) as tracer:
            connection = Connection("127.0.0.1", port)
            for number in range(len(REPLIES)):
                connection.request("/%d" % number)
            wait_acknowledged(port)
            connection.close()
            server.join(5)
            report = tracer.stop()
    assert not report.open, "%d open at the end" % len(report.open)
    told = [(response["target"], response["status"], response["response_bytes"]) for response in report.ended]
    expected = [("/%d" % number, status, sum(map(len, pieces))) for number, (status, pieces) in enumerate(REPLIES)]
    assert told == expected, "told %s, not %s" % (told, expected)
    assert report.ended[0]["content_type"] == "text/plain", report.ended[0]
    assert report.ended[1]["streaming"] is True, "its second piece says chunked"
    assert all(response["ended_by"] == "complete" for response in report.ended), report.ended
    return "%d responses" % len(told)
