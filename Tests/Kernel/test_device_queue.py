# SPDX-License-Identifier: MIT
"""A device that is slower than its server: a token bucket of 8 Mbit/s on a veth pair in namespaces of our own."""
import re
import time

from namespaces import SERVER_ADDRESS, Namespaces
from servers import Client, TruthServer, wait_acknowledged
from tracer import Tracer, cause, require_steady, require_tailrace, stage, timeline_text
from truth import mean, pairs

RATE = "8mbit"


class Watch:
    """What tc and ss saw while the clients ran."""

    def __init__(self, link, port):
        self.link, self.port = link, port
        self.backlogs, self.sockets, self.dropped = [], [], 0

    def until_done(self, client):
        while client.process.poll() is None:
            backlog, self.dropped = self.link.queue_statistics()
            self.backlogs.append(backlog)
            self.sockets += self.link.socket_statistics(self.port)
            time.sleep(0.04)

    def held_back(self):
        """Of the samples with unsent bytes: the share in which neither the congestion window nor the peer's was full."""
        free = held = 0
        for line in self.sockets:
            value = {name: int(number) for name, number in re.findall(r"\b(cwnd|unacked|notsent|mss|snd_wnd):(\d+)", line)}
            if value.get("notsent"):
                held += 1
                unacked = value.get("unacked", 0)
                free += unacked < value["cwnd"] and (unacked + 1) * value["mss"] <= value["snd_wnd"]
        return free / held if held else 0.0


def over_the_slow_link(target, connections, *server_options):
    require_tailrace()
    with Namespaces() as link:
        link.limit(RATE)
        with TruthServer("--host", SERVER_ADDRESS, *server_options, prefix=link.server) as server, \
                Tracer(server.port) as tracer:
            watch = Watch(link, server.port)
            with Client("load_client.py", "--host", SERVER_ADDRESS, "--port", server.port, "--target", target,
                        "--connections", connections, prefix=link.client) as client:
                watch.until_done(client)
                client.results()
            wait_acknowledged(server.port, prefix=link.server)
            report = tracer.stop()
            found = pairs(report.ended, server.log())
    assert len(found) == connections, "%d responses of %d" % (len(found), connections)
    require_steady(watch.dropped == 0, "the queue dropped %d packets" % watch.dropped)
    return found, watch


def device_share(responses):
    """The share of all the responses' time that waited for the device: in its queue, or in TCP because of it."""
    waited = sum(stage(response, "qdisc") + cause(response, "qdisc") for response in responses)
    return waited / sum(response["duration_ns"] for response in responses)


def check_burst(found, watch):
    responses = [response for response, _ in found]
    slowest = max(responses, key=lambda response: response["duration_ns"])
    text = "backlog up to %d bytes; slowest %s" % (max(watch.backlogs), timeline_text(slowest))
    # Witness of the rig: each response fits the first window, so TCP hands all of it to the device at once.
    unsent = mean(record["sends"][-1]["unsent_bytes"] for _, record in found)
    require_steady(unsent < 6000, "TCP kept %d bytes to itself" % unsent)
    require_steady(max(watch.backlogs) > 80_000, "the queue never filled: " + text)
    share = device_share(responses)
    assert share >= 0.7, "qdisc + cause qdisc %.0f %%: %s" % (100 * share, text)
    # The mean response stands behind half of the others: about 100 ms where all requests come at once.
    queued = mean(stage(response, "qdisc") for response in responses)
    expected = mean(response["duration_ns"] for response in responses)
    assert queued >= 0.7 * expected, "qdisc %.1f of %.1f ms (mean): %s" % (queued / 1e6, expected / 1e6, text)
    assert queued >= 30_000_000, "qdisc only %.1f ms (mean): %s" % (queued / 1e6, text)
    assert stage(slowest, "qdisc") >= 0.8 * slowest["duration_ns"], "the last in the queue: " + text
    return "%.0f %% at the device, %s" % (100 * share, text)


def test_a_burst_of_small_responses_waits_in_the_qdisc():
    return check_burst(*over_the_slow_link("/length/1x12000", 16))


def test_a_burst_of_small_responses_waits_in_the_qdisc_with_cubic():
    return check_burst(*over_the_slow_link("/length/1x12000", 16, "--congestion", "cubic"))


def test_what_tcp_holds_back_for_the_device_is_caused_by_the_qdisc():
    """
    Reno without loss never leaves slow start: its window is always larger than what TCP's small queue limit (TSQ) lets it
    give to the device. So the bytes wait in TCP, and ss shows both windows open while they do.
    """
    found, watch = over_the_slow_link("/length/1x1000000", 1, "--congestion", "reno")
    response = found[0][0]
    text = "%.0f %% of the samples held back; %s" % (100 * watch.held_back(), timeline_text(response))
    require_steady(watch.held_back() >= 0.8, "TCP was not held back for the device: " + text)
    held = stage(response, "blocked", "queue")
    assert held >= 0.7 * response["duration_ns"], "the bytes waited in TCP: " + text
    assert device_share([response]) >= 0.7, "qdisc + cause qdisc below 70 %: " + text
    return text
