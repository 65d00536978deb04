#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What it costs to count a server's goroutines 20 times a second, and to take a census of them every 5 s: windows in which tailrace
runs and windows in which it is stopped, in turn. Its hooks stay where they are in both, so that only the reading differs.

Needs root and go."""
import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from alternation import Estimate, against_neighbours
from bench import machine

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "Tests" / name) for name in ("Kernel", "Scenarios")]
import go_servers  # noqa: E402: where it lies is known only now

REQUEST = b"GET /silent HTTP/1.1\r\nHost: bench\r\n\r\n"


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=pathlib.Path, required=True, help="the built tailrace, as it is released")
    parser.add_argument("--goroutines", type=int, default=10000, help="that the server has meanwhile (10000)")
    parser.add_argument("--windows", type=int, default=12, help="windows of each kind (12)")
    parser.add_argument("--seconds", type=float, default=5, help="length of a window (5)")
    return parser.parse_args()


def processes(pid):
    """A process and those that it started."""
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return [pid, *map(int, file.read().split())]


def threads_ns(pid):
    """Processor time of each thread."""
    times = {}
    for process in processes(pid):
        for thread in os.listdir("/proc/%d/task" % process):
            with open("/proc/%d/task/%s/schedstat" % (process, thread)) as file:
                times[thread] = int(file.read().split()[0])
    return times


class Window:
    """Latencies of one client's requests, one after the other, and the processor time that tailrace used meanwhile."""
    programs = {}  # as alternation's windows have them

    def __init__(self, variant, connection, tracer, seconds):
        self.variant = variant
        before, begin, latencies = threads_ns(tracer), time.monotonic_ns(), []
        while (now := time.monotonic_ns()) - begin < seconds * 1e9:
            connection.sendall(REQUEST)
            connection.recv(4096)
            latencies.append(time.monotonic_ns() - now)
            time.sleep(0.001)
        length = time.monotonic_ns() - begin
        # The thread that began first traces, the others read tasks; the process apart has both, the one that started it neither.
        spent = [(int(thread), used - before.get(thread, 0)) for thread, used in threads_ns(tracer).items()]
        self.share = 100 * sum(used for _, used in spent) / length
        self.reading = 100 * sum(used for thread, used in spent if thread not in processes(tracer)) / length
        latencies.sort()
        self.median, self.late = (latencies[int(len(latencies) * part)] for part in (0.5, 0.99))
        self.count = len(latencies)


def windows(command, server, chosen):
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as directory:
        ready = os.path.join(directory, "ready")
        tracer = subprocess.Popen([str(chosen.program), *command(server.pid, ready)], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            with server.open("/silent") as connection:
                connection.recv(4096)
                time.sleep(3)
                found = []
                for number in range(2 * chosen.windows + 1):
                    for process in processes(tracer.pid):
                        os.kill(process, signal.SIGCONT if number % 2 else signal.SIGSTOP)
                    time.sleep(0.2)
                    found.append(Window("runs" if number % 2 else "stopped", connection, tracer.pid, chosen.seconds))
                return found
        finally:
            for process in processes(tracer.pid):
                os.kill(process, signal.SIGCONT)
            tracer.terminate()
            tracer.wait()


COMMANDS = {
    "count, 20 times a second (trace)": lambda pid, ready: ["trace", "--pid", str(pid), "--json", "--ready-file", ready],
    "count, and census every 5 s (tasks --watch 5s)": lambda pid, ready: ["tasks", str(pid), "--json", "--watch", "5s"],
}


def say(name, found):
    running = [window for window in found if window.variant == "runs"]
    median, late = (Estimate.of(against_neighbours(found, "runs", measure))
                    for measure in (lambda window: window.median, lambda window: window.late))
    share, reading = (Estimate.of(values) for values in ([w.share for w in running], [w.reading for w in running]))
    bare = [window for window in found if window.variant == "stopped"]
    print(f"{name}: {len(running)} windows of each, {sum(w.count for w in found)} requests; stopped: p50 "
          f"{sorted(w.median for w in bare)[len(bare) // 2] / 1000:.0f} us, p99 {sorted(w.late for w in bare)[len(bare) // 2] / 1000:.0f} us")
    print(f"     latency against stopped: p50 {median.text()} x, p99 {late.text()} x")
    print(f"     tailrace: {share.text(2, ' %')} of a processor, of which the reading of tasks (threads of its own) {reading.text(3, ' %')}")


def ticks_ms(program, pid, looks=10):
    """Processor time that `tasks --watch` takes for one look and the time between two, median: of the process, and all that it started."""
    with subprocess.Popen([str(program), "tasks", str(pid), "--json", "--watch", "300ms"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as watch:
        def spent():
            threads = {}
            for process in processes(watch.pid):
                threads.update(threads_ns(process))
            return sum(threads.values())

        for _ in range(4):
            watch.stdout.readline()
        found = []
        for _ in range(looks):
            before = spent()
            watch.stdout.readline()
            found.append((spent() - before) / 1e6)
        watch.terminate()
    return sorted(found)[looks // 2]


def say_census(program):
    """Of many goroutines against few: what differs is the census, with the ages of all."""
    with go_servers.GoServer(go_servers.build(go_servers.releases()[-1])) as server:
        few = ticks_ms(program, server.pid)
        for more, count in ((10_000, 10_000), (90_000, 100_000)):
            server.ask("/spawn?n=%d" % more)
            print(f"census of {count:,} goroutines: {ticks_ms(program, server.pid) - few:.1f} ms of a processor")


def main():
    chosen = options()
    if os.geteuid() != 0:
        sys.exit("bench: loading kernel programs needs root: sudo make bench")
    print(f"tailrace: cost of open tasks, {chosen.goroutines} goroutines\n{machine()}")
    with go_servers.GoServer(go_servers.build(go_servers.releases()[0])) as server:
        server.ask("/spawn?n=%d" % chosen.goroutines)
        for name, command in COMMANDS.items():
            say(name, windows(command, server, chosen))
        if server.goroutines() < chosen.goroutines:
            sys.exit("bench: the server lost its goroutines")
    say_census(chosen.program)
    print(f"load average at the end: {' '.join(open('/proc/loadavg').read().split()[:3])}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; the load is ended")
