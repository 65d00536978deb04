# SPDX-License-Identifier: MIT
"""Requests that do not wait for the responses before them, and responses that wait for their ACKs together."""
import socket
import time

from scripted import check, read_exactly, read_nothing_more, traced
from test_delimitation import CHUNKED, OK, request

COUNT = 20
FIELDS = "target status response_bytes request_bytes ended_by"


def numbered(number):
    """Every third response streams; the heads are as long as heads are."""
    padding = b"X-Padding: " + b"p" * (40 + 10 * number) + b"\r\n"
    if number % 3 == 2:
        return [CHUNKED + padding + b"\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n"]
    body = b"%d" % number * 10
    return [b"HTTP/1.1 %d Fine\r\n%sContent-Length: %d\r\n\r\n%s" % (400 + number, padding, len(body), body)]


def expected(count):
    return [("/%d" % number, 200 if number % 3 == 2 else 400 + number, sum(map(len, numbered(number))),
             len(request("/%d" % number)), "complete") for number in range(count)]


class Requests:
    """As many requests as are asked for, however they come."""

    def __init__(self, connection):
        self.connection, self.data = connection, b""

    def next(self):
        while b"\r\n\r\n" not in self.data:
            piece = self.connection.recv(65536)
            assert piece, "the connection ended early"
            self.data += piece
        _, _, self.data = self.data.partition(b"\r\n\r\n")


def check_pipeline(send, count=COUNT, answer=None, **options):
    def talk(connection):
        requests = Requests(connection)
        for number in range(count):
            requests.next()
            for data in numbered(number):
                connection.sendall(data)
        read_nothing_more(connection)

    def ask(client):
        send(client, [request("/%d" % number) for number in range(count)])
        read_exactly(client, sum(len(data) for number in range(count) for data in numbered(number)))

    return check(traced(answer or talk, ask, **options), FIELDS, expected(count))


def at_once(client, requests):
    client.sendall(b"".join(requests))


def one_by_one(client, requests):
    for data in requests:
        client.sendall(data)
        time.sleep(0.002)


def test_20_requests_at_once():
    return check_pipeline(at_once)


def test_20_requests_each_in_a_segment_of_its_own():
    return check_pipeline(one_by_one)


def test_20_responses_that_wait_for_their_acks_together():
    """Nagle's algorithm at the server and delayed ACKs at the client: all of them lie in the write queue."""
    return check_pipeline(at_once, nodelay=False)


def corked(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    requests = Requests(connection)
    for number in range(COUNT):
        requests.next()
        for data in numbered(number):
            connection.sendall(data)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    read_nothing_more(connection)


def test_20_responses_that_leave_in_one_packet():
    return check_pipeline(at_once, answer=corked)


def test_requests_that_are_read_while_the_first_is_served():
    """As a server reads ahead that is woken by each segment (Node, Go's background read)."""
    def talk(connection):
        requests = Requests(connection)
        for _ in range(COUNT):
            requests.next()
        for number in range(COUNT):
            for data in numbered(number):
                connection.sendall(data)
        read_nothing_more(connection)

    return check_pipeline(one_by_one, answer=talk)


def test_a_server_that_reads_the_first_byte_of_the_next_request_by_itself():
    """Go's net/http does, while a handler runs."""
    def talk(connection):
        data = b""
        for number in range(COUNT):
            while b"\r\n\r\n" not in data:
                data += connection.recv(4096)
            _, _, data = data.partition(b"\r\n\r\n")
            if not data and number < COUNT - 1:
                data = connection.recv(1)
            for piece in numbered(number):
                connection.sendall(piece)
        read_nothing_more(connection)

    return check_pipeline(one_by_one, answer=talk)


def test_several_responses_in_one_send_call():
    """A server that answers all requests of one read by one write."""
    def talk(connection):
        requests = Requests(connection)
        for group in (range(0, 4), range(4, 8), range(8, 12), range(12, 15), range(15, 18), range(18, COUNT)):
            for _ in group:
                requests.next()
            connection.sendall(b"".join(data for number in group for data in numbered(number)))
        read_nothing_more(connection)

    return check_pipeline(at_once, answer=talk)


def pieces(number):
    """Head and body apart."""
    for data in numbered(number):
        head, mark, body = data.partition(b"\r\n\r\n")
        yield from (head + mark, body) if data.startswith(b"HTTP") and body else (data,)


def test_several_responses_in_one_writev():
    def talk(connection):
        requests = Requests(connection)
        for number in range(0, COUNT, 2):
            for _ in range(2):
                requests.next()
            connection.sendmsg([data for one in range(number, number + 2) for data in pieces(one)])
        read_nothing_more(connection)

    return check_pipeline(at_once, answer=talk)


def test_a_pipelined_request_behind_a_body():
    """The body of an upload and the requests behind it come in one segment."""
    body = b"u" * 900

    def talk(connection):
        for _ in range(3):
            data = b""
            while not data.endswith(request("/after")):
                data += connection.recv(65536)
            connection.sendall(OK)
            connection.sendall(OK)
        read_nothing_more(connection)

    def ask(client):
        for _ in range(3):
            client.sendall(request("/upload", "POST", body=body) + request("/after"))
            read_exactly(client, 2 * len(OK))

    upload = len(request("/upload", "POST", body=body))
    return check(traced(talk, ask), "method target request_bytes response_bytes ended_by", [
        ("POST", "/upload", upload, len(OK), "complete"),
        ("GET", "/after", len(request("/after")), len(OK), "complete")] * 3)
