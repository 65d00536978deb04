# SPDX-License-Identifier: MIT
"""Where the time of a response goes that its reader holds up, and of one that nobody holds up."""
import time

from load_client import Connection
from servers import Client, Server, TruthServer, wait_acknowledged
from tracer import Tracer, cause, require_steady, require_tailrace, stage, timeline_text

RATE = 400_000
SIZE = 2_000_000


def slowly_read(server, target, rate=RATE):
    """The one response of a run whose reader takes that many bytes a second."""
    with Tracer(server.port) as tracer:
        with Client("slow_reader.py", "--port", server.port, "--target", target, "--rate", rate) as client:
            read = client.results()[0]
        wait_acknowledged(server.port)
        report = tracer.stop()
    require_steady(abs(read["rate"] / rate - 1) < 0.1, "the reader took %.0f bytes/s" % read["rate"])
    assert len(report.ended) == 1, "%d responses ended" % len(report.ended)
    response = report.ended[0]
    assert response["response_bytes"] == read["bytes"], "%d bytes, the reader got %d" % (
        response["response_bytes"], read["bytes"])
    # From the first byte that the reader took to the last: what the server's response cannot be faster than.
    seconds = (read["last_ns"] - read["first_ns"]) / 1e9
    assert abs(response["duration_ns"] / 1e9 - seconds) < 0.5, "%s, the reader took %.2f s" % (
        timeline_text(response), seconds)
    return response


def check_held_by_the_peer(response, main_stage):
    text = timeline_text(response)
    held = stage(response, "blocked", "queue")
    assert held >= 0.8 * response["duration_ns"], "blocked + queue below 80 %: " + text
    assert cause(response, "peer_window") >= 0.8 * held, "peer_window below 80 % of blocked + queue: " + text
    assert stage(response, main_stage) >= 0.5 * response["duration_ns"], main_stage + " below half: " + text
    return text


def test_slow_reader_of_a_whole_body_in_the_send_buffer_is_queue():
    """One send call hands over the body; the loopback's default send buffer (2.6 MB) takes it all."""
    require_tailrace()
    with TruthServer() as server:
        return check_held_by_the_peer(slowly_read(server, "/length/1x%d" % SIZE), "queue")


def test_slow_reader_of_a_blocking_server_is_blocked():
    """The same, with a send buffer that the body does not fit: the call itself waits."""
    require_tailrace()
    with TruthServer("--sndbuf", 65536) as server:
        return check_held_by_the_peer(slowly_read(server, "/length/1x%d" % SIZE), "blocked")


def test_slow_reader_of_a_blocking_server_of_many_writes_is_blocked():
    require_tailrace()
    with TruthServer("--sndbuf", 65536) as server:
        return check_held_by_the_peer(slowly_read(server, "/length/%dx16000" % (SIZE // 16000)), "blocked")


def stalled(server, target, held_stage):
    """An open response whose reader took the head and then nothing: seen at SIGINT, as it stands."""
    with Tracer(server.port) as tracer:
        connection = Connection("127.0.0.1", server.port).open()
        connection.send(target)
        connection.read_head()
        time.sleep(2)
        report = tracer.stop()
        connection.close()
    assert len(report.open) == 1 and not report.ended, "%d open, %d ended" % (len(report.open), len(report.ended))
    response = report.open[0]
    text = timeline_text(response)
    assert stage(response, held_stage) >= 0.9 * response["duration_ns"], held_stage + " below 90 %: " + text
    assert cause(response, "peer_window") >= 0.8 * stage(response, held_stage), "peer_window below 80 %: " + text
    pressure = response["socket"]
    assert pressure["unsent_bytes_max"] > 100_000, pressure
    assert pressure["oldest_unsent_ns_max"] > 1_500_000_000, pressure
    return text


def test_a_stalled_reader_of_a_blocking_server_is_blocked_while_it_is_open():
    require_tailrace()
    with TruthServer("--sndbuf", 65536) as server:
        return stalled(server, "/length/1x20000000", "blocked")


def test_a_stalled_reader_of_a_server_that_has_sent_all_is_queue_while_it_is_open():
    require_tailrace()
    with TruthServer() as server:
        return stalled(server, "/length/1x2000000", "queue")


def test_slow_reader_of_an_asyncio_server_is_blocked_or_queue():
    """Never a blocking call: EAGAIN, a wait for writability, another try. 5 MB do not fit the send buffer."""
    require_tailrace()
    with Server("sse_asyncio.py") as server:
        response = slowly_read(server, "/bulk/5000000", rate=700_000)
    text = check_held_by_the_peer(response, "queue")
    # Half of the body waits in user space for room at first: the reader must make room for it.
    assert stage(response, "blocked") >= 0.15 * response["duration_ns"], "blocked is missing: " + text
    return text


def test_fast_readers_are_neither_blocked_nor_queued():
    require_tailrace()
    with TruthServer() as server, Tracer(server.port) as tracer:
        for host in ("127.0.0.1", "::1", "127.0.0.1"):
            connection = Connection(host, server.port)
            for number in range(100):
                connection.request("/length/1x%d" % (16384 if number % 2 else 700))
            connection.close()
        wait_acknowledged(server.port)
        report = tracer.stop()
    assert len(report.ended) == 300, "%d responses ended" % len(report.ended)
    for response in report.ended:
        assert stage(response, "blocked") == 0, "blocked: " + timeline_text(response)
    queued = [response for response in report.ended
              if stage(response, "queue", "qdisc") > 0.2 * response["duration_ns"]
              or stage(response, "queue", "qdisc") > 2_000_000]
    assert len(queued) <= 3, "%d of 300 waited in a queue, one of them %s" % (len(queued), timeline_text(queued[0]))
    return "%d of 300 above the limits" % len(queued)
