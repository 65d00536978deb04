# SPDX-License-Identifier: MIT
"""
A client that writes down what it saw of each response, byte by byte as it came: the truth that tailrace is held against.

A record's times are CLOCK_REALTIME in ns: `asked_ns` before the request was sent, `first_ns` when the first byte was there,
`first_body_ns` the same of the body, `missing_ns` a moment at which the last byte had not come yet, `done_ns` when all was
there. `served_ns` is the server's own: when its handler had the request.
"""
from load_client import Connection, drive, realtime_ns


class RecordingConnection(Connection):
    """One connection after another; records(): of all responses, in order."""

    def __init__(self, host, port, timeout=30):
        super().__init__(host, port, timeout)
        self.records = []
        self.reads = []  # of this response: (entered, returned, bytes so far)

    def fill(self):
        entered = realtime_ns()
        before = len(self.buffer)
        alive = super().fill()
        came = len(self.buffer) - before
        # A read that brought less than it had room for left nothing behind: what came later was not there when it began.
        self.reads.append((entered, realtime_ns(), (self.reads[-1][2] if self.reads else 0) + came))
        return alive

    def read_chunks(self):
        parts, self.events = [], 0
        while True:
            size = int(self.take_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                while self.take_until(b"\r\n") != b"\r\n":  # trailers
                    pass
                return b"".join(parts)
            parts.append(self.take(size + 2)[:-2])

    def first_beyond(self, count):
        return next((returned for _, returned, total in self.reads if total > count), None)

    def ask(self, target, close=False, method="GET", headers=()):
        self.open()
        local, port = self.local, self.local[1]
        number = sum(record["local"][1] == port for record in self.records)
        self.reads = []
        asked_ns = realtime_ns()
        self.send(target, method, [*headers, *(["Connection: close"] if close else [])])
        reply = self.read_head()
        head_bytes = self.taken
        self.read_body(reply, method)
        done_ns = realtime_ns()
        whole = next(place for place, (_, _, total) in enumerate(self.reads) if total >= self.taken)
        self.records.append({
            "local": local, "number": number, "method": method, "target": target, "status": reply.status,
            "bytes": self.taken, "body_bytes": len(reply.body), "events": reply.body.count(b"\n\n"),
            "asked_ns": asked_ns, "first_ns": self.reads[0][1], "first_body_ns": self.first_beyond(head_bytes),
            "missing_ns": self.reads[whole - 1][0] if whole else asked_ns, "done_ns": done_ns,
            "served_ns": int(reply.headers.get("x-served-at", 0)) or None})
        if close or reply.closed or reply.headers.get("connection", "").lower() == "close":
            assert not self.buffer and not self.fill(), "bytes behind the end of the last response"
            self.close()
        return reply


    def ask_at_once(self, targets):
        """Pipelined: all requests in one send, and only then the responses. Only what was received is recorded."""
        self.open()
        text = "".join("GET %s HTTP/1.1\r\nHost: scenario\r\n\r\n" % target for target in targets)
        self.socket.sendall(text.encode("latin-1"))
        for number, target in enumerate(targets):
            reply = self.read_head()
            self.read_body(reply, "GET")
            self.records.append({"local": self.local, "number": number, "method": "GET", "target": target,
                                 "status": reply.status, "bytes": self.taken})


def drive_recorded(port, plans, host="127.0.0.1"):
    """A connection for each plan, all at once; a plan is a list of (target, close after it). Returns all records."""
    connections = [RecordingConnection(host, port) for _ in plans]

    def work(connection, plan):
        for target, close in plan:
            connection.ask(target, close)

    drive([lambda pair=pair: work(*pair) for pair in zip(connections, plans)])
    for connection in connections:
        connection.close()
    return [record for connection in connections for record in connection.records]
