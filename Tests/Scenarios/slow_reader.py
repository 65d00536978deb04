# SPDX-License-Identifier: MIT
"""
A client that reads at a known rate, with a small receive buffer: the slow consumer.

Prints one JSON object: how many bytes it read, from when to when, and the rate that it really kept.
"""
import argparse
import json
import socket
import time


def realtime_ns():
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def connect(host, port, receive_buffer, source=None):
    """SO_RCVBUF must be set before connect(): the window scale is settled in the handshake. `source`: an address of its own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if source:
        connection.bind((source, 0))
    connection.connect((host, port))
    return connection


def content_length(head):
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return None


def read_at_rate(connection, rate, step, seconds):
    """Reads `step` bytes a turn on an absolute schedule, so that an oversleep is made up for and the mean rate holds."""
    total, expected, head, times = 0, None, b"", []
    start = time.monotonic()
    while expected is None or total < expected:
        due = start + total / rate
        if seconds and due - start > seconds:
            break
        time.sleep(max(0.0, due - time.monotonic()))
        data = connection.recv(step)
        if not data:
            break
        total += len(data)
        times.append((realtime_ns(), total))
        if expected is None and b"\r\n\r\n" not in head:
            head += data
            if b"\r\n\r\n" in head:
                text = head.partition(b"\r\n\r\n")[0]
                length = content_length(text)
                expected = length + len(text) + 4 if length is not None else None
    return total, times


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--target", required=True)
    arguments.add_argument("--rate", type=float, required=True, help="bytes per second")
    arguments.add_argument("--step", type=int, default=2048, help="bytes a read")
    arguments.add_argument("--receive-buffer", type=int, default=16384, help="SO_RCVBUF")
    arguments.add_argument("--seconds", type=float, default=0, help="leave after that long; 0: when the response is whole")
    options = arguments.parse_args()
    connection = connect(options.host, options.port, options.receive_buffer)
    remote = connection.getsockname()[:2]
    connection.sendall(b"GET %s HTTP/1.1\r\nHost: scenario\r\n\r\n" % options.target.encode())
    total, times = read_at_rate(connection, options.rate, options.step, options.seconds)
    connection.close()
    taken = (times[-1][0] - times[0][0]) / 1e9
    print(json.dumps({"remote": remote, "bytes": total, "first_ns": times[0][0], "last_ns": times[-1][0],
                      "rate": (times[-1][1] - times[0][1]) / taken if taken else None, "reads": times}))


if __name__ == "__main__":
    main()
