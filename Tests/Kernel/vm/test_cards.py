# SPDX-License-Identifier: MIT
"""Two network cards with a real driver (virtio), wired to each other: the driver's time."""
import os
import re
import subprocess

from hooked import reports_of, traced
from namespaces import SERVER_ADDRESS, Namespaces, run
from servers import TruthServer, wait_acknowledged
from test_injected import ask_all, connected
from tracer import Skip
from truth import pairs


class Cards(Namespaces):
    """The namespaces of the server and of the client have a card each."""

    def build(self):
        devices = [name for name in sorted(os.listdir("/sys/class/net"))
                   if os.path.basename(os.path.realpath("/sys/class/net/%s/device/driver" % name)) == "virtio_net"]
        if len(devices) < 2:
            raise Skip("no two network cards here")
        for device, name in zip(devices, (self.server_name, self.client_name)):
            run("ip", "netns", "add", name)
            run("ip", "link", "set", device, "down")
            run("ip", "link", "set", device, "netns", name, "name", "way")
        self.devices = devices
        self.address()
        for place in (self.server, self.client):  # a driver that is given single packets has more to do
            run(*place, "ip", "link", "set", "way", "mtu", "1500")

    def requeued(self):
        """How often the driver refused a packet, which then came again: `tc -s`."""
        text = run(*self.server, "tc", "-s", "qdisc", "show", "dev", "way")
        return sum(int(number) for number in re.findall(r"requeues (\d+)\)", text))

    def __exit__(self, *_):
        for device, name in zip(self.devices, (self.server_name, self.client_name)):
            subprocess.run(["ip", "-n", name, "link", "set", "way", "netns", "1", "name", device], check=False, capture_output=True)
        super().__exit__()


def test_a_real_driver_has_its_time():
    with Cards() as link, TruthServer("--host", SERVER_ADDRESS, prefix=link.server) as server:
        with traced(server.port, "--flushes") as tracers:
            connections = connected(link, server.port, 4)
            ask_all(connections, "/length/20x60000")
            wait_acknowledged(server.port, prefix=link.server, seconds=20)
            requeued = link.requeued()
            reports = reports_of(tracers)
            for connection in connections:
                connection.close()
        records = server.log()
    texts = ["%d requeues" % requeued]
    for name, report in reports.items():
        for response, record in pairs(report.ended, records):
            assert response["response_bytes"] == record["response_bytes"], "%s: %d bytes, the server sent %d" % (
                name, response["response_bytes"], record["response_bytes"])
        flushes = [flush["delivery_ns"] for flush in report.of_type("flush")]
        known = [flush for flush in flushes if flush["driver"] is not None]
        if name == "tracepoint":
            assert not known and report.objects[0]["unavailable"]["driver"], "tracepoints do not mark the driver's return"
            continue
        assert len(known) >= 0.9 * len(flushes), "%s: the driver's time of %d flushes of %d" % (name, len(known), len(flushes))
        assert all(sum(flush[stage] for stage in ("send", "queue", "qdisc", "driver", "network")) == flush["total"]
                   for flush in known), "the stages of a flush are not its whole way"
        times = sorted(flush["driver"] for flush in known)
        assert times[len(times) // 2] > 0, "a driver without time"
        texts.append("%s: driver median %.1f us of %d flushes" % (name, times[len(times) // 2] / 1e3, len(known)))
    return "; ".join(texts)
