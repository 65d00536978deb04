# SPDX-License-Identifier: MIT
"""How connections end, and what that says of the response on them."""
import socket
import time

from scripted import check, read_all, read_exactly, read_nothing_more, read_until, reset, traced
from test_delimitation import CHUNKED, OK, request

CLOSED = b"HTTP/1.0 200 OK\r\n\r\n"


def ended_by(talk, ask, status=200):
    report = traced(talk, ask, keeps_open=False)
    assert not report.open, "%d open" % len(report.open)
    response, = report.ended
    assert response["status"] == status, response["status"]
    return response


def answer(*sends, pause=0.0, then=lambda connection: None, reads=True):
    def talk(connection):
        if reads:
            read_until(connection, b"\r\n\r\n")
        for data in sends:
            connection.sendall(data)
            time.sleep(pause)
        then(connection)
    return talk


def half_closed(sends, pause):
    """The client is done with sending, not with reading."""
    total = b"".join(sends)

    def ask(client):
        client.sendall(request("/half"))
        time.sleep(pause)  # the server has read it, and maybe begun
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == total, "the rig's client did not get all"

    response = ended_by(answer(*sends, pause=pause), ask)
    assert response["ended_by"] == "complete", response["ended_by"]
    assert response["response_bytes"] == len(total), response["response_bytes"]
    return response


def test_a_half_closed_client_gets_a_complete_response_of_known_length():
    half_closed([OK], 0)


def test_a_half_closed_client_gets_a_complete_chunked_response():
    half_closed([CHUNKED + b"\r\n", *[b"5\r\nhello\r\n"] * 5, b"0\r\n\r\n"], 0.02)


def test_a_half_closed_client_gets_a_complete_response_that_the_close_ends():
    half_closed([CLOSED, *[b"data: hello\n\n"] * 5], 0.02)


def test_a_half_closed_client_of_a_line_protocol_gets_a_complete_response():
    def ask(client):
        client.sendall(b"everything\n")
        client.shutdown(socket.SHUT_WR)
        assert len(read_all(client)) == 5000

    def talk(connection):
        read_all(connection)
        for _ in range(5):
            connection.sendall(b"x" * 1000)
            time.sleep(0.01)

    response = ended_by(talk, ask, status=None)
    assert (response["ended_by"], response["response_bytes"]) == ("complete", 5000), response["ended_by"]


def test_a_client_that_resets_in_the_middle():
    def ask(client):
        client.sendall(request("/"))
        read_until(client, b"hello")
        reset(client)

    def on_reset(connection):
        try:
            while True:
                connection.sendall(b"5\r\nhello\r\n")
                time.sleep(0.01)
        except OSError:
            pass

    response = ended_by(answer(CHUNKED + b"\r\n", b"5\r\nhello\r\n", then=on_reset), ask)
    assert response["ended_by"] == "client_reset", response["ended_by"]


def test_a_client_that_closes_and_whose_server_only_notices():
    """The server sees the end of the stream and closes, without a further write."""
    def ask(client):
        client.sendall(request("/"))
        read_until(client, b"hello")
        client.close()

    response = ended_by(answer(CLOSED, b"hello", then=read_nothing_more), ask)
    assert response["ended_by"] == "client_fin", response["ended_by"]


def test_a_server_that_aborts():
    def ask(client):
        client.sendall(request("/"))
        read_until(client, b"hello")
        try:
            read_all(client)
        except ConnectionResetError:
            return
        raise AssertionError("the rig's server did not reset")

    def abort(connection):
        time.sleep(0.05)
        reset(connection)

    response = ended_by(answer(CHUNKED + b"\r\n", b"5\r\nhello\r\n", then=abort), ask)
    assert response["ended_by"] == "server_reset", response["ended_by"]


def test_a_server_that_closes_in_the_middle():
    for framing in (CHUNKED + b"\r\n5\r\nhello\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"):
        def ask(client):
            client.sendall(request("/"))
            read_all(client)

        response = ended_by(answer(framing), ask)
        assert response["ended_by"] == "server_close", response["ended_by"]


def test_a_server_that_closes_with_unread_request_bytes():
    """Its kernel sends RST then, though it did nothing but close."""
    def ask(client):
        client.sendall(request("/", "POST", b"Content-Length: 100000\r\n") + b"b" * 50000)
        read_exactly(client, len(OK))
        time.sleep(0.02)
        client.sendall(b"b" * 50000)
        try:
            read_all(client)
        except ConnectionResetError:
            pass

    def linger(connection):
        time.sleep(0.1)

    response = ended_by(answer(OK, then=linger), ask)
    assert response["ended_by"] == "complete", response["ended_by"]
    assert response["response_bytes"] == len(OK)


def test_a_connection_without_a_request_is_no_response():
    def ask(client):
        time.sleep(0.01)
        client.close()

    return check(traced(read_nothing_more, ask, keeps_open=False), "target", [])


def test_a_request_that_is_never_answered():
    def ask(client):
        client.sendall(request("/lost"))
        time.sleep(0.05)
        client.close()

    report = traced(lambda connection: (read_until(connection, b"\r\n\r\n"), read_nothing_more(connection)), ask,
                    keeps_open=False)
    return check(report, "target status response_bytes ended_by", [("/lost", None, 0, "client_fin")])


def test_what_a_server_reads_behind_its_own_fin_is_no_request():
    """As a server that lingers: it has said all that it will, and reads what still comes to let the client go in peace."""
    def talk(connection):
        read_until(connection, b"\r\n\r\n")
        connection.sendall(CLOSED + b"all of it")
        connection.shutdown(socket.SHUT_WR)
        read_all(connection)

    def ask(client):
        client.sendall(request("/linger"))
        read_all(client)
        for piece in (b"more", request("/too-late"), b"and more"):
            client.sendall(piece)
            time.sleep(0.02)

    report = traced(talk, ask, keeps_open=False)
    return check(report, "target status response_bytes ended_by", [("/linger", 200, len(CLOSED) + 9, "complete")])
