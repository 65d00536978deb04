# SPDX-License-Identifier: MIT
"""Faults of servers: they read late, fall silent, take on too much, or let TCP gather what they stream."""
import contextlib
import os
import signal
import subprocess
import sys
import time

from load_client import Connection
from nginx_site import Nginx
from peers import PROXY, stalled
from scenario import Expected, address, crowd, faulty, scenario, short
from tracer import require_command


@scenario(Expected({"receive-pressure": {"late_requests": lambda value: value >= 2}}, ("task-saturation",)))
def one_connection_is_served_after_the_other(scene):
    with faulty("--serial", "--workers", "1") as server, scene.traced(server):
        scene.plant()
        with crowd(server.port, "/busy/ms=150", 8, 7, "--fresh") as client:
            client.results()


@short
@scenario(Expected({"receive-pressure": {"wait_max_ns": lambda value: value > 100_000_000}}, ("task-saturation",)))
def a_loop_is_blocked_by_its_handlers(scene):
    with faulty("--blocking-loop") as server, scene.traced(server):
        with crowd(server.port, "/wait/ms=1", 4, 8, "--pause", 50):
            time.sleep(1)
            scene.plant()
            with crowd(server.port, "/wait/ms=400", 4, 6) as client:
                client.results()


@scenario(Expected({"receive-pressure": {"wait_max_ns": lambda value: value > 300_000_000}}, ("task-saturation",)))
def the_world_stops_now_and_then(scene):
    """As for a collector of garbage: every 2 s nothing of the server runs for 700 ms."""
    with faulty("--workers", "64") as server, scene.traced(server):
        with crowd(server.port, "/wait/ms=2", 8, 9, "--pause", 10), crowd(server.port, "/events/count=400/gap=20", 4, 9):
            time.sleep(1)
            scene.plant()
            for _ in range(3):
                os.kill(server.process.pid, signal.SIGSTOP)
                time.sleep(0.7)
                os.kill(server.process.pid, signal.SIGCONT)
                time.sleep(1.3)


@short
@scenario(Expected({"receive-pressure": {"unread_requests": 20}}, within_s=3))
def a_server_hangs_with_twenty_requests_unread(scene):
    """Stopped for good: what is told is told while it lasts, because nothing is read any more."""
    with faulty() as server, scene.traced(server):
        connections = [Connection("127.0.0.1", server.port) for _ in range(20)]
        for connection in connections:
            connection.request("/wait/ms=1")
        time.sleep(1)
        os.kill(server.process.pid, signal.SIGSTOP)
        time.sleep(0.2)
        scene.plant()
        for connection in connections:
            connection.send("/wait/ms=1")
        time.sleep(6)
        for connection in connections:
            connection.close()
        os.kill(server.process.pid, signal.SIGCONT)


@scenario(Expected({"receive-pressure": {"unaccepted_connections": 20, "unread_requests": 0}}, within_s=3))
def twenty_connections_are_not_accepted_beside_eight_streams(scene):
    with faulty("--accepts", "8") as server, scene.traced(server):
        with crowd(server.port, "/events/count=400/gap=20", 8, 8):
            time.sleep(1.5)
            scene.plant()
            waiting = [Connection("127.0.0.1", server.port).open() for _ in range(20)]
            peers = [address(connection.local) for connection in waiting]
            for connection in waiting:
                connection.send("/wait/ms=1")
            time.sleep(6)
            for connection in waiting:
                connection.close()
            return {"receive-pressure": {"peer": lambda value: value in peers}}


@scenario(Expected({"receive-pressure": {"unaccepted_connections": lambda value: value >= 16}}, within_s=3))
def a_full_backlog_of_a_server_that_has_accepted_nobody(scene):
    """No process has used a connection yet: it is told of who listens."""
    with faulty("--accepts", "0") as server, scene.traced(server):
        time.sleep(1)
        scene.plant()
        waiting = [Connection("127.0.0.1", server.port).open() for _ in range(40)]
        time.sleep(5)
        for connection in waiting:
            connection.close()


@short
@scenario(Expected({"stalled-stream": {"cause": "app", "stalled_responses": 1}}, within_s=6))
def a_server_falls_silent_on_one_of_six_streams(scene):
    with faulty() as server, scene.traced(server):
        with crowd(server.port, "/events/count=450/gap=20", 5, 9):
            connection = Connection("127.0.0.1", server.port).open()
            connection.send("/events/count=900/gap=20/stop=100")
            taken = 0
            while taken < 100 * 206:
                taken += len(connection.socket.recv(65536))
            scene.plant()
            time.sleep(6)
            peer = address(connection.local)
            connection.close()
            return {"stalled-stream": {"peer": peer}}


@short
@scenario(Expected({"task-saturation": {"stage": "app", "knee_tasks": lambda value: 2 <= value <= 14}}, within_s=16))
def more_requests_than_workers(scene):
    """Four at a time, 20 ms each; two more clients each second."""
    with faulty("--workers", "4") as server, scene.traced(server):
        scene.plant()
        with crowd(server.port, "/busy/ms=20", 36, 18, "--ramp", "2") as client:
            client.results()


@short
@scenario(Expected({"coalesced-stream": {"flushes_per_lump": lambda value: value >= 3}}))
def nagle_gathers_what_is_streamed(scene):
    """A small write every 5 ms, without TCP_NODELAY, for a client that looks ten times a second, and so delays its ACKs."""
    return gathered(scene, "--nagle")


@scenario(Expected({"coalesced-stream": {"flushes_per_lump": lambda value: value >= 3}}))
def a_cork_gathers_what_is_streamed(scene):
    return gathered(scene, "--cork")


def gathered(scene, how):
    with faulty(how) as server, scene.traced(server):
        scene.plant()
        connection = Connection("127.0.0.1", server.port).open()
        connection.send("/events/count=1200/gap=5/size=40")
        end = time.monotonic() + 5
        while time.monotonic() < end:
            time.sleep(0.1)
            connection.socket.recv(65536)
        peer = address(connection.local)
        connection.close()
        return {"coalesced-stream": {"peer": peer}}


@contextlib.contextmanager
def hogs(cpu, count=2):
    """Processes that want all of a processor."""
    loop = ["taskset", "-c", str(cpu), sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(loop) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


@scenario(Expected({"receive-pressure": {"wait_max_ns": lambda value: value > 100_000_000}},
                   ("task-saturation", "stalled-stream", "coalesced-stream"), within_s=5))
def a_server_gets_no_processor(scene):
    """Others run on the only one that it may use, and it only when they do not: it reads late, and its threads are all well."""
    require_command("chrt")
    cpu = max(os.sched_getaffinity(0))
    with faulty("--workers", "64") as server, scene.traced(server):
        with crowd(server.port, "/wait/ms=1", 8, 9, "--pause", 20):
            time.sleep(1.5)
            with hogs(cpu):
                scene.plant()
                pid = str(server.process.pid)
                subprocess.run(["taskset", "-a", "-c", "-p", str(cpu), pid], check=True, stdout=subprocess.DEVNULL)
                subprocess.run(["chrt", "-a", "--idle", "-p", "0", pid], check=True)
                time.sleep(6)


@scenario(Expected({"stalled-stream": {"cause": "app", "stalled_responses": lambda value: value >= 1}}, within_s=6))
def an_upstream_dies_without_a_word(scene):
    """The proxy's streams stay open, and nothing comes any more: it is not the clients who do not read."""
    with faulty() as server, Nginx(server=PROXY % (server.port, "off")) as proxy, scene.traced(proxy):
        with crowd(proxy.port, "/events/count=900/gap=20", 3, 9):
            time.sleep(2)
            os.kill(server.process.pid, signal.SIGSTOP)
            scene.plant()
            time.sleep(6)
        os.kill(server.process.pid, signal.SIGCONT)


@scenario(Expected({"blocked-writers": {"sndbuf_bytes": lambda value: value <= 16_384}, "slow-consumer": {}}, ("queue-pressure",)))
def a_tiny_send_buffer_and_a_reader_that_stops(scene):
    """4 KiB of it: hardly a byte waits in the kernel, and the writer does."""
    with faulty("--sndbuf", "4096") as server, scene.traced(server):
        with crowd(server.port, "/events/count=300/gap=20", 5, 7):
            time.sleep(1)
            scene.plant()
            connection = stalled(server.port, "/body/count=2000/size=8192", 2304)
            time.sleep(5)
            peer = address(connection.getsockname())
            connection.close()
            return {"blocked-writers": {"peer": peer}}
