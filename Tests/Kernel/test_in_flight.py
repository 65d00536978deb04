# SPDX-License-Identifier: MIT
"""How many responses a server has in flight, against what the clients hold open."""
import threading
import time

from load_client import Connection
from servers import TruthServer, wait_acknowledged
from tracer import Tracer, require_tailrace

CLIENTS = 7


def test_overlapping_responses_count_each_other():
    """Each client asks 30 ms after the one before it, and each answer takes 600 ms: all overlap, the first ends first."""
    require_tailrace()
    with TruthServer() as server, Tracer(server.port) as tracer:
        connections = [Connection("127.0.0.1", server.port).open() for _ in range(CLIENTS)]
        threads = []
        for connection in connections:
            threads.append(threading.Thread(target=connection.request, args=("/length/1x10/sleep=600",)))
            threads[-1].start()
            time.sleep(0.03)
        for thread in threads:
            thread.join()
        wait_acknowledged(server.port)
        report = tracer.stop()
        for connection in connections:
            connection.close()
    responses = sorted(report.ended, key=lambda response: response["begin"])
    counts = [(response["in_flight"]["begin"], response["in_flight"]["end"]) for response in responses]
    expected = [(place + 1, CLIENTS - place) for place in range(CLIENTS)]
    assert counts == expected, "told %s, not %s" % (counts, expected)
    largest = {response["in_flight"]["max"] for response in responses}
    assert largest == {CLIENTS}, largest
    return "%d at once" % CLIENTS
