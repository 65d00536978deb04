# SPDX-License-Identifier: MIT
"""Faults of the way: a slow device, loss, a path that ends."""
import subprocess
import time

from load_client import Connection
from namespaces import SERVER_ADDRESS, Namespaces, Switched
from scenario import Expected, crowd, faulty, scenario, short
from servers import Client
from tracer import Skip, require_command

HELD = ("queue-pressure", "blocked-writers")


def drop(link, percent):
    """Packets are lost on their way to the client. (What the server's own host dropped, TCP would only try again.)"""
    require_command("nft")
    rules = "table inet loss { chain in { type filter hook prerouting priority -300; tcp sport != 0 %s drop; }; }" % (
        "numgen random mod 100 < %d" % percent if percent < 100 else "")
    done = subprocess.run([*link.client, "nft", rules], capture_output=True, text=True)
    if done.returncode:
        raise Skip("nft cannot drop at random here: " + done.stderr.strip())


def slow_down(link, rate, queue="4mb"):
    """The switch's way to the client, and not the server's own device."""
    done = subprocess.run([*link.switch, "tc", "qdisc", "replace", "dev", "client", "root", "tbf", "rate", rate, "burst", "16kb",
                           "limit", queue], capture_output=True, text=True)
    if done.returncode:
        raise Skip("no tbf here: " + done.stderr.strip())


def served(link, *options):
    return faulty("--host", SERVER_ADDRESS, *options, prefix=link.server)


@short
@scenario(Expected({"qdisc-pressure": {"qdisc_mean_ns": lambda value: value > 20_000_000}}, HELD, within_s=6))
def bursts_of_small_responses_at_a_slow_device(scene):
    with Namespaces() as link, served(link) as server, scene.traced(server):
        link.limit("8mbit")
        scene.plant()
        with Client("crowd_client.py", "--host", SERVER_ADDRESS, "--port", server.port, "--target", "/body/count=1/size=12000",
                    "--clients", 16, "--seconds", 6, prefix=link.client) as client:
            client.results()


@scenario(Expected({"qdisc-pressure": {}}, HELD + ("congested-path",), within_s=6))
def tcp_holds_back_for_a_slow_device(scene):
    """Reno without loss: the window grows beyond what TCP's small queue limit lets it give to the device."""
    with Namespaces() as link, served(link, "--congestion", "reno") as server, scene.traced(server):
        link.limit("4mbit")
        scene.plant()
        with Client("crowd_client.py", "--host", SERVER_ADDRESS, "--port", server.port, "--target", "/body/count=80/size=65536",
                    "--clients", 3, "--seconds", 7, prefix=link.client):
            time.sleep(7)


@scenario(Expected({"congested-path": {"srtt_ns": lambda value: value > 200_000_000}}, HELD + ("stalled-stream",), within_s=6))
def a_deep_queue_on_the_way(scene):
    """A bloated buffer: 16 Mbit/s behind a queue of 4 MB, and a sender that only slows down when something is lost."""
    with Switched() as link, served(link, "--congestion", "cubic") as server, scene.traced(server):
        with Client("crowd_client.py", "--host", SERVER_ADDRESS, "--port", server.port, "--target",
                    "/body/count=3000/size=16384", "--clients", 2, "--seconds", 9, "--pause", 200, prefix=link.client):
            time.sleep(1)
            slow_down(link, "16mbit")
            scene.plant()
            time.sleep(7)


@short
@scenario(Expected({"congested-path": {"retransmits_per_look": lambda value: value >= 2}}, HELD + ("stalled-stream",), within_s=6))
def one_packet_in_eight_is_lost(scene):
    with Namespaces() as link, served(link, "--congestion", "reno") as server, scene.traced(server):
        with Client("crowd_client.py", "--host", SERVER_ADDRESS, "--port", server.port, "--target", "/body/count=3000/size=16384",
                    "--clients", 4, "--seconds", 9, prefix=link.client):
            time.sleep(1)
            drop(link, 12)
            scene.plant()
            time.sleep(7)


@scenario(Expected({"stalled-stream": {"cause": lambda value: value != "app"}}, HELD + ("congested-path",), within_s=8))
def a_client_is_unplugged_in_the_middle_of_its_stream(scene):
    with Namespaces() as link, served(link) as server, scene.traced(server):
        with Client("crowd_client.py", "--host", SERVER_ADDRESS, "--port", server.port, "--target",
                    "/events/count=2000/gap=50", "--clients", 1, "--seconds", 12, prefix=link.client):
            time.sleep(2)
            drop(link, 100)
            scene.plant()
            time.sleep(8)
