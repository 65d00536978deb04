# SPDX-License-Identifier: MIT
"""
An HTTP/1.1 server that writes down what it did: the ground truth that a trace is compared with.

A thread per connection, blocking sockets, IPv4 and IPv6 on one port. The target says what the response is:

    /length/1x2000000       Content-Length, that many pieces of that size, one send call each (the first with the head)
    /chunked/5x1000         the head in a send call of its own, then a chunk a call
    /sse/5x200              text/event-stream, chunked; /sse-close/5x200: the same, delimited by the end of the connection
    /close/3x4096           any other body that is delimited by the end of the connection
    /status/404             a status alone (404 and the like have a short body, 204 and 304 have none)
    /echo/1x0               the request's X-Canary header and its body come back

and how: /sleep=300 (ms before the first send call), /gap=100 (ms between pieces), /linger=200 (ms after the last send
call in which the next request stays unread), /content-type=... for the odd ones.

At SIGTERM the log is written: a JSON line a response, with CLOCK_REALTIME in nanoseconds. While it serves, the log stays in
memory: writing it would be traffic and time of its own.
"""
import argparse
import ctypes
import fcntl
import json
import re
import signal
import socket
import struct
import sys
import threading
import time
import urllib.parse

PR_SET_NAME = 15
SIOCOUTQNSD = 0x894B  # include/uapi/linux/sockios.h: bytes of the socket that TCP has not sent yet


def realtime_ns():
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def unsent_bytes(connection):
    return struct.unpack("i", fcntl.ioctl(connection, SIOCOUTQNSD, b"\0" * 4))[0]


class Plan:
    """What the target asks for."""

    def __init__(self, target):
        parts = re.sub("^https?://[^/]*", "", target).split("?")[0].strip("/").split("/")
        self.kind = parts[0]
        amount = parts[1] if len(parts) > 1 else "1x0"
        self.status = 200
        self.count, self.size = 0, 0
        if self.kind == "status":
            self.status = int(amount)
        else:
            self.count, self.size = (int(number) for number in amount.split("x"))
        self.options = dict(part.split("=", 1) for part in parts[2:] if "=" in part)

    def seconds(self, option):
        return int(self.options.get(option, 0)) / 1000

    @property
    def closes(self):
        return self.kind in ("close", "sse-close")

    @property
    def content_type(self):
        if "content-type" in self.options:
            return urllib.parse.unquote_to_bytes(self.options["content-type"]).decode("latin-1")
        return "text/event-stream" if self.kind.startswith("sse") else "application/octet-stream"


class Request:
    def __init__(self, head, body, received_ns):
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        self.is_http = len(words) == 3 and words[2].startswith("HTTP/1.")
        self.method, self.target = words[:2] if self.is_http else (None, None)
        self.line = lines[0]
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.body = body
        self.received_ns = received_ns
        self.bytes = len(head) + 4 + len(body)


class Reader:
    """Requests of one connection, with the time at which the read that brought the first byte of each returned."""

    def __init__(self, connection):
        self.connection = connection
        self.buffer = b""
        self.received_ns = 0

    def more(self):
        data = self.connection.recv(16384)
        if not self.buffer:
            self.received_ns = realtime_ns()
        self.buffer += data
        return bool(data)

    def next(self):
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        length = 0
        for line in head.decode("latin-1").lower().split("\r\n"):
            if line.startswith("content-length:"):
                length = int(line.partition(":")[2])
        parts = [self.buffer]
        missing = length - len(self.buffer)
        while missing > 0:
            data = self.connection.recv(min(missing, 16384))
            if not data:
                return None
            parts.append(data)
            missing -= len(data)
        body = b"".join(parts)
        body, self.buffer = body[:length], body[length:]
        return Request(head, body, self.received_ns)


def head_of(plan, request, length):
    lines = ["HTTP/1.1 %d %s" % (plan.status, "OK" if plan.status == 200 else "Other")]
    if plan.status == 304:
        lines.append("Content-Length: 1000")  # of the body that a 200 would have had: none follows
    elif plan.status == 204:
        pass
    elif length is not None:
        lines.append("Content-Length: %d" % length)
    elif plan.closes:
        lines.append("Connection: close")
    else:
        lines.append("Transfer-Encoding: chunked")
    lines.append("Content-Type: " + plan.content_type)
    if plan.kind == "echo":
        lines.append("X-Canary: " + request.headers.get("x-canary", ""))
        lines.append("Set-Cookie: " + request.headers.get("cookie", ""))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def piece(plan, number):
    """A body piece of exactly plan.size bytes."""
    if plan.kind.startswith("sse"):
        text = b"id: %d\ndata: " % number
        return text + b"e" * (plan.size - len(text) - 2) + b"\n\n"
    return bytes([97 + number % 26]) * plan.size


def sends_of(plan, request):
    """(bytes to send, how many of them are body) for each send call of the response."""
    if plan.kind == "status":
        body = b"" if plan.status in (204, 304) else b"status %d\n" % plan.status
        yield head_of(plan, request, len(body)), 0
        if body and request.method != "HEAD":
            yield body, len(body)
    elif plan.kind in ("length", "echo"):
        first = request.body if plan.kind == "echo" else piece(plan, 0)
        head = head_of(plan, request, len(first) if plan.kind == "echo" else plan.count * plan.size)
        if request.method == "HEAD":
            yield head, 0
            return
        yield head + first, len(first)
        for number in range(1, plan.count):
            data = piece(plan, number)
            yield data, len(data)
    else:
        yield head_of(plan, request, None), 0
        for number in range(plan.count if request.method != "HEAD" else 0):
            data = piece(plan, number)
            if not plan.closes:
                data = b"%x\r\n%s\r\n" % (len(data), data)
            yield data, len(data)
        if not plan.closes and request.method != "HEAD":
            yield b"0\r\n\r\n", 5


class TruthServer:
    def __init__(self, options):
        self.options = options
        self.log = []

    def send(self, connection, data, body_bytes, record):
        """Every send call on its own: sendall() would hide how often it called."""
        sent = 0
        while sent < len(data):
            before = realtime_ns()
            count = connection.send(data[sent:] if sent else data)
            after = realtime_ns()
            body = max(0, min(count, sent + count - (len(data) - body_bytes)))
            record["sends"].append({"before_ns": before, "after_ns": after, "bytes": count, "body_bytes": body,
                                    "unsent_bytes": unsent_bytes(connection)})
            sent += count

    def respond(self, connection, request, record):
        if not request.is_http:  # a line protocol: what came goes back
            answer = ("+OK " + request.line + "\r\n").encode("latin-1")
            self.send(connection, answer, len(answer), record)
            return True
        plan = Plan(request.target)
        record.update(kind=plan.kind, status=plan.status)
        time.sleep(plan.seconds("sleep"))
        for number, (data, body_bytes) in enumerate(sends_of(plan, request)):
            if number > 0 and plan.seconds("gap"):
                time.sleep(plan.seconds("gap"))
            self.send(connection, data, body_bytes, record)
        record["complete"] = True
        time.sleep(plan.seconds("linger"))
        return not plan.closes and request.headers.get("connection", "").lower() != "close"

    def serve(self, connection, remote):
        reader = Reader(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.options.sndbuf:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.options.sndbuf)
        number = 0
        try:
            keep = True
            while keep:
                request = reader.next()
                if not request:
                    break
                record = {"remote": [remote[0], remote[1]], "number": number, "method": request.method,
                          "target": request.target, "received_ns": request.received_ns,
                          "request_bytes": request.bytes, "sends": [], "complete": False}
                self.log.append(record)
                number += 1
                keep = self.respond(connection, request, record)
        except OSError as error:
            if number:
                self.log[-1].setdefault("error", str(error))
        finally:
            connection.close()

    def accept(self, listener):
        while True:
            connection, remote = listener.accept()
            threading.Thread(target=self.serve, args=(connection, remote), daemon=True).start()

    def write_log(self):
        with open(self.options.log, "w") as file:
            for record in list(self.log):
                record["response_bytes"] = sum(send["bytes"] for send in record["sends"])
                file.write(json.dumps(record) + "\n")


def listeners(port, hosts):
    """One port for every host; a free one is asked for until all of them have it."""
    for _ in range(50):
        found = []
        wanted = port
        try:
            for host in hosts:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                listener = socket.socket(family, socket.SOCK_STREAM)
                found.append(listener)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind((host, wanted))
                listener.listen(512)
                wanted = listener.getsockname()[1]
            return found, wanted
        except OSError:
            for listener in found:
                listener.close()
            if port:
                raise
    sys.exit("no port is free on all of " + " ".join(hosts))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--host", action="append", help="repeatable; default 127.0.0.1 and ::1")
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--log", required=True)
    arguments.add_argument("--sndbuf", type=int, default=0, help="SO_SNDBUF of every connection")
    arguments.add_argument("--congestion", help="TCP_CONGESTION; default: the system's")
    arguments.add_argument("--comm", help="name of the process as the kernel holds it, percent-encoded")
    options = arguments.parse_args()
    if options.comm:
        ctypes.CDLL(None).prctl(PR_SET_NAME, urllib.parse.unquote_to_bytes(options.comm), 0, 0, 0)
    # The threads inherit the mask: the signal is for sigwait() alone.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    found, port = listeners(options.port, options.host or ["127.0.0.1", "::1"])
    server = TruthServer(options)
    for listener in found:
        if options.congestion:  # accepted connections inherit it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, options.congestion.encode())
        threading.Thread(target=server.accept, args=(listener,), daemon=True).start()
    print(json.dumps({"port": port}), flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.write_log()


if __name__ == "__main__":
    main()
