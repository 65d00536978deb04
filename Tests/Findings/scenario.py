# SPDX-License-Identifier: MIT
"""What a scenario is: a real server, real clients, one fault or none, and what tailrace must find of it."""
import json
import time

from servers import Client, Server
from tracer import Recorder, nanoseconds, run_to_end

ALL = []
LIMIT_S = 90


class Expected:
    """
    `must`: anomaly -> what its evidence says (a value, or a function of it). `may`: anomalies that can go along with it.
    `within_s`: after the fault was planted; more where its condition takes time to be one.
    """

    def __init__(self, must=None, may=(), within_s=3.0):
        self.must = must or {}
        self.may = set(may)
        self.within_s = within_s


def scenario(expected):
    """The function under it drives the scenario; it gets a Scene and may give evidence that it only knows then."""

    def take(function):
        function.expected = expected
        function.is_short, function.limit_s = False, LIMIT_S
        ALL.append(function)
        return function

    return take


def short(function):
    """Above @scenario: it is of those that `make test` runs, which have each anomaly once."""
    function.is_short = True
    return function


def long(limit_s):
    """Above @scenario: it is only run by its name."""

    def take(function):
        function.limit_s = limit_s
        return function

    return take


class Scene:
    """One run: `with scene.traced(server): ...`; then `scene.findings`."""

    def __init__(self):
        self.planted_ns = None
        self.report = self.again = None

    def plant(self):
        """The fault is there from now on."""
        self.planted_ns = time.time_ns()

    def traced(self, *servers, kind=None):
        return (kind or Traced)(self, servers)

    def opened(self):
        """The findings as they stood when they were told last, by anomaly, with the time of their first telling."""
        found = {}
        for item in self.report.of_type("finding"):
            entry = found.setdefault(item["id"], {"anomaly": item["anomaly"], "at": nanoseconds(item["at"]), "states": []})
            entry["states"].append(item["state"])
            # The evidence of the first telling is what a person would have acted upon.
            entry.setdefault("first", item)
            entry["last"] = item
        return list(found.values())


class Traced:
    """By way of a recording, which is analysed twice."""

    def __init__(self, scene, servers):
        self.scene = scene
        more = [word for server in servers[1:] for word in ("--port", str(server.port))]
        self.recorder = Recorder(servers[0].port, record=more)

    def __enter__(self):
        self.recorder.__enter__()
        return self

    def __exit__(self, kind, *rest):
        try:
            if kind is None:
                self.scene.report = self.recorder.stop()
                self.scene.again = self.recorder.export()
        finally:
            self.recorder.__exit__(kind, *rest)


class Summed(Traced):
    """The same by way of the report, which is small however long the run was."""

    def __exit__(self, kind, *rest):
        try:
            if kind is None:
                code = self.recorder.end()
                assert code == 0, "exit code %d: %s" % (code, self.recorder.errors()[-500:])
                self.scene.report, self.scene.again = (Summary(self.recorder.file) for _ in range(2))
        finally:
            self.recorder.__exit__(kind, *rest)


class Summary:
    def __init__(self, file):
        done = run_to_end("report", file, "--format", "json", seconds=600)
        assert done.returncode == 0, done.stderr
        self.output = done.stdout
        self.findings = json.loads(done.stdout)["findings"]

    def of_type(self, kind):
        assert kind == "finding"
        return self.findings


def faulty(*options, prefix=()):
    return Server("faulty_server.py", *options, prefix=prefix)


def crowd(port, target, clients=1, seconds=8, *options, host="127.0.0.1", prefix=()):
    return Client("crowd_client.py", "--host", host, "--port", port, "--target", target, "--clients", clients,
                  "--seconds", seconds, *options, prefix=prefix)


def address(sockname):
    """As tailrace writes it."""
    return "%s:%d" % tuple(sockname[:2])
