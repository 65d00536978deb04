# SPDX-License-Identifier: MIT
"""
The golden run: golden.json's scenario in a guest whose time is its count of instructions (a nanosecond each), so that every run
tells the same. Each stage is compared, to some microseconds, with what the kernel's own probes saw, and with what was injected.
"""
import json
import os
import pathlib
import socket
import threading
import time

from hooked import backends
from kernel_trace import OF_SOCKET, KernelTrace
from namespaces import SERVER_ADDRESS, Namespaces, run
from send_calls import enter
from servers import TruthServer, wait_acknowledged
from tracer import Skip, Tracer, stage, timeline_text
from verdicts import tell

SCENARIO = json.loads((pathlib.Path(__file__).parent / "golden.json").read_text())
SMALLEST = 250  # bytes: no packet of the client is as large, and of the server each that matters is


def kernel_trace(port):
    """Marks of a server's socket: arguments by their places in sk_buff.cb, which is tcp_skb_cb; ack_seq has moved (Linux 6.18)."""
    mine = "port == %d" % port
    probes = {
        "sends": ("p tcp_sendmsg " + OF_SOCKET, mine), "sent": ("r tcp_sendmsg", ""),
        "waits": ("p sk_stream_wait_memory " + OF_SOCKET, mine), "waited": ("r sk_stream_wait_memory", ""),
        "reads": ("p tcp_recvmsg " + OF_SOCKET, mine), "read": ("r tcp_recvmsg ret=$retval:s32", "ret > 0"),
        "hands_over": ("p __tcp_transmit_skb %s seq=+40(%%si):u32 end=+44(%%si):u32" % OF_SOCKET, mine),
        "acked": ("p tcp_ack %s ack=+56(%%si):u32 ack_later=+60(%%si):u32" % OF_SOCKET, mine),
    }
    points = dict.fromkeys(("net/net_dev_start_xmit", "net/net_dev_xmit"), 'name == "way" && len >= %d' % SMALLEST)
    return KernelTrace(probes, points)


def returns(events, entry, exit):
    """[entered, returned] of each call: the returns are everybody's, so it is the next of the same thread."""
    found = []
    for number, event in enumerate(events):
        if event.name == entry:
            back = next((other for other in events[number:] if other.name == exit and other.thread == event.thread), None)
            if back:
                found.append((event.at_us, back.at_us))
    return found


def stages_of(events):
    """The response's stages in microseconds, by the words of DESIGN section 3.1 and the kernel's own probes alone."""
    sends, waits, reads = (returns(events, *names) for names in (("sends", "sent"), ("waits", "waited"), ("reads", "read")))
    read = max(back for _, back in reads if back <= sends[0][0])
    blocked = sum(back - begin for begin, back in waits)
    app = sends[0][0] - read + sum(after[0] - before[1] for before, after in zip(sends, sends[1:]))
    handed = [event for event in events if event.name == "hands_over" and event.fields["seq"] != event.fields["end"]]
    last = handed[-1].fields["end"]  # no number wraps in so few bytes, and nothing is sent twice
    hand_over = next(event.at_us for event in handed if event.fields["end"] == last)
    acked = next(event.at_us for event in events if event.name == "acked" and last in event.fields.values())
    # Those before it may leave after it was handed over; none comes behind it.
    begun = [event for event in events if event.name == "net_dev_start_xmit" and hand_over <= event.at_us <= acked]
    assert begun, "the rig: the last packet is missing among %s" % [event[1:] for event in events][-20:]
    begun = begun[-1]
    done = next(event for event in events if event.name == "net_dev_xmit" and event.fields["skbaddr"] == begun.fields["skbaddr"]
                and event.at_us >= begun.at_us)
    found, since = {"app": app, "send": sum(back - begin for begin, back in sends) - blocked, "blocked": blocked}, sends[-1][1]
    for name, until in (("queue", hand_over), ("qdisc", begun.at_us), ("driver", done.at_us), ("network", acked)):
        found[name] = max(0, until - since)
        since = max(since, until)
    return found, begun.at_us - hand_over


def socket_of(link):
    """A socket of the client's namespace: it stays there, whoever uses it."""
    made = []

    def make():
        enter(link.client_name)
        made.append(socket.socket())

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


def play(connection, step, link, port):
    """The client's part: asks, does not read for a while, then takes everything; it stays connected."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if "receive_buffer" in step:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, step["receive_buffer"])
    connection.connect((SERVER_ADDRESS, port))
    connection.sendall(b"GET %s HTTP/1.1\r\nHost: scenario\r\n\r\n" % step["target"].encode())
    time.sleep(step.get("stall_ms", 0) / 1000)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    while not is_whole(connection, step):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    wait_acknowledged(port, prefix=link.server, seconds=20)


def is_whole(connection, step):
    """Takes a piece; then, is that a head and so many bytes?"""
    step["taken"] = step.get("taken", b"") + connection.recv(65536)
    count, size = step["target"].split("/")[2].split("x")
    return len(step["taken"].partition(b"\r\n\r\n")[2]) >= int(count) * int(size)


def check(step, backend, response, kernel, qdisc_us):
    """The kernel's own probes take their time too: it is in whatever the other side measures, once a call."""
    text = "%s, %s: %s; the kernel's own probes, us: %s" % (step["name"], backend, timeline_text(response), kernel)
    unknown = {"driver"} if backend == "tracepoint" else set()
    for name, true in kernel.items():
        if name in unknown:
            assert response["timeline_ns"][name] is None, "%s cannot be known: %s" % (name, text)
            continue
        told = stage(response, name, *unknown) if name != "network" else stage(response, name)
        true += kernel["driver"] if name == "network" and unknown else 0
        assert abs(told / 1000 - true) <= SCENARIO["within_us"] * response["flushes"], "%s is %.3f us, and was %d: %s" % (name, told / 1000, true, text)
    for name, (low, high) in step["expect_us"].items():
        if name not in unknown:
            assert low <= stage(response, name) / 1000 <= high, "%s is not in %d to %d us: %s" % (name, low, high, text)
    for name, (low, high) in step.get("delivery_us", {}).items():
        told = response["delivery_ns"][name]["max"] / 1000
        assert low <= told <= high and abs(told - qdisc_us) <= SCENARIO["within_us"], "delivery: %s %.3f us, the kernel %d: %s" % (
            name, told, qdisc_us, text)
    if "cause" in step:
        held = stage(response, "blocked", "queue")
        assert response["cause_ns"][step["cause"]] >= 0.9 * held, "not held by %s: %s" % (step["cause"], text)


def one_step(step, link, server, backend):
    with kernel_trace(server.port) as trace, Tracer(server.port, "--backend", backend) as tracer, socket_of(link) as connection:
        trace.on()
        play(connection, step, link, server.port)
        events = trace.events()
        report = tracer.stop()
    report.check_no_loss()
    response, = report.ended
    kernel, qdisc_us = stages_of(events)
    tell(golden=step["name"], backend=backend, response=response, kernel_us=kernel)
    check(step, backend, response, kernel, qdisc_us)


def test_every_stage_of_the_scenario_to_the_microsecond():
    if "TAILRACE_GOLDEN" not in os.environ:
        raise Skip("only in the guest whose time is counted in instructions")
    names = backends()
    with Namespaces() as link, TruthServer("--host", SERVER_ADDRESS, "--sndbuf", SCENARIO["sndbuf"], prefix=link.server) as server:
        run(*link.server, "tc", "qdisc", "replace", "dev", "way", "root", "netem", "delay", "%dms" % SCENARIO["delay_ms"])
        for backend in names:
            for step in SCENARIO["steps"]:
                one_step(dict(step), link, server, backend)
    return "%d steps, %s" % (len(SCENARIO["steps"]), " and ".join(names))


test_every_stage_of_the_scenario_to_the_microsecond.limit_s = 900
