# SPDX-License-Identifier: MIT
"""Connections that are open before a tracer is there: flowing, stalled, paused and idle ones, from one process."""
import os
import selectors
import socket
import threading
import time

from load_client import Connection
from slow_reader import connect
from tracer import Skip


class Reader:
    """A thread that takes whatever comes on its connections, and counts it."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.taken = {}
        self.ends = False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def add(self, connection):
        self.taken[connection] = 0
        self.selector.register(connection, selectors.EVENT_READ)

    def run(self):
        while not self.ends:
            for key, _ in self.selector.select(0.05):
                count = len(key.fileobj.recv(262144))
                self.taken[key.fileobj] += count
                if not count:
                    self.selector.unregister(key.fileobj)

    def __exit__(self, *_):
        self.ends = True
        self.thread.join()
        for connection in self.taken:
            connection.close()


def ask(connection, target):
    connection.sendall(b"GET %s HTTP/1.1\r\nHost: scenario\r\n\r\n" % target.encode())


def flowing(reader, port, target, count):
    """Open streams that are read as they come: (address, port) of each."""
    names = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port))
        ask(connection, target)
        reader.add(connection)
        names.append(connection.getsockname()[:2])
    return names


def stalled(port, target, count, source=None):
    """Clients with a small receive buffer that ask and never read. `source`: their address, where their ports might be another's."""
    connections = []
    for _ in range(count):
        connection = connect("127.0.0.1", port, 4096, source)
        ask(connection, target)
        connections.append(connection)
    return connections


def idle(port, count):
    """Keep-alive connections that have had one response."""
    connections = [Connection("127.0.0.1", port).open() for _ in range(count)]
    for connection in connections:
        connection.request("/length/1x50")
    return connections


def cgroup_mount():
    with open("/proc/mounts") as mounts:
        for line in mounts:
            if line.split()[2] == "cgroup2":
                return line.split()[1]
    raise Skip("no cgroup v2 here")


class Cgroup:
    """A cgroup of our own with one process in it."""

    def __init__(self, pid):
        self.path = os.path.join(cgroup_mount(), "tailrace-test-%d" % os.getpid())
        self.pid = pid

    def __enter__(self):
        try:
            os.mkdir(self.path)
            self.put(self.path)
        except OSError as error:
            self.__exit__()
            raise Skip("no cgroup of our own here: %s" % error) from None
        return self

    def put(self, path):
        with open(os.path.join(path, "cgroup.procs"), "w") as file:
            file.write(str(self.pid))

    def __exit__(self, *_):
        try:
            self.put(cgroup_mount())
        except OSError:
            pass  # the process is gone
        for _ in range(50):
            try:
                return os.rmdir(self.path)
            except FileNotFoundError:
                return None
            except OSError:  # busy for a moment
                time.sleep(0.02)
