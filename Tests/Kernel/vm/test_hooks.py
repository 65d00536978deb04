# SPDX-License-Identifier: MIT
"""The functions that the send path is measured at are really hooked, and called as often as the kernel's own probes count."""
import collections
import json

from kernel_trace import OF_PACKET, OF_SOCKET, KernelTrace, hooked_functions
from load_client import Connection
from servers import Client, TruthServer, wait_acknowledged
from tracer import Tracer, require_steady

WRAPPER = "ip_queue_xmit"  # of __ip_queue_xmit, which is the one that is hooked: others call it too
COUNTED = ("tcp_sendmsg", "tcp_write_xmit", "__tcp_transmit_skb", WRAPPER, "__ip_queue_xmit", "inet6_csk_xmit", "dev_hard_start_xmit",
           "tcp_ack", "sk_stream_wait_memory")
CONNECTIONS = 3


def probes(port):
    of = {"dev_hard_start_xmit": OF_PACKET}
    return {"at_" + name: ("p %s %s" % (name, of.get(name, OF_SOCKET)), "port == %d" % port) for name in COUNTED}


def load(server):
    """Two connections that stay, with many responses, and one that reads slowly; nobody closes before all is counted."""
    connections = [Connection(host, server.port, quick_ack=True) for host in ("127.0.0.1", "::1")]
    for connection in connections:
        for _ in range(10):
            connection.request("/chunked/4x5000")
    with Client("slow_reader.py", "--port", server.port, "--target", "/length/10x40000", "--rate", 300_000) as client:
        client.results(timeout=100)
    wait_acknowledged(server.port, seconds=20)
    return connections


def test_every_function_of_the_send_path_is_hooked_and_counted_as_the_kernel_counts():
    options = ("--functions", "--format", "json")
    with TruthServer("--sndbuf", 65536) as server:
        with KernelTrace(probes(server.port)) as trace, Tracer(server.port, *options, command="report", json_lines=False) as tracer:
            trace.on()
            hooked = hooked_functions()
            connections = load(server)
            kernel = collections.Counter(event.name[len("at_"):] for event in trace.events())
            tracer.end()
            report = json.loads(tracer.output())
            for connection in connections:
                connection.close()
        sends = sum(len(record["sends"]) for record in server.log())
    wanted = set(COUNTED) - {WRAPPER}
    assert wanted <= hooked, "not hooked, says ftrace: %s" % sorted(wanted - hooked)
    ours = {item["name"]: item["time_ns"]["count"] for item in report["functions"]}
    text = ", ".join("%s %d (kernel %d)" % (name, ours.get(name, 0), kernel[name]) for name in COUNTED)
    assert kernel["tcp_sendmsg"] == sends, "the rig: %d send calls: %s" % (sends, text)
    assert ours["tcp_sendmsg"] == sends, "%d send calls: %s" % (sends, text)
    assert kernel[WRAPPER] == kernel["__" + WRAPPER], "another way to IP: " + text
    # Before ESTABLISHED a connection is nobody's yet: the ACK of its handshake, and the packet that answers the SYN. The slow
    # reader's closed.
    for name in wanted:
        beyond = kernel[name] - ours.get(name, 0)
        require_steady(beyond >= 0, "the kernel's own probes missed some: " + text)
        require_steady(beyond <= 2 * CONNECTIONS, "%s is called more often than was counted: %s" % (name, text))
    return text
