# SPDX-License-Identifier: MIT
"""
Every way to send: whatever a server calls, bytes and flushes are those that the program, the kernel and the peer count.

The matrix: send calls, blocking or with poll() or epoll(), IPv4 and IPv6, each cell a connection of its own with one response;
all cells of a test at once in one traced run.
"""
import os
import socket

from namespaces import SERVER_ADDRESS, Namespaces, run
from send_calls import HOSTS, MODES, MPTCP, SHARED, UNREAD, WAITED, WAYS, Cell, Clients, SendCalls, compare, target
from servers import wait_acknowledged, wait_closed
from tracer import Skip, Tracer, remote, require_command, require_steady, require_tailrace

LOSS = """
table inet loss {
    chain input { type filter hook input priority 0; meta l4proto tcp numgen random mod 100 < 3 drop; }
}
"""


def cells(ways, modes=MODES, hosts=HOSTS, total=400_000, call=30_000, sndbuf=0, rate=0, times=1):
    return times * [Cell(way, mode, host, total, call, sndbuf, rate) for way in ways for mode in modes for host in hosts]


def matrix(wanted, *options, of_process=False, checks_heads=False):
    """The traced run of these cells, and that nothing in them differs."""
    require_tailrace()
    with SendCalls() as server:
        chosen = ["--pid", str(server.pid)] if of_process else []
        with Tracer(server.port, *chosen, *options) as tracer:
            clients = Clients(wanted, server.port)
            read = clients.wait()
            wait_acknowledged(server.port)
            clients.leave()
            wait_closed(server.port)
            report = tracer.stop()
        records = server.log(len(wanted))
    found = compare(report, records, read)
    text = "%d differences in %d cells: %s" % (len(found), len(wanted), "; ".join(found[:6]))
    if "TAILRACE_VM" in os.environ:  # a starved guest says little of who waited for what, and preempts programs for long
        require_steady(not found or not (report.loss["missed"] or all(WAITED in each for each in found)), text)
    assert not found, text
    lost = {name: count for name, count in report.loss.items() if count and name != "missed"}
    assert not lost, "loss: %s" % lost
    unread = report.objects[-1]["events"]["heads_unread"]
    expected = sum(cell.way in UNREAD for cell in wanted)
    assert not checks_heads or unread == expected, "%d heads unread, %d could not be read" % (unread, expected)
    return "%d cells, %d send calls, %d estimated, %d hooks missed" % (
        len(wanted), sum(record["kernel_calls"] for record in records.values()),
        sum(response["estimated"] for response in report.responses), report.loss["missed"])


def test_every_way_to_send_to_a_slow_reader():
    return matrix(cells(WAYS, sndbuf=32_768, rate=300_000))


def test_every_way_to_send_large_calls():
    return matrix(cells(WAYS, total=1_200_000, call=200_000), checks_heads=True)


def test_every_way_to_send_small_calls():
    return matrix(cells(WAYS, total=300_000, call=700), checks_heads=True)


def test_every_way_to_send_tells_each_flush():
    return matrix(cells(WAYS, modes=("block",), total=200_000, call=5_000), "--flushes")


def test_writers_that_come_between_each_other():
    """Small calls, little room, a reader that is not much slower: hundreds of calls give the socket away to another one."""
    return matrix(cells(SHARED[:2], total=1_500_000, call=5_000, sndbuf=20_000, rate=1_500_000, times=3)
                  + cells(SHARED[:2], total=2_000_000, call=500, times=2))


def test_a_targets_connection_counts_what_other_processes_send():
    return matrix(cells(("write", *SHARED), total=400_000, call=9_000, sndbuf=32_768, rate=600_000), of_process=True)


def test_a_client_that_resets_leaves_what_was_handed_over():
    """Its server is inside a call, or waits for room: what the kernel took of the response counts, and nothing else."""
    require_tailrace()
    wanted = cells(WAYS, modes=("block", "poll"), total=4_000_000, call=30_000, sndbuf=32_768, rate=400_000)
    with SendCalls() as server, Tracer(server.port) as tracer:
        clients = Clients(wanted, server.port, reset_at=80_000)
        read = clients.wait()
        clients.leave()
        wait_closed(server.port)
        report = tracer.stop()
        records = server.log(len(wanted))
    told = {remote(item): (item["response_bytes"], item["flushes"], item["ended_by"]) for item in report.responses}
    found = []
    for cell, client, _ in read:
        true = (records[client]["bytes"], records[client]["kernel_calls"], "client_reset")
        if told.get(client) != true:
            found.append("%s: %s, not %s" % (target(cell), told.get(client), true))
    assert not found and len(told) == len(wanted), "%d differences in %d: %s" % (len(found), len(wanted), "; ".join(found[:6]))
    return "%d cells, %d bytes" % (len(wanted), sum(record["bytes"] for record in records.values()))


def retransmitted(link):
    """The kernel's own count of the server's namespace: TcpRetransSegs of nstat."""
    names, values = (line.split() for line in run(*link.server, "cat", "/proc/net/snmp").splitlines()
                     if line.startswith("Tcp:"))
    return int(values[names.index("RetransSegs")])


def drop_packets(link):
    """3 % of what arrives, on both sides."""
    require_command("nft")
    for side in (link.server, link.client):
        try:
            run(*side, "nft", LOSS)
        except Exception as error:
            raise Skip("no random loss here: %s" % getattr(error, "stderr", error)) from None


def test_retransmits_of_all_responses_are_those_of_the_kernel():
    """Response by response those of its socket (TCP_INFO), and their sum TcpRetransSegs of the server's namespace."""
    require_tailrace()
    wanted = cells(WAYS, modes=("block", "poll"), hosts=(SERVER_ADDRESS,), total=200_000, call=9_000, times=2)
    with Namespaces() as link:
        drop_packets(link)
        with SendCalls(prefix=link.server) as server, Tracer(server.port) as tracer:
            clients = Clients(wanted, server.port, namespace=link.client_name)
            read = clients.wait()
            wait_acknowledged(server.port, prefix=link.server, seconds=20)
            kernel = retransmitted(link)  # before any FIN, which is sent again too and belongs to no response
            clients.leave()
            wait_closed(server.port, prefix=link.server, seconds=20)
            report = tracer.stop()
            records = server.log(len(wanted))
    require_steady(kernel >= 20, "only %d segments were sent again" % kernel)
    found = compare(report, records, read)
    assert not found, "%d differences in %d cells: %s" % (len(found), len(wanted), "; ".join(found[:6]))
    told = {remote(response): response["socket"]["retransmits"] for response in report.responses}
    true = {client: record["acknowledged"]["total_retrans"] for client, record in records.items()}
    assert told == true, "by socket: %s" % [
        (records[client]["way"], told[client], true[client]) for client in true if told[client] != true[client]]
    assert sum(told.values()) == kernel, "%d retransmits, the kernel counted %d" % (sum(told.values()), kernel)
    return "%d segments of %d responses sent again" % (kernel, len(told))


def test_mptcp_is_counted_where_it_cannot_be_traced():
    """A server that listens for MPTCP: a client that speaks it is not traced, and said so; a plain one is as ever."""
    require_tailrace()
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP).close()
    except OSError as error:
        raise Skip("no MPTCP here: %s" % error) from None
    wanted = cells(("write", "sendfile", "http"), modes=("block",), total=100_000)
    with SendCalls("mptcp") as server, Tracer(server.port) as tracer:
        plain, multi = Clients(wanted, server.port), Clients(wanted, server.port, protocol=MPTCP)
        read = plain.wait()
        multi.wait()
        plain.leave()
        multi.leave()
        wait_closed(server.port)
        report = tracer.stop()
        found = compare(report, server.log(2 * len(wanted)), read)
    assert not found, "; ".join(found)
    assert len(report.responses) == len(wanted), "%d responses of %d plain connections" % (
        len(report.responses), len(wanted))
    assert report.loss["untracked_mptcp"] == len(wanted), report.loss
    assert b"%d untracked (MPTCP)" % len(wanted) in report.errors, report.errors
    return "%d traced, %d untracked" % (len(report.responses), report.loss["untracked_mptcp"])
