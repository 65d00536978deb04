# SPDX-License-Identifier: MIT
"""
Many clients in one process, each in a thread: they read as fast as the server writes, for a time.

    crowd_client.py --port N --target /events/count=100/gap=20 --clients 40 --seconds 8

--ramp N: that many are there at first, and as many more each second. --every MS: one comes after the other. --pause MS: between two requests. --fresh: a connection a
request. --reset: leave in the middle, with RST.
"""
import argparse
import json
import threading
import time

from load_client import Connection


def run(options, number, end, counts):
    time.sleep(number * options.every / 1000 if options.every else
               (number // options.ramp if options.ramp else 0) + 0.01 * (number % 8))
    connection = Connection(options.host, options.port, timeout=max(1, end - time.monotonic() + 5))
    while time.monotonic() < end:
        try:
            if options.reset:
                connection.send(options.target)
                connection.read_head()
                time.sleep(min(1, max(0, end - time.monotonic())))
                connection.reset()
            else:
                connection.request(options.target)
        except (ConnectionError, OSError):
            connection.close()
        counts[number] += 1
        if options.fresh:
            connection.close()
        time.sleep(options.pause / 1000)
    connection.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--target", required=True)
    arguments.add_argument("--clients", type=int, default=1)
    arguments.add_argument("--seconds", type=float, default=8)
    arguments.add_argument("--ramp", type=int, default=0)
    arguments.add_argument("--every", type=float, default=0)
    arguments.add_argument("--pause", type=float, default=0)
    arguments.add_argument("--fresh", action="store_true")
    arguments.add_argument("--reset", action="store_true")
    options = arguments.parse_args()
    counts = [0] * options.clients
    end = time.monotonic() + options.seconds
    threads = [threading.Thread(target=run, args=(options, number, end, counts), daemon=True)
               for number in range(options.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.1, end - time.monotonic() + 4))
    print(json.dumps({"requests": sum(counts)}))


if __name__ == "__main__":
    main()
