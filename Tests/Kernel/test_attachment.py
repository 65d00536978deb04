# SPDX-License-Identifier: MIT
"""Nothing stays attached, however a run ends; and the servers do not notice."""
import contextlib
import random
import signal
import threading
import time

from attachment import Attachment, listed
from load_client import Connection
from servers import TruthServer
from tracer import Tracer, require_tailrace

SETTLES_S = 5  # the machine is busy, and programs are freed after a grace period of the kernel


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


class Load:
    """Clients that ask, some hundred times a second, until they are told to stop; each answer is looked at."""

    def __init__(self, port, clients=3):
        self.stopping, self.asked, self.failed = threading.Event(), 0, []
        hosts = ("127.0.0.1", "::1")
        self.threads = [threading.Thread(target=self.ask, args=(hosts[number % 2], port)) for number in range(clients)]

    def ask(self, host, port):
        connection = Connection(host, port)
        while not self.stopping.is_set() and not self.failed:
            try:
                if connection.request("/chunked/3x2000").status != 200:
                    self.failed.append("an answer that is not 200")
            except OSError as error:
                self.failed.append(str(error))
            self.asked += 1
            time.sleep(0.005)
        connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(20)


def test_attached_and_detached_a_hundred_times_under_load():
    """Four at once, 25 times; every other time all of them are killed. The servers see nothing of it, and nothing stays."""
    require_tailrace()
    before = len(listed("prog")), len(listed("link"))
    with TruthServer() as server:
        with Load(server.port) as load:
            for turn in range(25):
                with contextlib.ExitStack() as stack:
                    tracers = [stack.enter_context(Tracer(server.port)) for _ in range(4)]
                    attachments = [Attachment(tracer.process.pid) for tracer in tracers[:1]]
                    for tracer in tracers:
                        tracer.end(signal.SIGKILL if turn % 2 else signal.SIGINT)
                    for attachment in attachments:
                        attachment.gone_within(SETTLES_S)
        assert not load.failed, "the server suffered: %s" % load.failed[0]
        records = server.log()
    assert len(records) == load.asked and all(record["complete"] for record in records), "%d requests, %d whole answers" % (
        load.asked, sum(record["complete"] for record in records))
    deadline = time.monotonic() + SETTLES_S
    while (left := (len(listed("prog")), len(listed("link")))) > before:
        assert time.monotonic() < deadline, "programs and links: %s, before %s" % (left, before)
        time.sleep(0.1)
    return "%d requests meanwhile" % load.asked


test_attached_and_detached_a_hundred_times_under_load.limit_s = 600
