# SPDX-License-Identifier: MIT
"""What the daemon sends to a collector: decoded with the official classes, against the server's own log and the scrape."""
import collections
import http.server
import json
import math
import re
import signal
import socket
import struct
import sys
import threading
import time

from daemon import Daemon, wait_until
from load_client import Connection
from metrics_daemon import MetricsDaemon, require_daemon, total
from servers import TruthServer
from test_completeness import REQUESTS, drive_mixed
from test_metrics import settled
from test_otlp import CLASSES, decode, values
from tracer import Skip

CUMULATIVE = 2
# Of the translation that Prometheus and the collector share: unit, then `_total` for what only grows.
UNITS = {"s": "_seconds", "By": "_bytes", "1": ""}


class Collector:
    """Takes what is posted, and says that it did; `fails`: so many times it says first that it cannot now."""

    def __init__(self, fails=0, port=0):
        self.bodies, self.headers, self.fails = collections.defaultdict(list), [], fails
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.headers.append(dict(self.headers))
                if outer.fails:
                    outer.fails -= 1
                    self.send_response(503)
                else:
                    outer.bodies[self.path].append(body)
                    self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    @property
    def endpoint(self):
        return "http://127.0.0.1:%d" % self.server.server_address[1]

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def decode_metrics(body):
    if not CLASSES.exists():
        raise Skip("needs the protocol's classes: make otlp-classes")
    if str(CLASSES) not in sys.path:
        sys.path.insert(0, str(CLASSES))
    from google.protobuf import json_format
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
    return json_format.Parse(body, metrics_service_pb2.ExportMetricsServiceRequest(), ignore_unknown_fields=False)


def points(body):
    """(resource, metric, its data, point) of each."""
    for resource in decode_metrics(body).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                data = getattr(metric, metric.WhichOneof("data"))
                for point in data.data_points:
                    yield values(resource.resource.attributes), metric, data, point


def number(point):
    return getattr(point, point.WhichOneof("value"))


def check_point(metric, data, point):
    kind = metric.WhichOneof("data")
    assert metric.unit in UNITS and metric.description, metric
    if kind != "gauge":
        assert data.aggregation_temporality == CUMULATIVE, metric
        assert 0 < point.start_time_unix_nano <= point.time_unix_nano, (metric.name, point)
    if kind == "histogram":
        bounds = list(point.explicit_bounds)
        assert bounds == sorted(bounds) and len(point.bucket_counts) == len(bounds) + 1 == 22, metric.name
        assert sum(point.bucket_counts) == point.count, (metric.name, point)
        for exemplar in point.exemplars:
            assert values(exemplar.filtered_attributes)["tailrace.response.id"], exemplar
            assert point.start_time_unix_nano < exemplar.time_unix_nano <= point.time_unix_nano, (metric.name, exemplar)


def test_metrics_and_spans_reach_a_collector():
    require_daemon()
    with TruthServer() as server, Collector(fails=1) as collector, MetricsDaemon(
            server.port, settings=["otlp-endpoint = " + collector.endpoint, "otlp-spans = all", "otlp-interval = 1s",
                                   "otlp-header = x-tenant=river"]) as daemon:
        drive_mixed(server.port)
        families = settled(daemon, REQUESTS)
        time.sleep(1.5)
        assert daemon.end(signal.SIGTERM) == 0, daemon.errors()[-500:]
        log = server.log()
    assert all(header["Content-Type"] == "application/json" and header["x-tenant"] == "river"
               for header in collector.headers), collector.headers[:2]
    spans = [span for body in collector.bodies["/v1/traces"] for resource in decode(body).resource_spans
             for scope in resource.scope_spans for span in scope.spans]
    served = [span for span in spans if span.kind == 2]
    assert len(served) == REQUESTS == len({span.span_id for span in served}), "%d spans" % len(served)
    told = sorted((v["http.request.method"], v["url.path"], v["http.response.status_code"])
                  for v in (values(span.attributes) for span in served))
    assert told == sorted((entry["method"], entry["target"].split("?")[0], entry["status"]) for entry in log)

    bodies = collector.bodies["/v1/metrics"]
    assert len(bodies) >= 2, "%d sets of metrics" % len(bodies)
    before = {}
    for body in bodies:
        for resource, metric, data, point in points(body):
            check_point(metric, data, point)
            key = (resource["service.name"], metric.name, json.dumps(values(point.attributes), sort_keys=True))
            if metric.WhichOneof("data") == "histogram" or getattr(data, "is_monotonic", False):
                grown = point.count if metric.WhichOneof("data") == "histogram" else number(point)
                assert before.get(key, (0, point.start_time_unix_nano))[1] == point.start_time_unix_nano, key
                assert grown >= before.get(key, (0, 0))[0], key
                before[key] = (grown, point.start_time_unix_nano)
    last = list(points(bodies[-1]))
    assert sum(number(point) for _, metric, _, point in last if metric.name == "tailrace.responses") == REQUESTS
    whole = {name: sum(point.sum for _, metric, _, point in last if metric.name == name)
             for name in ("tailrace.response.duration", "tailrace.response.stage")}
    scraped = total(families, "tailrace_response_duration_seconds", "_sum")
    assert math.isclose(whole["tailrace.response.duration"], scraped, rel_tol=1e-9), (whole, scraped)
    # A backend that translates these names gets those of the scrape: one dashboard serves both.
    for name in {(metric.name, metric.unit) for _, metric, _, _ in last if metric.name.startswith("tailrace.")}:
        translated = re.sub(r"\.info$", "", name[0]).replace(".", "_") + UNITS[name[1]]
        assert translated in families, (name, translated)
    names = {resource["service.name"] for resource, *_ in last}
    assert names == {"tailrace", served_name(families)}, names
    return "%d spans of %d bytes, a set of metrics %d bytes" % (
        len(served), sum(map(len, collector.bodies["/v1/traces"])) // len(spans), len(bodies[-1]))


def served_name(families):
    return families["tailrace_responses"].samples[0].labels["comm"]


def test_only_the_slow_are_spans_where_that_is_asked_for():
    require_daemon()
    with TruthServer() as server, Collector() as collector, MetricsDaemon(
            server.port, settings=["otlp-endpoint = " + collector.endpoint, "otlp-spans = slow"]) as daemon:
        connection = Connection("127.0.0.1", server.port)
        for _ in range(50):
            connection.request("/length/1x10")
        connection.close()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"GET /chunked/50x200/gap=50 HTTP/1.1\r\nHost: a\r\n\r\n")
            client.recv(4096)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it ends with a reset
        settled(daemon, 51)
        assert daemon.end(signal.SIGTERM) == 0, daemon.errors()[-500:]
    spans = [values(span.attributes) for body in collector.bodies["/v1/traces"] for resource in decode(body).resource_spans
             for scope in resource.scope_spans for span in scope.spans]
    cut = [span for span in spans if span["tailrace.ended_by"] == "client_reset"]
    # Of the others, the shared machine may hold some for long.
    assert len(cut) == 1 and len(spans) < 25, [span["tailrace.ended_by"] for span in spans]
    return "%d of 51" % len(spans)


def test_a_collector_that_is_away_is_said_once_and_that_it_is_back():
    with Collector() as collector:
        port, endpoint = collector.server.server_address[1], collector.endpoint
    with TruthServer() as server, Daemon(server.port, settings=["otlp-endpoint = " + endpoint, "otlp-interval = 1s"]) as daemon:
        def reasons():
            return [reason for reason in daemon.ask("/v1/health")["reasons"] if "OTLP" in reason]

        wait_until(reasons, 20, "a reason in the health")
        health = daemon.ask("/v1/health")
        assert health["status"] == "degraded" and health["otlp"]["failure"] in health["reasons"][0], health
        assert "\ntailrace_otlp_up 0" in daemon.get("/metrics").body.decode()
        time.sleep(4)
        assert daemon.errors().count("nothing is sent by OTLP") == 1, daemon.errors()
        with Collector(port=port):
            daemon.wait_log("OTLP is taken again", 60)
            assert not reasons() and daemon.ask("/v1/health")["otlp"]["failure"] is None
            assert "\ntailrace_otlp_up 1" in daemon.get("/metrics").body.decode()
        log = daemon.stop()
    assert log.count("OTLP is taken again") == 1, log
