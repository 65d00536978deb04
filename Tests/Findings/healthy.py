# SPDX-License-Identifier: MIT
"""Healthy load, some of it of a kind that could be mistaken for a fault: no finding above a notice."""
import socket
import subprocess
import time

from go_program import go_server
from load_client import Connection
from namespaces import SERVER_ADDRESS, Namespaces
from nginx_site import Nginx
from peers import PROXY, slow
from scenario import Expected, Summed, crowd, faulty, long, scenario, short
from servers import Client
from tracer import require_command

NONE = Expected()


@scenario(NONE)
def small_responses_on_kept_connections(scene):
    with faulty("--workers", "64") as server, scene.traced(server):
        with crowd(server.port, "/wait/ms=2", 12, 7, "--pause", 10) as client:
            client.results()


@short
@scenario(NONE)
def fifty_steady_streams(scene):
    with faulty() as server, scene.traced(server):
        with crowd(server.port, "/events/count=70/gap=100", 50, 8) as client:
            client.results()


@scenario(NONE)
def streams_with_uneven_gaps(scene):
    with faulty() as server, scene.traced(server):
        with crowd(server.port, "/events/count=60/gap=150/jitter=1", 10, 9) as client:
            client.results()


@scenario(NONE)
def streams_that_say_little(scene):
    """A heartbeat every two seconds, after a lively beginning: few gaps are no habit yet."""
    with faulty() as server, scene.traced(server):
        with crowd(server.port, "/events/count=4/gap=2000", 6, 9) as client:
            client.results()


@scenario(NONE)
def downloads_that_are_read_as_fast_as_they_come(scene):
    with faulty() as server, scene.traced(server):
        with crowd(server.port, "/body/count=300/size=65536", 4, 7, "--pause", 20) as client:
            client.results()


@scenario(NONE)
def idle_connections(scene):
    with faulty() as server, scene.traced(server):
        connections = [Connection("127.0.0.1", server.port) for _ in range(100)]
        for connection in connections:
            connection.request("/wait/ms=1")
        time.sleep(7)
        for connection in connections:
            connection.close()


@scenario(NONE)
def long_polls(scene):
    with faulty() as server, scene.traced(server):
        with crowd(server.port, "/wait/ms=3000", 20, 9) as client:
            client.results()


@scenario(NONE)
def more_clients_and_no_longer_waits(scene):
    """The ramp of the saturated server, with workers enough."""
    with faulty("--workers", "64") as server, scene.traced(server):
        with crowd(server.port, "/busy/ms=20", 24, 12, "--ramp", "2", "--pause", 20) as client:
            client.results()


@short
@scenario(NONE)
def clients_that_leave_in_the_middle(scene):
    """The server notices at its next write, and closes."""
    with faulty() as server, scene.traced(server):
        with crowd(server.port, "/events/count=1000/gap=20", 8, 7, "--reset") as client:
            client.results()


@scenario(NONE)
def a_client_that_closes_its_half_and_reads_on(scene):
    with faulty() as server, scene.traced(server):
        connection = Connection("127.0.0.1", server.port).open()
        connection.send("/events/count=350/gap=20")
        connection.socket.shutdown(socket.SHUT_WR)
        while connection.socket.recv(65536):
            pass
        connection.close()


@scenario(NONE)
def a_reader_that_pauses_for_half_a_second(scene):
    with faulty() as server, scene.traced(server):
        connection = Connection("127.0.0.1", server.port).open()
        connection.send("/body/count=1000000/size=16384")
        for _ in range(8):
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                connection.socket.recv(65536)
            time.sleep(0.5)
        connection.close()


@scenario(NONE)
def bursts_and_silence(scene):
    with faulty("--workers", "64") as server, scene.traced(server):
        for _ in range(3):
            with crowd(server.port, "/wait/ms=5", 16, 0.5) as client:
                client.results()
            time.sleep(2)


@scenario(NONE)
def nginx_with_small_and_large_files(scene):
    with Nginx() as server, scene.traced(server):
        with crowd(server.port, "/page.html", 6, 7, "--pause", 5), crowd(server.port, "/large.bin", 2, 7, "--pause", 50) as client:
            client.results()


@scenario(NONE)
def a_proxy_that_buffers_takes_what_its_slow_client_does_not(scene):
    """The server behind it is rid of everything at once: nothing of it waits."""
    with faulty() as server, Nginx(server=PROXY % (server.port, "on")) as proxy, scene.traced(server):
        with slow(proxy.port, "/body/count=300/size=65536", 60_000):
            time.sleep(8)


@scenario(NONE)
def uploads_that_are_spliced(scene):
    """No read tells of it: since when something is readable says nothing then."""
    with faulty("--splice") as server, scene.traced(server):
        connections = [Connection("127.0.0.1", server.port).open() for _ in range(4)]
        for _ in range(300):
            for connection in connections:
                connection.socket.sendall(b"u" * 1000)
            time.sleep(0.02)
        for connection in connections:
            connection.close()


@scenario(NONE)
def a_proxy_that_gathers_a_stream(scene):
    """nginx keeps small events until a buffer is full, and then writes it: its sockets never knew of more, nor does its upstream's."""
    with faulty() as server, Nginx(server=PROXY % (server.port, "on")) as proxy, scene.traced(server, proxy):
        with crowd(proxy.port, "/events/count=300/gap=20", 3, 7) as client:
            client.results()


@scenario(NONE)
def a_tiny_send_buffer_and_readers_that_read(scene):
    """Each write waits for room, and never for long."""
    with faulty("--sndbuf", "4096") as server, scene.traced(server):
        with crowd(server.port, "/body/count=200/size=8192", 3, 6, "--pause", 50) as client:
            client.results()


@scenario(NONE)
def an_upstream_that_dies_ends_its_streams(scene):
    """The proxy hears of it, and closes: its clients know, and nothing is left."""
    with faulty() as server, Nginx(server=PROXY % (server.port, "off")) as proxy, scene.traced(proxy):
        with crowd(proxy.port, "/events/count=900/gap=20", 3, 6):
            time.sleep(2)
            server.process.kill()
            time.sleep(5)


@scenario(NONE)
def short_requests_at_full_load(scene):
    """As many as the machine takes; what the ring loses is counted, and is no finding."""
    require_command("wrk")
    with Nginx() as server, scene.traced(server, kind=Summed):
        subprocess.run(["wrk", "-t1", "-c32", "-d5s", "http://127.0.0.1:%d/small.html" % server.port], check=True,
                       stdout=subprocess.DEVNULL)


@long(200)
@scenario(NONE)
def streams_that_live_for_ninety_seconds(scene):
    with go_server() as go, faulty() as python, scene.traced(go, python, kind=Summed):
        with crowd(go.port, "/sse/1800/50", 20, 90), crowd(python.port, "/events/count=900/gap=100/jitter=1", 10, 90) as client:
            client.results(120)


@scenario(NONE)
def a_go_server_of_streams(scene):
    with go_server() as server, scene.traced(server):
        with crowd(server.port, "/sse/100/20", 30, 8), crowd(server.port, "/small/600", 4, 8, "--pause", 10) as client:
            client.results()


@scenario(NONE)
def a_fast_link_between_two_hosts(scene):
    with Namespaces() as link, faulty("--host", SERVER_ADDRESS, prefix=link.server) as server, scene.traced(server):
        with crowd(server.port, "/body/count=20/size=65536", 3, 6, "--pause", 20, host=SERVER_ADDRESS, prefix=link.client), \
                crowd(server.port, "/events/count=200/gap=20", 8, 6, host=SERVER_ADDRESS, prefix=link.client) as client:
            client.results()


@long(900)
@scenario(NONE)
def ten_minutes_of_mixed_load(scene):
    """Three servers at once; streams, small answers, downloads, clients that come, stay idle, close early and leave with RST."""
    seconds = 600
    with go_server() as go, Nginx() as nginx, faulty("--workers", "64") as python, scene.traced(go, nginx, python, kind=Summed):
        idle = [Connection("127.0.0.1", go.port) for _ in range(50)]
        for connection in idle:
            connection.request("/small/100")
        with crowd(go.port, "/sse/300/50", 40, seconds), crowd(go.port, "/small/900", 6, seconds, "--pause", 15), \
                crowd(go.port, "/sse/100/30", 4, seconds, "--reset"), crowd(go.port, "/small/400000", 2, seconds, "--pause", 200), \
                crowd(nginx.port, "/page.html", 4, seconds, "--pause", 20, "--fresh"), \
                crowd(nginx.port, "/large.bin", 2, seconds, "--pause", 300), \
                crowd(python.port, "/events/count=100/gap=100/jitter=1", 10, seconds), \
                crowd(python.port, "/wait/ms=1500", 5, seconds), \
                crowd(python.port, "/busy/ms=5", 6, seconds, "--pause", 40, "--ramp", 1) as client:
            client.results(seconds + 60)
        for connection in idle:
            connection.close()
