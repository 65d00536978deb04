# SPDX-License-Identifier: MIT
"""
An HTTP/1.1 server with faults to choose from; without any it is a healthy one. A thread per connection, blocking sockets.

    /events/count=100/gap=20/size=200    server-sent events, chunked, one every `gap` ms
    /events/.../stop=50                  silent after 50 of them, for good
    /events/.../jitter=1                 gaps of 0.2 to 1.8 times `gap`
    /body/count=100/size=65536           Content-Length, that many pieces, one send call each
    /busy/ms=20                          a small answer after 20 ms of work, of which `--workers` run at a time
    /wait/ms=3000                        a small answer after that long, whatever the client does meanwhile

--nagle leaves TCP_NODELAY off; --cork sets TCP_CORK and never takes it away; --serial serves one connection after the other; --blocking-loop handles all connections in one
loop that sleeps where it works; --leave-open never closes a connection whose client has gone; --accepts N: accepts no more than
that; --splice takes what comes by splice() every 40 ms, and says nothing.
"""
import argparse
import json
import os
import random
import select
import socket
import threading
import time


def options_of(target):
    kind, *words = target.strip("/").split("/")
    return kind, {name: int(value) for name, _, value in (word.partition("=") for word in words)}


class Server:
    def __init__(self, options):
        self.options = options
        self.workers = threading.Semaphore(options.workers)
        self.listener = socket.create_server((options.host, 0), backlog=512)
        self.kept = []

    def events(self, connection, wanted):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        event = b"data: " + b"e" * (wanted.get("size", 200) - 8) + b"\n\n"
        chunk = b"%x\r\n%s\r\n" % (len(event), event)
        for number in range(wanted["count"]):
            if number == wanted.get("stop"):
                threading.Event().wait()
            factor = random.uniform(0.2, 1.8) if "jitter" in wanted else 1
            time.sleep(wanted.get("gap", 20) / 1000 * factor)
            connection.sendall(chunk)
        connection.sendall(b"0\r\n\r\n")

    def body(self, connection, wanted):
        count, size = wanted["count"], wanted["size"]
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (count * size))
        for _ in range(count):
            connection.sendall(b"b" * size)

    def small(self, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall")

    def respond(self, connection, target):
        kind, wanted = options_of(target)
        if kind == "events":
            self.events(connection, wanted)
        elif kind == "body":
            self.body(connection, wanted)
        elif kind == "busy":
            with self.workers:
                time.sleep(wanted["ms"] / 1000)
            self.small(connection)
        else:
            time.sleep(wanted.get("ms", 0) / 1000)
            self.small(connection)

    def prepare(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0 if self.options.nagle or self.options.cork else 1)
        if self.options.cork:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        if self.options.sndbuf:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.options.sndbuf)
        if self.options.congestion:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, self.options.congestion.encode())

    def swallow(self, connection):
        taken, given = os.pipe()
        while os.splice(connection.fileno(), given, 65536):
            os.read(taken, 65536)
            time.sleep(0.04)

    def serve(self, connection):
        self.prepare(connection)
        if self.options.splice:
            return self.swallow(connection)
        buffer = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = connection.recv(16384)
                    if not data:
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                self.respond(connection, head.split(b" ")[1].decode())
        except OSError:
            pass
        finally:
            if self.options.leave_open:
                self.kept.append(connection)
            else:
                connection.close()

    def loop(self):
        """One loop for all, as an event loop; its handlers block it."""
        self.listener.setblocking(False)
        connections = {self.listener: None}
        while True:
            for ready in select.select(list(connections), [], [])[0]:
                if ready is self.listener:
                    connection, _ = ready.accept()
                    self.prepare(connection)
                    connections[connection] = None
                    continue
                try:
                    data = ready.recv(16384)
                    if data:
                        self.respond(ready, data.split(b" ")[1].decode())
                        continue
                except OSError:
                    pass
                del connections[ready]
                ready.close()

    def run(self):
        print(json.dumps({"port": self.listener.getsockname()[1]}), flush=True)
        if self.options.blocking_loop:
            return self.loop()
        accepted = 0
        while True:
            if accepted == self.options.accepts:
                threading.Event().wait()
            connection, _ = self.listener.accept()
            accepted += 1
            if self.options.serial:
                self.serve(connection)
            else:
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--workers", type=int, default=4)
    arguments.add_argument("--sndbuf", type=int, default=0)
    arguments.add_argument("--congestion")
    arguments.add_argument("--accepts", type=int, default=-1)
    for name in ("nagle", "cork", "serial", "blocking-loop", "leave-open", "splice"):
        arguments.add_argument("--" + name, action="store_true")
    try:
        Server(arguments.parse_args()).run()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
