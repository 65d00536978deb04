# SPDX-License-Identifier: MIT
"""
A keep-alive HTTP/1.1 client that counts what comes over the wire: head, chunk framing and body.

As a module: Connection(host, port).request(target). As a program: many connections at once, a JSON line a response.
"""
import argparse
import json
import socket
import threading
import time


def realtime_ns():
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


class Reply:
    def __init__(self, status, headers):
        self.status = status
        self.headers = headers
        self.wire_bytes = 0
        self.body = b""
        self.sent_ns = self.done_ns = 0
        self.closed = False


class Connection:
    """A connection that is opened when it is needed, again when the server ended the last one."""

    def __init__(self, host, port, timeout=60, quick_ack=False):
        self.host, self.port, self.timeout = host, port, timeout
        self.quick_ack = quick_ack  # else Linux may delay an ACK by 40 ms and more
        self.socket = None
        self.buffer = b""
        self.taken = 0

    def open(self):
        if self.socket is None:
            self.socket = socket.create_connection((self.host, self.port), self.timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.buffer = b""
        return self

    @property
    def local(self):
        return self.socket.getsockname()[:2]

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None

    def reset(self):
        """Leaves with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()

    def fill(self):
        if self.quick_ack:  # holds for the next segments only, hence before each read
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        data = self.socket.recv(262144)
        self.buffer += data
        return bool(data)

    def take(self, count):
        """Exactly `count` bytes of the response."""
        while len(self.buffer) < count:
            if not self.fill():
                raise ConnectionError("the server ended the connection in the middle of a response")
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        self.taken += count
        return data

    def take_until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                raise ConnectionError("the server ended the connection before %r" % mark)
        return self.take(self.buffer.index(mark) + len(mark))

    def take_all(self):
        while self.fill():
            pass
        return self.take(len(self.buffer))

    def send(self, target, method="GET", headers=(), body=b""):
        lines = ["%s %s HTTP/1.1" % (method, target), "Host: scenario"] + list(headers)
        if body:
            lines.append("Content-Length: %d" % len(body))
        self.open().socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)

    def read_head(self):
        self.taken = 0
        lines = self.take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return Reply(int(lines[0].split(" ")[1]), headers)

    def read_chunks(self):
        parts = []
        while True:
            size = int(self.take_until(b"\r\n"), 16)
            data = self.take(size + 2)[:-2]
            if size == 0:
                return b"".join(parts)
            parts.append(data)

    def read_body(self, reply, method):
        if method == "HEAD" or reply.status in (204, 304):
            return
        if reply.headers.get("transfer-encoding") == "chunked":
            reply.body = self.read_chunks()
        elif "content-length" in reply.headers:
            reply.body = self.take(int(reply.headers["content-length"]))
        else:
            reply.body = self.take_all()
            reply.closed = True

    def request(self, target, method="GET", headers=(), body=b""):
        sent_ns = realtime_ns()
        self.send(target, method, headers, body)
        reply = self.read_head()
        reply.sent_ns = sent_ns
        self.read_body(reply, method)
        reply.done_ns = realtime_ns()
        reply.wire_bytes = self.taken
        if reply.closed or reply.headers.get("connection", "").lower() == "close":
            reply.closed = True
            self.close()
        return reply


def drive(workers):
    """Runs the workers at once, and raises the first error that one of them met."""
    errors = []

    def guarded(work):
        try:
            work()
        except Exception as error:  # told by the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--target", required=True)
    arguments.add_argument("--connections", type=int, default=1)
    arguments.add_argument("--requests", type=int, default=1, help="on each connection, one after the other")
    options = arguments.parse_args()
    # All handshakes are over before the first request: the requests come together.
    connections = [Connection(options.host, options.port).open() for _ in range(options.connections)]
    results = []

    def worker(connection):
        for number in range(options.requests):
            remote = connection.open().local
            reply = connection.request(options.target)
            results.append({"remote": remote, "number": number, "status": reply.status, "bytes": reply.wire_bytes,
                            "sent_ns": reply.sent_ns, "done_ns": reply.done_ns})

    drive([lambda connection=connection: worker(connection) for connection in connections])
    for result in results:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
