# SPDX-License-Identifier: MIT
"""Nothing stays attached, however a run ends; and the servers do not notice."""
import random
import signal
import time

from attachment import Attachment
from load_client import Connection
from servers import TruthServer
from tracer import Tracer, require_tailrace


def ended_by(how, expected_code):
    require_tailrace()
    with TruthServer() as server:
        with Tracer(server.port) as tracer:
            attachment = Attachment(tracer.process.pid)
            connection = Connection("127.0.0.1", server.port)
            connection.request("/length/1x100")
            code = tracer.end(how)
            attachment.gone_within(1)
        assert code == expected_code, "exit code %d" % code
        assert connection.request("/length/1x100").status == 200, "the server suffered"
        connection.close()


def test_nothing_is_attached_after_sigint():
    ended_by(signal.SIGINT, 0)


def test_nothing_is_attached_after_sigterm():
    ended_by(signal.SIGTERM, 0)


def test_nothing_is_attached_one_second_after_kill_9():
    ended_by(signal.SIGKILL, -signal.SIGKILL)


def test_ten_kills_at_random_moments_leave_nothing_and_lose_no_request():
    require_tailrace()
    moments = random.Random(9)
    with TruthServer() as server:
        connection = Connection("::1", server.port)
        asked = 0
        for _ in range(10):
            with Tracer(server.port) as tracer:
                attachment = Attachment(tracer.process.pid)
                until = time.monotonic() + moments.uniform(0.0, 0.15)
                while time.monotonic() < until:
                    assert connection.request("/chunked/3x2000").status == 200, "the server suffered"
                    asked += 1
                tracer.end(signal.SIGKILL)
            attachment.gone_within(1)
        connection.close()
        records = server.log()
    assert len(records) == asked and all(record["complete"] for record in records), "the server suffered"
    return "%d requests meanwhile" % asked
