# SPDX-License-Identifier: MIT
"""Faults of clients: they read slowly, not at all, or have gone."""
import os
import signal
import time

from go_program import go_server
from load_client import Connection
from nginx_site import Nginx
from scenario import Expected, address, crowd, faulty, scenario, short
from servers import Client, Server, TruthServer
from slow_reader import connect

BYTES = ("queue-pressure", "blocked-writers")


def slow(port, target, rate, seconds=8):
    return Client("slow_reader.py", "--port", port, "--target", target, "--rate", rate, "--seconds", seconds)


def stalled(port, target, receive_buffer=16384):
    """A client that asks and never reads."""
    connection = connect("127.0.0.1", port, receive_buffer)
    connection.sendall(b"GET %s HTTP/1.1\r\nHost: scenario\r\n\r\n" % target.encode())
    return connection


@scenario(Expected({"slow-consumer": {"slow_connections": 1}}, BYTES))
def a_slow_reader_among_seven_fast_ones(scene):
    with faulty("--sndbuf", 131072) as server, scene.traced(server):
        with crowd(server.port, "/events/count=400/gap=20", 7, 8):
            time.sleep(1)
            scene.plant()
            with slow(server.port, "/body/count=2000/size=8192", 60_000) as client:
                return {"slow-consumer": {"peer": address(client.results()[0]["remote"])}}


@short
@scenario(Expected({"slow-consumer": {}, "blocked-writers": {"cause": "peer_window"}}, BYTES))
def a_reader_that_stops_blocks_its_writer(scene):
    with faulty("--sndbuf", 65536) as server, scene.traced(server):
        scene.plant()
        connection = stalled(server.port, "/body/count=200/size=65536")
        time.sleep(6)
        peer = address(connection.getsockname())
        connection.close()
        return {"slow-consumer": {"peer": peer}, "blocked-writers": {"peer": peer}}


@short
@scenario(Expected({"slow-consumer": {"response": lambda value: value is not None},
                    "queue-pressure": {"cause": "peer_window"}}, within_s=6))
def a_whole_body_in_one_call_waits_in_the_queue(scene):
    """The call returns at once: nothing is blocked."""
    with TruthServer() as server, scene.traced(server):
        scene.plant()
        with slow(server.port, "/length/1x2000000", 50_000) as client:
            return {"slow-consumer": {"peer": address(client.results()[0]["remote"])}}


@scenario(Expected({"slow-consumer": {"slow_connections": lambda value: value >= 15}}, BYTES))
def twenty_of_forty_readers_stop(scene):
    with faulty("--sndbuf", 131072) as server, scene.traced(server):
        with crowd(server.port, "/events/count=350/gap=20", 20, 8):
            time.sleep(1)
            scene.plant()
            stopped = [stalled(server.port, "/body/count=500/size=8192") for _ in range(20)]
            time.sleep(6)
            for connection in stopped:
                connection.close()


@scenario(Expected({"slow-consumer": {}}, BYTES))
def a_slow_reader_of_an_event_loop(scene):
    """Never a blocking call: EAGAIN, and a wait for writability."""
    with Server("sse_asyncio.py") as server, scene.traced(server):
        scene.plant()
        with slow(server.port, "/bulk/9000000", 100_000) as client:
            return {"slow-consumer": {"peer": address(client.results()[0]["remote"])}}


@scenario(Expected({"slow-consumer": {}}, BYTES))
def a_slow_reader_of_nginx(scene):
    with Nginx() as server, scene.traced(server):
        scene.plant()
        with slow(server.port, "/large.bin", 60_000) as client:
            return {"slow-consumer": {"peer": address(client.results()[0]["remote"])}}


PROXY = """server { listen 127.0.0.1:%%(port)d; location / { proxy_pass http://127.0.0.1:%d; proxy_http_version 1.1;
    proxy_buffering %s; proxy_max_temp_file_size 64m; } }"""


@scenario(Expected({"slow-consumer": {"slow_connections": 1}}, BYTES))
def a_proxy_that_buffers_has_a_slow_client(scene):
    with faulty() as server, Nginx(server=PROXY % (server.port, "on")) as proxy, scene.traced(proxy):
        scene.plant()
        with slow(proxy.port, "/body/count=300/size=65536", 60_000) as client:
            return {"slow-consumer": {"peer": address(client.results()[0]["remote"])}}


@scenario(Expected({"slow-consumer": {"slow_connections": 1}}, BYTES + ("stalled-stream",)))
def a_proxy_that_does_not_buffer_is_the_slow_client(scene):
    """The server sees nobody but the proxy, which takes no more than its own client does."""
    with faulty("--sndbuf", 131072) as server, Nginx(server=PROXY % (server.port, "off")) as proxy, scene.traced(server):
        scene.plant()
        with slow(proxy.port, "/body/count=400/size=65536", 60_000):
            time.sleep(8)


@scenario(Expected({"stalled-stream": {"cause": "peer_window"}}, BYTES + ("slow-consumer",), within_s=9))
def a_stream_stalls_because_its_reader_stops(scene):
    with faulty() as server, scene.traced(server):
        with crowd(server.port, "/events/count=550/gap=20", 5, 11):
            connection = Connection("127.0.0.1", server.port)
            connection.socket = connect("127.0.0.1", server.port, 4096)
            connection.send("/events/count=9000/gap=10/size=1000")
            end = time.monotonic() + 2
            while time.monotonic() < end:
                connection.socket.recv(65536)
            scene.plant()
            time.sleep(9)
            peer = address(connection.local)
            connection.close()
            return {"stalled-stream": {"peer": peer}}


@scenario(Expected({"orphaned-tasks": {"held_connections": 1}}))
def a_handler_waits_on_when_its_client_has_gone(scene):
    with faulty() as server, scene.traced(server):
        connection = Connection("127.0.0.1", server.port).open()
        connection.send("/wait/ms=20000")
        time.sleep(1)
        peer = address(connection.local)
        scene.plant()
        connection.close()
        time.sleep(6)
        return {"orphaned-tasks": {"peer": peer}}


@short
@scenario(Expected({"orphaned-tasks": {"held_connections": 3, "reset_connections": 3}}))
def handlers_wait_on_when_their_clients_have_reset(scene):
    """Closed, and in no table of the kernel, while their descriptors are held."""
    with faulty() as server, scene.traced(server):
        connections = [Connection("127.0.0.1", server.port).open() for _ in range(3)]
        for connection in connections:
            connection.send("/wait/ms=20000")
        time.sleep(1)
        peers = [address(connection.local) for connection in connections]
        scene.plant()
        for connection in connections:
            connection.reset()
        time.sleep(6)
        return {"orphaned-tasks": {"peer": lambda value: value in peers}}


@scenario(Expected({"orphaned-tasks": {"held_connections": 3}}, within_s=5))
def clients_have_gone_before_they_are_accepted(scene):
    with faulty() as server, scene.traced(server):
        os.kill(server.process.pid, signal.SIGSTOP)
        connections = [Connection("127.0.0.1", server.port).open() for _ in range(3)]
        peers = [address(connection.local) for connection in connections]
        for connection in connections:
            connection.send("/wait/ms=20000")
            connection.close()
        os.kill(server.process.pid, signal.SIGCONT)
        scene.plant()
        time.sleep(6)
        return {"orphaned-tasks": {"peer": lambda value: value in peers}}


@scenario(Expected({"orphaned-tasks": {"held_connections": 12}}))
def a_server_that_leaks_sockets_is_traced_later(scene):
    """Its clients left before tracing began: nobody saw them go."""
    with faulty("--leave-open") as server:
        connections = [Connection("127.0.0.1", server.port) for _ in range(12)]
        for connection in connections:
            connection.request("/wait/ms=1")
            connection.close()
        with scene.traced(server):
            scene.plant()
            time.sleep(6)


@scenario(Expected({"orphaned-tasks": {"held_connections": 30}}))
def thirty_sockets_are_never_closed(scene):
    with faulty("--leave-open") as server, scene.traced(server):
        connections = [Connection("127.0.0.1", server.port) for _ in range(30)]
        for connection in connections:
            connection.request("/wait/ms=1")
        scene.plant()
        for connection in connections:
            connection.close()
        time.sleep(6)


@scenario(Expected({"slow-consumer": {"slow_connections": 7}, "blocked-writers": {}}, BYTES))
def a_go_server_with_readers_that_stop(scene):
    """The server's own tasks are in the sentence too."""
    with go_server() as server, scene.traced(server):
        with crowd(server.port, "/sse/550/20", 10, 12):
            time.sleep(1)
            scene.plant()
            stopped = [stalled(server.port, "/small/8000000") for _ in range(7)]
            time.sleep(6)
            peers = [address(connection.getsockname()) for connection in stopped]
            for connection in stopped:
                connection.close()
            time.sleep(5)  # what was so is told once more as it closes
            waiting = "7 goroutines wait in net.(*conn).Write"
            return {"slow-consumer": {"peer": lambda value: value in peers, "tasks_writing": waiting},
                    "blocked-writers": {"tasks_writing": waiting}}
