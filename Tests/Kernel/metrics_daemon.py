# SPDX-License-Identifier: MIT
"""A daemon that serves metrics over TCP, and readers of what it serves that share no code with it."""
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from servers import die_with_parent
from tracer import READY_WITHIN_S, ROOT, Skip, Tracer, require_tailrace

PROMETHEUS = ROOT / ".build" / "go-servers" / "usr" / "bin" / "prometheus"
READER = ROOT / ".build" / "openmetrics"
PROMTOOL = PROMETHEUS.with_name("promtool")
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def require_prometheus():
    if not PROMTOOL.exists():
        raise Skip("needs Prometheus: make go-servers")


def require_reader():
    if not READER.exists():
        raise Skip("needs the official reader of OpenMetrics: make openmetrics-reader")
    if str(READER) not in sys.path:
        sys.path.insert(0, str(READER))


class MetricsDaemon(Tracer):
    """`tailrace daemon` on these ports of servers; `settings`: more lines of its file; `flies`: with a flight recorder."""

    def __init__(self, *ports, settings=(), flies=False):
        super().__init__(None, json_lines=False)
        self.listener = free_port()
        lines = ["port = %d" % port for port in ports]
        lines += ["socket = " + self.path("socket"), "metrics-listen = 127.0.0.1:%d" % self.listener,
                  "flight-directory = " + (self.path("flight") if flies else ""), *settings]
        with open(self.path("conf"), "w") as file:
            file.write("\n".join(lines) + "\n")
        self.arguments = ["daemon", "--config", self.path("conf"), "--ready-file", self.ready_file]

    @property
    def address(self):
        return "127.0.0.1:%d" % self.listener

    def scrape(self, accept="text/plain"):
        """(content type, body)"""
        request = urllib.request.Request("http://%s/metrics" % self.address, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.headers["Content-Type"], reply.read().decode("utf-8")

    def families(self):
        """By name, as the official Python client reads OpenMetrics: strictly."""
        kind, text = self.scrape(OPENMETRICS)
        assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8", kind
        return read_openmetrics(text)


def read_openmetrics(text):
    require_reader()
    from prometheus_client.openmetrics import parser
    return {family.name: family for family in parser.text_string_to_metric_families(text)}


def total(families, name, suffix="", **labels):
    """Sum over the samples of a family that have these labels."""
    family = families.get(name)
    return sum(sample.value for sample in family.samples if sample.name == name + suffix
               and all(sample.labels.get(key) == str(value) for key, value in labels.items())) if family else 0


def check_metrics(text):
    """What promtool thinks of an exposition in the older format."""
    require_prometheus()
    done = subprocess.run([str(PROMTOOL), "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode == 0 and not said.strip(), "promtool: %d: %s" % (done.returncode, said[-2000:])


class Prometheus:
    """A real one, on loopback, that scrapes these addresses every second."""

    def __init__(self, directory, *targets):
        require_prometheus()
        self.port = free_port()
        self.directory = os.path.join(directory, "prometheus")
        os.mkdir(self.directory)
        self.configuration = os.path.join(self.directory, "prometheus.json")
        # YAML is a superset of JSON.
        with open(self.configuration, "w") as file:
            json.dump({"global": {"scrape_interval": "1s"}, "storage": {"exemplars": {"max_exemplars": 100000}},
                       "scrape_configs": [{"job_name": "tailrace", "static_configs": [{"targets": list(targets)}]}]}, file)
        self.process = None

    def __enter__(self):
        with open(os.path.join(self.directory, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [str(PROMETHEUS), "--config.file", self.configuration, "--storage.tsdb.path", self.directory + "/data",
                 "--enable-feature=exemplar-storage", "--web.listen-address", "127.0.0.1:%d" % self.port],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        self.wait(lambda: self.get("/api/v1/status/buildinfo"), "it answers")
        return self

    def get(self, path, **query):
        """The `data` of an answer; None: there is none yet."""
        url = "http://127.0.0.1:%d%s?%s" % (self.port, path, urllib.parse.urlencode(query, doseq=True))
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it starts
                return None
            raise AssertionError("%s: %s" % (url, error.read().decode())) from None
        except OSError:
            return None

    def query(self, expression):
        return self.get("/api/v1/query", query=expression)["result"]

    def wait(self, condition, what):
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            found = condition()
            if found:
                return found
            assert self.process.poll() is None, "Prometheus ended: " + self.log()
            assert time.monotonic() < deadline, "not so after %d s: %s; %s" % (READY_WITHIN_S, what, self.log())
            time.sleep(0.2)

    def log(self):
        with open(os.path.join(self.directory, "log")) as file:
            return file.read()[-1500:]

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def require_daemon():
    """And all who read what it serves."""
    require_tailrace()
    require_prometheus()
    require_reader()
