# SPDX-License-Identifier: MIT
"""Where a response of HTTP/1 ends: scripted servers, whose bytes are the truth (RFC 9110, RFC 9112)."""
import re
import time

from scripted import check, read_exactly, read_nothing_more, read_until, traced
from tracer import Recorder, Tracer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
FIELDS = "method target status response_bytes ended_by"


def request(path, method="GET", headers=b"", body=b""):
    if body:
        headers += b"Content-Length: %d\r\n" % len(body)
    return b"%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n%s" % (method.encode(), path.encode(), headers, body)


def check_exchange(pairs, headers=b"", pause=0.0, by=Tracer):
    """
    Each pair: (method and path, the send calls of its response). The client waits for the whole of each. A last plain
    request shows that the connection was understood up to there.
    """
    pairs = [*pairs, ("GET /last", [OK])]

    def talk(connection):
        for _, sends in pairs:
            read_until(connection, b"\r\n\r\n")
            for data in sends:
                connection.sendall(data)
                time.sleep(pause)
        read_nothing_more(connection)

    def ask(client):
        for line, sends in pairs:
            method, path = line.split(" ")
            client.sendall(request(path, method, headers))
            read_exactly(client, sum(map(len, sends)))

    return check(traced(talk, ask, by=by), FIELDS, [expected(*pair) for pair in pairs])


def status_of(sends):
    """Of the last head that they hold."""
    return int(re.findall(rb"^HTTP/1.1 (\d+)", b"".join(sends), re.MULTILINE)[-1])


def expected(line, sends):
    return (*line.split(" "), status_of(sends), sum(map(len, sends)), "complete")


def check_each_by_itself(pairs):
    """Each on a connection of its own, on which nothing follows: the end is in its own bytes, or nowhere."""
    replies = {line.split(" ")[1].encode(): sends for line, sends in pairs}

    def talk(connection):
        head = read_until(connection, b"\r\n\r\n")
        for data in replies[head.split(b" ")[1]]:
            connection.sendall(data)
            time.sleep(0.002)
        read_nothing_more(connection)

    def ask(client, line, sends):
        method, path = line.split(" ")
        client.sendall(request(path, method))
        read_exactly(client, sum(map(len, sends)))

    report = traced(talk, *[lambda client, pair=pair: ask(client, *pair) for pair in pairs])
    return check(report, FIELDS, [expected(*pair) for pair in pairs])


def test_what_has_no_body_ends_with_its_head():
    return check_exchange([
        ("HEAD /head", [b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"]),
        ("HEAD /head-chunked", [CHUNKED + b"\r\n"]),
        ("DELETE /none", [b"HTTP/1.1 204 No Content\r\n\r\n"]),
        ("GET /not-modified", [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4000\r\nETag: x\r\n\r\n"]),
        ("GET /empty", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]),
        ("GET /odd-case", [b"HTTP/1.1 200 OK\r\ncontent-LENGTH:3\r\n\r\n", b"abc"]),
    ])


def test_chunks_with_trailers_and_extensions():
    event = b"data: {\"number\": 1}\n\n"
    chunk = b"%x\r\n%s\r\n" % (len(event), event)
    return check_each_by_itself([
        ("GET /trailers", [CHUNKED + b"Trailer: X-Sum\r\n\r\n", chunk, b"0\r\nX-Sum: 1234\r\n\r\n"]),
        ("GET /trailers-unannounced", [CHUNKED + b"\r\n", chunk, b"0\r\nX-Sum: 1234\r\nX-Other: a:b\r\n\r\n"]),
        ("GET /trailers-with-chunk", [CHUNKED + b"\r\n", chunk + b"0\r\nX-Sum: 1234\r\n\r\n"]),
        ("GET /trailers-with-head", [CHUNKED + b"\r\n" + chunk + b"0\r\nX-Sum: 1234\r\n\r\n"]),
        ("GET /long-trailers", [CHUNKED + b"\r\n", chunk, b"0\r\nX-Sum: " + b"s" * 700 + b"\r\n\r\n"]),
        ("GET /extensions", [CHUNKED + b"\r\n", b"5;name=value\r\nhello\r\n", b"0;last=\"1\"\r\n\r\n"]),
        ("GET /zeros", [CHUNKED + b"\r\n", chunk, b"000\r\n\r\n"]),
        ("GET /last-chunk-apart", [CHUNKED + b"\r\n", b"5\r\nhello\r\n", b"0\r\n", b"\r\n"]),
        ("GET /byte-by-byte", [CHUNKED + b"\r\n", *(b"%c" % byte for byte in b"3\r\nabc\r\n0\r\n\r\n")]),
        ("GET /like-a-last-chunk", [CHUNKED + b"\r\n", b"3\r\n0\r\n\r\n", b"6\r\nab 0\r\n\r\n", b"0\r\n\r\n"]),
        ("GET /like-trailers", [CHUNKED + b"\r\n", b"6\r\na: b\r\n\r\n", b"8\r\nc:d\r\n0\r\n\r\n", b"0\r\n\r\n"]),
        ("GET /crlf-events", [CHUNKED + b"\r\n", b"b\r\ndata: 1\r\n\r\n\r\n", b"b\r\ndata: 0\r\n\r\n\r\n", b"0\r\n\r\n"]),
    ])


def long_heads():
    """Heads with many cookies, of every length around the bounds of what is read of a head; in a call of their own, or not."""
    pairs = []
    for size in (1000, 1023, 1024, 1025, 1500, 2046, 2047, 2048, 2049, 4000, 8000):
        def head(framing):
            known = len(b"HTTP/1.1 200 OK\r\nX: \r\n" + framing)
            return b"HTTP/1.1 200 OK\r\nX: " + b"x" * (size - known) + b"\r\n" + framing

        sized = head(b"Content-Length: 3000\r\n\r\n")
        chunks = [b"5\r\nhello\r\n", b"0\r\n\r\n"]
        pairs += [
            ("GET /one-call-%d" % size, [sized + b"b" * 3000]),
            ("GET /two-calls-%d" % size, [sized, b"b" * 3000]),
            ("HEAD /head-%d" % size, [sized]),
            ("GET /chunks-%d" % size, [head(b"Transfer-Encoding: chunked\r\n\r\n"), *chunks]),
            ("GET /chunks-at-once-%d" % size, [head(b"Transfer-Encoding: chunked\r\n\r\n") + b"".join(chunks)]),
            ("GET /trailers-%d" % size, [head(b"Transfer-Encoding: chunked\r\n\r\n") + b"0\r\nSum: 1\r\n\r\n"]),
        ]
    return pairs


def test_long_heads():
    return check_each_by_itself(long_heads()[::2]) + ", " + check_exchange(long_heads())


def test_a_recording_of_long_heads():
    return check_exchange(long_heads(), by=Recorder)


def test_interim_responses_belong_to_the_response_that_follows():
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    return check_exchange([
        ("GET /hints", [hints, OK]),
        ("GET /two-hints", [hints, hints, CHUNKED + b"\r\n", b"2\r\nok\r\n0\r\n\r\n"]),
        ("GET /hints-in-one-call", [hints + OK]),
        ("GET /hints-and-head", [hints + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello"]),
        ("GET /processing", [b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]),
    ], pause=0.002)


def test_an_expected_100_continue_does_not_end_or_begin_a_response():
    body = b"b" * 3000

    def talk(connection):
        for length in (3000, 0, 3000):
            data = read_until(connection, b"\r\n\r\n")
            if length:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                read_exactly(connection, length, data.partition(b"\r\n\r\n")[2])
            connection.sendall(OK)
        read_nothing_more(connection)

    def ask(client):
        for expects in (True, False, True):
            if expects:
                client.sendall(request("/upload", "PUT", b"Expect: 100-continue\r\nContent-Length: 3000\r\n"))
                read_until(client, b"\r\n\r\n")
                client.sendall(body)
            else:
                client.sendall(request("/plain"))
            read_exactly(client, len(OK))

    upload = len(request("/upload", "PUT", b"Expect: 100-continue\r\nContent-Length: 3000\r\n")) + 3000
    both = 25 + len(OK)
    return check(traced(talk, ask), "method target status request_bytes response_bytes ended_by", [
        ("PUT", "/upload", 200, upload, both, "complete"),
        ("GET", "/plain", 200, len(request("/plain")), len(OK), "complete"),
        ("PUT", "/upload", 200, upload, both, "complete")])


def test_an_early_answer_to_an_upload_is_one_response():
    """413 before the body is read; the body is then read to its end, and the connection goes on."""
    body = b"GET /not-a-request HTTP/1.1\r\n\r\n" * 3000
    refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"

    def talk(connection):
        data = read_until(connection, b"\r\n\r\n")
        connection.sendall(refusal)
        read_exactly(connection, len(body), data.partition(b"\r\n\r\n")[2])
        read_until(connection, b"\r\n\r\n")
        connection.sendall(OK)
        read_nothing_more(connection)

    def ask(client):
        client.sendall(request("/upload", "POST", b"Content-Length: %d\r\n" % len(body)))
        read_exactly(client, len(refusal))
        for start in range(0, len(body), 9000):
            client.sendall(body[start:start + 9000])
            time.sleep(0.002)
        client.sendall(request("/next"))
        read_exactly(client, len(OK))

    return check(traced(talk, ask), "method target status response_bytes ended_by", [
        ("POST", "/upload", 413, len(refusal), "complete"), ("GET", "/next", 200, len(OK), "complete")])


def check_echo(headers, pieces):
    """The answer begins before the request has ended: what is read goes back at once."""
    sent = b"".join(pieces)

    def talk(connection):
        data = read_until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")[2]
        connection.sendall(CHUNKED + b"\r\n")
        done = 0
        while done < len(sent):
            data = data or connection.recv(65536)
            connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))
            done += len(data)
            data = b""
        connection.sendall(b"0\r\n\r\n")
        read_until(connection, b"\r\n\r\n")
        connection.sendall(OK)
        read_nothing_more(connection)

    def ask(client):
        client.sendall(request("/echo", "POST", headers))
        for piece in pieces:
            client.sendall(piece)
            time.sleep(0.01)
        data = read_until(client, b"\r\n0\r\n\r\n")
        sizes.append(len(data))
        client.sendall(request("/next"))
        read_exactly(client, len(OK))

    sizes = []
    report = traced(talk, ask)
    return check(report, "method target request_bytes response_bytes ended_by", [
        ("POST", "/echo", len(request("/echo", "POST", headers)) + len(sent), sizes[0], "complete"),
        ("GET", "/next", len(request("/next")), len(OK), "complete")])


def test_an_echo_while_the_request_still_comes_is_one_response():
    pieces = [b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(10, 30)]
    return check_echo(b"Content-Length: %d\r\n" % sum(map(len, pieces)), pieces)


def test_an_echo_of_a_chunked_request_is_one_response():
    pieces = [b"5\r\nhello\r\n"] * 20 + [b"0\r\n\r\n"]
    return check_echo(b"Transfer-Encoding: chunked\r\n", pieces)


def test_http_1_0_with_and_without_keep_alive():
    kept = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nkept"
    closed = b"HTTP/1.0 200 OK\r\n\r\nuntil the end"

    def talk(connection):
        for data in (kept, kept, closed):
            read_until(connection, b"\r\n\r\n")
            connection.sendall(data)

    def ask(client):
        for path, length in (("/1", len(kept)), ("/2", len(kept)), ("/3", len(closed))):
            client.sendall(b"GET %s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" % path.encode())
            read_exactly(client, length)
        read_nothing_more(client)

    return check(traced(talk, ask, keeps_open=False), "target protocol status response_bytes ended_by streaming", [
        ("/1", "http/1.0", 200, len(kept), "complete", False), ("/2", "http/1.0", 200, len(kept), "complete", False),
        ("/3", "http/1.0", 200, len(closed), "complete", True)])
