# SPDX-License-Identifier: MIT
"""What is injected is what is measured, on every kernel and by every backend: a delay, a rate, a loss, a disorder, a sleep."""
import socket
import threading
import time

from hooked import reports_of, traced
from load_client import Connection
from namespaces import SERVER_ADDRESS, Namespaces, Switched, run
from send_calls import enter
from servers import Client, TruthServer, wait_acknowledged
from test_server_time import own_time_ns
from tracer import Skip, cause, require_steady, stage, timeline_text
from truth import pairs

DELAY_NS = 20_000_000
RATE = 250_000  # 2 Mbit/s


def impair(place, device, *words):
    """What leaves by this device goes through netem first."""
    try:
        run(*place, "tc", "qdisc", "replace", "dev", device, "root", "netem", *words, "limit", "10000")
    except Exception as error:
        raise Skip("no netem here: %s" % getattr(error, "stderr", error)) from None


def connected(link, port, count):
    """Connections from the client's namespace; their sockets stay there."""
    opened = []

    def connect():
        enter(link.client_name)
        opened.extend(Connection(SERVER_ADDRESS, port, quick_ack=True).open() for _ in range(count))

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    assert len(opened) == count, "the rig: %d of %d connections" % (len(opened), count)
    return opened


def ask_all(connections, target):
    threads = [threading.Thread(target=connection.request, args=(target,)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def retransmitted(link):
    """nstat's TcpRetransSegs of the server's namespace."""
    for line in run(*link.server, "nstat", "-asz", "TcpRetransSegs").splitlines():
        if line.startswith("TcpRetransSegs"):
            return int(line.split()[1])
    raise AssertionError("nstat does not know TcpRetransSegs")


def test_a_delay_of_20_ms_in_netem_is_qdisc():
    """The kernel's timers are never early; how late they are is the guest's affair."""
    with Namespaces() as link, TruthServer("--host", SERVER_ADDRESS, prefix=link.server) as server:
        impair(link.server, "way", "delay", "20ms")
        with traced(server.port) as tracers:
            connection, = connected(link, server.port, 1)
            for _ in range(25):
                connection.request("/length/1x700")
            wait_acknowledged(server.port, prefix=link.server)
            reports = reports_of(tracers)
        connection.close()
    middles = []
    for name, report in reports.items():
        assert len(report.ended) == 25, "%s: %d responses" % (name, len(report.ended))
        delays = sorted(response["delivery_ns"]["qdisc"]["max"] for response in report.ended)  # of its one flush, from hand-over on
        text = "%s: qdisc %.3f to %.3f ms; %s" % (name, delays[0] / 1e6, delays[-1] / 1e6, timeline_text(report.ended[-1]))
        assert delays[0] >= DELAY_NS, "less than was injected: " + text
        require_steady(delays[12] < 2 * DELAY_NS, "timers are late: " + text)
        rest = sorted(response["duration_ns"] - stage(response, "qdisc", "app", "read", "accept", "send") for response in report.ended)
        assert rest[12] < DELAY_NS / 2, "it is in another stage too: " + text
        middles.append("%s median %.3f ms" % (name, delays[12] / 1e6))
    return "; ".join(middles)


def read_slowly(target, held_stage, *options):
    """The reader's own log of its reads says how long the server's bytes had to wait."""
    with TruthServer(*options) as server, traced(server.port) as tracers:
        with Client("slow_reader.py", "--port", server.port, "--target", target, "--rate", RATE) as client:
            read = client.results(timeout=100)[0]
        wait_acknowledged(server.port, seconds=20)
        reports = reports_of(tracers)
    require_steady(abs(read["rate"] / RATE - 1) < 0.1, "the reader took %.0f bytes/s" % read["rate"])
    took = read["last_ns"] - read["first_ns"]
    for name, report in reports.items():
        response, = report.ended
        text = "%s: %s; the reader took %.1f ms" % (name, timeline_text(response), took / 1e6)
        held = stage(response, "blocked", "queue")
        assert response["response_bytes"] == read["bytes"], "%d bytes, the reader got %d" % (response["response_bytes"], read["bytes"])
        assert abs(held - took) < 0.2 * took, "not the reader's time: " + text
        assert cause(response, "peer_window") >= 0.8 * held, "peer_window below 80 %: " + text
        assert stage(response, held_stage) >= 0.6 * held, held_stage + " is not the main one: " + text
    return text


def test_a_reader_of_2_mbit_is_queue_where_the_buffer_takes_all():
    return read_slowly("/length/1x600000", "queue")


def test_a_reader_of_2_mbit_is_blocked_where_the_buffer_is_small():
    return read_slowly("/length/30x20000", "blocked", "--sndbuf", 65536)


def with_loss(link, place, device, *delay):
    """{backend: responses} with 3 % of the packets lost at that device; together they have the retransmits that nstat has."""
    with link, TruthServer("--host", SERVER_ADDRESS, prefix=link.server) as server:
        with traced(server.port) as tracers:
            connections = connected(link, server.port, 80)
            impair(place, device, *delay, "loss", "3%")  # no sooner: a connection whose handshake lost something begins with a window of one
            ask_all(connections, "/length/1x12000")
            wait_acknowledged(server.port, prefix=link.server, seconds=20)
            kernel = retransmitted(link)  # before any FIN, which is sent again too and belongs to no response
            reports = reports_of(tracers)
        for connection in connections:
            connection.close()
    require_steady(kernel >= 5, "only %d segments were sent again" % kernel)
    for name, report in reports.items():
        told = [response["socket"]["retransmits"] for response in report.ended]
        assert len(told) == 80 and sum(told) == kernel, "%s: %d retransmits of %d responses, nstat has %d" % (
            name, sum(told), len(told), kernel)
    return {name: report.ended for name, report in reports.items()}


def test_loss_of_3_percent_on_the_way_is_network_and_the_retransmits_are_nstats():
    """Whoever lost a segment waits for it once more: twice the way's 40 ms at least, and all of it is network."""
    link = Switched()
    for name, responses in with_loss(link, link.switch, "client", "delay", "40ms").items():
        lost = [response for response in responses if response["socket"]["retransmits"]]
        again = [response for response in lost if stage(response, "network") >= 78_000_000]
        for response in responses:
            rest = response["duration_ns"] - stage(response, "app", "read", "accept", "send")
            assert stage(response, "network") >= max(40_000_000, 0.7 * rest), "%s: %s" % (name, timeline_text(response))
        assert len(again) >= 0.8 * len(lost), "%s: %d of %d; one is %s" % (name, len(again), len(lost), timeline_text(lost[0]))
    return "%d segments sent again, of %d responses" % (sum(response["socket"]["retransmits"] for response in lost), len(lost))


def test_loss_of_3_percent_in_the_servers_own_qdisc_is_qdisc_or_network():
    """
    What the device's own queue drops was never transmitted: until it comes again, its time is that queue's. The backend
    `tracepoint` reads the hand-over from the packet that is transmitted, which is the second one: it was in TCP until then.
    """
    link, count = Namespaces(), 0
    for name, responses in with_loss(link, link.server, "way").items():
        lost = [response for response in responses if response["socket"]["retransmits"] and response["duration_ns"] > 200_000_000]
        for response in lost:
            rest = response["duration_ns"] - stage(response, "app", "read", "accept", "send")
            held = stage(response, "qdisc", "network", *(["queue"] if name == "tracepoint" else []))
            assert held >= 0.7 * rest, "%s: %s" % (name, timeline_text(response))
            count += 1
    return "%d responses waited for a timer" % count


def test_a_token_bucket_is_qdisc():
    """1 Mbit/s: a response stands behind those before it, and each fits its connection's first window, so that TCP holds back nothing."""
    count, size = 8, 12_000
    with Namespaces() as link, TruthServer("--host", SERVER_ADDRESS, prefix=link.server) as server:
        with traced(server.port) as tracers:
            connections = connected(link, server.port, count)
            link.limit("1mbit", burst="3kb")
            ask_all(connections, "/length/1x%d" % size)
            wait_acknowledged(server.port, prefix=link.server, seconds=20)
            dropped = link.queue_statistics()[1]
            reports = reports_of(tracers)
        for connection in connections:
            connection.close()
    require_steady(not dropped, "the bucket dropped %d packets" % dropped)
    for name, report in reports.items():
        slowest = max(report.ended, key=lambda response: stage(response, "qdisc"))
        text = "%s: %s" % (name, timeline_text(slowest))
        at_device = stage(slowest, "qdisc") + cause(slowest, "qdisc")
        assert 0.7 <= at_device * 1e-9 / (count * size * 8 / 1e6) <= 1.3, "not what the bucket needs for all of them: " + text
        rest = slowest["duration_ns"] - stage(slowest, "app", "read", "accept", "send")
        assert at_device >= 0.8 * rest, "it is in another stage too: " + text
    return text


def test_packets_in_disorder_cost_no_byte():
    with Namespaces() as link, TruthServer("--host", SERVER_ADDRESS, prefix=link.server) as server:
        impair(link.server, "way", "delay", "10ms", "reorder", "30%", "50%")
        with traced(server.port) as tracers:
            connections = connected(link, server.port, 6)
            for _ in range(3):
                ask_all(connections, "/length/10x20000")
            wait_acknowledged(server.port, prefix=link.server, seconds=20)
            kernel = retransmitted(link)
            reports = reports_of(tracers)
            for connection in connections:
                connection.close()
        records = server.log()
    for name, report in reports.items():
        for response, record in pairs(report.ended, records):
            assert response["response_bytes"] == record["response_bytes"], "%s: %d bytes, the server sent %d" % (
                name, response["response_bytes"], record["response_bytes"])
        told = sum(response["socket"]["retransmits"] for response in report.ended)
        assert told == kernel, "%s: %d retransmits, nstat has %d" % (name, told, kernel)
    return "%d responses, %d segments sent again" % (len(records), kernel)


def test_a_sleeping_server_is_app():
    with TruthServer() as server, traced(server.port) as tracers:
        connection = Connection("::1", server.port, quick_ack=True)
        for _ in range(4):
            connection.request("/length/1x2000/sleep=300")
        wait_acknowledged(server.port)
        reports = reports_of(tracers)
        connection.close()
        records = server.log()
    worst = 0
    for name, report in reports.items():
        for response, record in pairs(report.ended, records):
            app, own = stage(response, "app"), own_time_ns(record)
            require_steady(own < 400_000_000, "the server slept %.1f ms" % (own / 1e6))
            assert app >= 300_000_000, "%s: less than the sleep: %s" % (name, timeline_text(response))
            assert abs(app - own) < 15_000_000, "%s: the server's own clock says %.2f ms: %s" % (
                name, own / 1e6, timeline_text(response))
            worst = max(worst, abs(app - own))
    return "within %.3f ms of the server's own clock" % (worst / 1e6)


def late_exchange(listener, accepts_late):
    """One request that waits 100 ms for the server: in the listener's queue, or in the connection's own. Nanoseconds that it waited."""
    request, answer = b"GET / HTTP/1.1\r\nHost: late\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with socket.create_connection(listener.getsockname()) as client:
        accepted = None if accepts_late else listener.accept()[0]
        begin = time.monotonic_ns()
        client.sendall(request)
        asked = time.monotonic_ns()
        time.sleep(0.1)
        before = time.monotonic_ns()
        with accepted or listener.accept()[0] as server:
            assert server.recv(1000) == request, "the rig: the request came in pieces"
            read = time.monotonic_ns()
            server.sendall(answer)
            assert client.recv(1000) == answer, "the rig: the answer came in pieces"
            wait_acknowledged(listener.getsockname()[1])
    return before - asked, read - begin


def test_a_late_accept_is_accept_and_a_late_read_is_read():
    with socket.create_server(("127.0.0.1", 0)) as listener, traced(listener.getsockname()[1]) as tracers:
        waits = {"accept": late_exchange(listener, True), "read": late_exchange(listener, False)}
        reports = reports_of(tracers)
    for name, report in reports.items():
        for response, (waited, (least, most)) in zip(sorted(report.ended, key=lambda response: response["begin"]), waits.items()):
            text = "%s: %s; the request waited %.2f-%.2f ms" % (name, timeline_text(response), least / 1e6, most / 1e6)
            # `accept` begins with the connection, a little before its request.
            assert least <= stage(response, waited) <= most + (15_000_000 if waited == "accept" else 0), waited + ": " + text
            other, = set(waits) - {waited}
            assert stage(response, other) < 0.2 * least, "%s: it is in %s too: %s" % (waited, other, text)
    return text
