# SPDX-License-Identifier: MIT
"""
Responses of every framing, in any order, handed over in any cut: the same on every run. A server that reads and sends what
the plan says is the truth, byte for byte.
"""
import random

from scripted import read_exactly, read_nothing_more, traced
from test_delimitation import request
from tracer import Recorder, Tracer

CONNECTIONS, RESPONSES = 12, 12
TRAILERS = (b"0\r\n\r\n", b"0\r\n\r\n", b"0;last=1\r\n\r\n", b"0\r\nX-Sum: 1\r\n\r\n", b"0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n")


def chunks(choice, body):
    """Also such as have bytes of the last one in them."""
    data = b""
    while body:
        size = min(len(body), choice.choice((1, 3, 10, 500, 9000)))
        data += b"%x%s\r\n%s\r\n" % (size, choice.choice((b"", b";name=value")), body[:size])
        body = body[size:]
    return data + choice.choice(TRAILERS)


def any_body(choice):
    size = choice.choice((0, 1, 5, 80, 700, 5000, 40000))
    return choice.choice((b"x" * size, b"data: 0\r\n\r\n" * (size // 11), choice.randbytes(size)))


def any_response(choice, method, is_last):
    """(status, its bytes, whether the end of the connection ends it)"""
    status = choice.choice((200, 200, 200, 404, 204, 304, 500))
    head = b"HTTP/1.1 %d Any\r\nX-Padding: %s\r\n" % (status, b"p" * choice.choice((0, 20, 200)))
    if choice.random() < 0.15:
        head = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + head
    if status in (204, 304):
        return status, head + b"\r\n", False
    body = any_body(choice)
    kind = choice.choice(("length", "chunked", "close") if is_last and method != "HEAD" else ("length", "chunked"))
    if kind == "length":
        head += b"Content-Length: %d\r\n" % len(body)
    elif kind == "chunked":
        head += b"Transfer-Encoding: chunked\r\n"
        body = chunks(choice, body)
    return status, head + b"\r\n" + (b"" if method == "HEAD" else body), kind == "close"


def any_plan(seed):
    """[(method, path, request, status, response, closes)] of one connection"""
    choice = random.Random(seed)
    plan = []
    for number in range(RESPONSES):
        method = choice.choice(("GET", "GET", "GET", "HEAD", "POST"))
        path = "/%d/%d" % (seed, number)
        body = b"b" * choice.choice((0, 5, 60)) if method == "POST" else b""
        plan.append((method, path, request(path, method, body=body),
                     *any_response(choice, method, number == RESPONSES - 1)))
    return plan


def cut(choice, data, sizes):
    while data:
        size = choice.choice(sizes)
        yield data[:size]
        data = data[size:]


def send_calls(choice, data, style):
    if style == "whole":
        return [data]
    if style == "any":
        return cut(choice, data, (20, 50, 400, 3000, 30000))
    end = data.rindex(b"HTTP/1.1")  # each head in a call of its own
    heads, rest = data[:end], data[end:]
    head, mark, body = rest.partition(b"\r\n\r\n")
    return [*([heads] if heads else []), head + mark, *cut(choice, body, (1, 2, 7, 50, 400, 3000, 30000))]


def check_any(style, most_at_once, reads_ahead=True, by=Tracer):
    plans = {seed: any_plan(seed) for seed in range(1, CONNECTIONS + 1)}
    queue = list(plans.values())  # the clients come one after the other

    def talk(connection):
        plan = queue.pop(0)
        choice = random.Random(7)
        data = b""
        for _, _, asked, _, answer, closes in plan:
            while len(data) < len(asked):
                data += connection.recv(65536 if reads_ahead else len(asked) - len(data))
            data = data[len(asked):]
            for piece in send_calls(choice, answer, style):
                connection.sendall(piece)
        if not closes:
            read_nothing_more(connection)

    def ask(client, plan):
        choice = random.Random(8)
        while plan:
            group, plan = plan[:most_at_once], plan[most_at_once:]
            for piece in cut(choice, b"".join(asked for _, _, asked, _, _, _ in group), (10, 200, 5000)):
                client.sendall(piece)
            read_exactly(client, sum(len(answer) for _, _, _, _, answer, _ in group))

    report = traced(talk, *[lambda client, plan=plan: ask(client, plan) for plan in plans.values()], by=by)
    told = {item["target"]: tuple(item[name] for name in ("state", "method", "status", "response_bytes", "request_bytes",
                                                          "ended_by")) for item in report.responses}
    for plan in plans.values():
        for method, path, asked, status, answer, _ in plan:
            expected = ("ended", method, status, len(answer), len(asked), "complete")
            assert told.get(path) == expected, "told %s, not %s: %r ... %r" % (
                told.get(path), expected, answer[:120], answer[-40:])
    assert len(report.responses) == CONNECTIONS * RESPONSES, "%d responses" % len(report.responses)
    return "%d responses" % len(report.responses)


def test_each_response_in_one_call():
    return check_any("whole", 1)


def test_each_response_in_one_call_without_waiting():
    return check_any("whole", 5)


def test_each_head_in_a_call_of_its_own():
    return check_any("head", 1)


def test_each_head_in_a_call_of_its_own_without_waiting():
    return check_any("head", 5)


def test_any_cut():
    return check_any("any", 1)


def test_any_cut_without_waiting():
    return check_any("any", 5)


def test_any_cut_without_waiting_at_a_server_that_reads_one_by_one():
    return check_any("any", 5, reads_ahead=False)


def test_a_recording_of_each_response_in_one_call():
    return check_any("whole", 5, by=Recorder)


def test_a_recording_of_any_cut():
    return check_any("any", 5, by=Recorder)
