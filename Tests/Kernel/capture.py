# SPDX-License-Identifier: MIT
"""tcpdump as a witness: captures a port's packets, and answers when a byte of a connection was sent or acknowledged."""
import bisect
import collections
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time

from servers import die_with_parent
from tracer import require_command

NANOSECOND_PCAP = 0xA1B23C4D
LINKTYPE_EN10MB = 1  # what Linux captures on lo, too
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

Packet = collections.namedtuple("Packet", "at_ns source destination seq ack flags payload")


def parse_tcp(at_ns, source, destination, segment, length):
    source_port, destination_port, seq, ack, offset, flags = struct.unpack_from("!HHIIBB", segment)
    return Packet(at_ns, (source, source_port), (destination, destination_port), seq, ack, flags,
                  length - (offset >> 4) * 4)


def parse_frame(at_ns, frame):
    """A TCP packet of an Ethernet frame; None for anything else. Lengths come from IP: the frame is cut (snaplen)."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    packet = frame[14:]
    if kind == 0x0800 and packet[9] == socket.IPPROTO_TCP:
        header = (packet[0] & 15) * 4
        length = struct.unpack_from("!H", packet, 2)[0] - header
        addresses = [socket.inet_ntop(socket.AF_INET, packet[at:at + 4]) for at in (12, 16)]
    elif kind == 0x86DD and packet[6] == socket.IPPROTO_TCP:
        header = 40
        length = struct.unpack_from("!H", packet, 4)[0]
        addresses = [socket.inet_ntop(socket.AF_INET6, packet[at:at + 16]) for at in (8, 24)]
    else:
        return None
    return parse_tcp(at_ns, addresses[0], addresses[1], packet[header:], length)


def parse_pcap(data):
    magic, _, _, _, _, _, linktype = struct.unpack_from("<IHHiIII", data)
    assert magic == NANOSECOND_PCAP, "not a little-endian nanosecond pcap: %#x" % magic
    assert linktype == LINKTYPE_EN10MB, "link type %d" % linktype
    at, packets = 24, []
    while at + 16 <= len(data):
        seconds, fraction, kept, _ = struct.unpack_from("<IIII", data, at)
        packet = parse_frame(seconds * 10**9 + fraction, data[at + 16:at + 16 + kept])
        at += 16 + kept
        if packet:
            packets.append(packet)
    return packets


class Conversation:
    """One connection's packets. Offsets count the bytes of a direction from 0, so sequence numbers never wrap."""

    def __init__(self, client):
        self.client = client
        self.client_first = self.server_first = None
        self.requests, self.acknowledgements, self.responses = [], [], []

    def add(self, packet):
        if packet.flags & SYN:
            if packet.source == self.client:
                self.client_first = (packet.seq + 1) % 2**32
            else:
                self.server_first = (packet.seq + 1) % 2**32
            return
        if packet.flags & RST or self.client_first is None or self.server_first is None:
            return
        if packet.source == self.client:
            start = (packet.seq - self.client_first) % 2**32
            if packet.payload:
                self.requests.append((start + packet.payload, packet.at_ns))
            self.acknowledgements.append(((packet.ack - self.server_first) % 2**32, packet.at_ns))
        elif packet.payload:
            start = (packet.seq - self.server_first) % 2**32
            self.responses.append((start + packet.payload, packet.at_ns))

    @staticmethod
    def first_beyond(marks, offset):
        """When the byte before `offset` was first covered. Marks are in the order of time; a repeat covers nothing new."""
        reached, covered = [], 0
        for end, at_ns in marks:
            if end > covered:
                covered = end
                reached.append((end, at_ns))
        found = bisect.bisect_left(reached, (offset, 0))
        return reached[found][1] if found < len(reached) else None

    def request_at(self, offset):
        """The segment with the request byte at `offset` reached the server."""
        return self.first_beyond(self.requests, offset + 1)

    def acknowledged_at(self, end):
        """The first ACK that covers all response bytes before `end`."""
        return self.first_beyond(self.acknowledgements, end)

    def transmitted_at(self, end):
        return self.first_beyond(self.responses, end)


class Capture:
    """`with Capture("lo", port) as capture:` is capturing when the body begins; capture.stop() gives the packets."""

    def __init__(self, device, port, prefix=()):
        require_command("tcpdump")
        self.port = port
        self.directory = tempfile.TemporaryDirectory(prefix="tailrace-pcap-")
        self.file = os.path.join(self.directory.name, "packets")
        # -Z root: it would give up its rights before it opens the file. Without --immediate-mode and -U the last packets
        # stay in a buffer at SIGINT.
        self.command = [*prefix, "tcpdump", "-i", device, "-n", "-Z", "root", "-s", "128", "-B", "32768",
                        "--time-stamp-precision=nano", "--immediate-mode", "-U", "-w", self.file, "tcp port %d" % port]
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        preexec_fn=die_with_parent)
        line = b""
        while b"listening on" not in line:
            line = self.process.stderr.readline()
            if not line:
                self.__exit__()
                raise AssertionError("tcpdump did not start")
        return self

    def stop(self):
        time.sleep(1.5)  # what it has not read from its ring at SIGINT is lost
        self.process.send_signal(signal.SIGINT)
        summary = self.process.stderr.read().decode()
        self.process.wait(10)
        dropped = re.search(r"(\d+) packets dropped by kernel", summary)
        assert dropped and dropped.group(1) == "0", "the capture itself lost packets: " + summary
        with open(self.file, "rb") as file:
            return parse_pcap(file.read())

    def conversations(self):
        """By (address, port) of the client."""
        found = {}
        for packet in self.stop():
            client = packet.source if packet.destination[1] == self.port else packet.destination
            if packet.flags & SYN and not packet.flags & ACK:
                found[client] = Conversation(client)
            if client in found:
                found[client].add(packet)
        return found

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
            self.process.stderr.close()
        self.directory.cleanup()
