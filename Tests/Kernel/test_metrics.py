# SPDX-License-Identifier: MIT
"""`tailrace daemon`: what it tells Prometheus, against the server's own log and what Prometheus itself makes of it."""
import collections
import http.client
import math
import socket
import threading
import time
import urllib.parse

from daemon import Daemon
from load_client import Connection, drive
from metrics_daemon import (OPENMETRICS, MetricsDaemon, Prometheus, check_metrics, read_openmetrics, require_daemon,
                            total)
from servers import Server, TruthServer, wait_acknowledged
from test_completeness import REQUESTS, drive_mixed
from tracer import STAGES

BOUNDS = ["0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5",
          "1.0", "2.5", "5.0", "10.0", "30.0", "60.0", "300.0", "900.0", "3600.0", "+Inf"]


def settled(daemon, count):
    """The families once so many responses ended, and sockets were looked at since."""
    deadline = time.monotonic() + 10
    while True:
        families = daemon.families()
        if total(families, "tailrace_responses", "_total") >= count:
            time.sleep(1.2)
            return daemon.families()
        assert time.monotonic() < deadline, "%d responses told, not %d" % (
            total(families, "tailrace_responses", "_total"), count)
        time.sleep(0.2)


def by_labels(families, name, *keys):
    counts = collections.Counter()
    for sample in families[name].samples:
        counts[tuple(sample.labels[key] for key in keys)] += int(sample.value)
    return +counts


def check_histograms(families):
    """What holds of every histogram, and is not checked by every reader."""
    for family in families.values():
        if family.type != "histogram":
            continue
        series = collections.defaultdict(dict)
        for sample in family.samples:
            labels = tuple(sorted((key, value) for key, value in sample.labels.items() if key != "le"))
            series[labels][sample.labels.get("le", sample.name[len(family.name):])] = sample
        for labels, told in series.items():
            counts = [told[bound].value for bound in BOUNDS]
            assert counts == sorted(counts) and counts[-1] == told["_count"].value, (family.name, labels, counts)
            assert set(told) == {*BOUNDS, "_sum", "_count"}, (family.name, labels, set(told))
            for low, high in zip([None, *BOUNDS], BOUNDS):
                exemplar = told[high].exemplar
                if exemplar:
                    assert float(low or "-inf") < exemplar.value <= float(high), (family.name, labels, high, exemplar)


def test_counters_are_what_the_server_wrote_down():
    require_daemon()
    with TruthServer() as server, MetricsDaemon(server.port) as daemon:
        drive_mixed(server.port)
        families = settled(daemon, REQUESTS)
        plain, newer = daemon.scrape()[1], daemon.scrape(OPENMETRICS)[1]
        log = server.log()
    assert len(log) == REQUESTS
    served = collections.Counter(("%dxx" % (entry["status"] // 100),) for entry in log)
    assert by_labels(families, "tailrace_responses", "status") == served, (families["tailrace_responses"], served)
    closing = sum(entry["kind"] in ("close", "sse-close") for entry in log)
    endings = by_labels(families, "tailrace_responses", "ended_by")
    assert sum(endings.values()) == REQUESTS and endings[("complete",)] >= REQUESTS - closing, endings
    # By our own word nothing is left out; then nothing may be missing in a distribution.
    left_out = total(families, "tailrace_left_out_responses", "_total")
    streams = sum(entry["kind"].startswith("sse") and entry["method"] == "GET" for entry in log)
    durations = {flag: total(families, "tailrace_response_duration_seconds", "_count", streaming=flag)
                 for flag in ("true", "false")}
    assert sum(durations.values()) + left_out == REQUESTS, (durations, left_out)
    assert left_out == 0 and durations["true"] >= streams > 0, (durations, streams)
    assert total(families, "tailrace_response_size_bytes", "_total") == sum(e["response_bytes"] for e in log)
    assert total(families, "tailrace_request_size_bytes", "_total") == sum(e["request_bytes"] for e in log)
    assert total(families, "tailrace_flushes", "_total") == sum(len(entry["sends"]) for entry in log)
    assert total(families, "tailrace_flush_size_bytes", "_total") == sum(e["response_bytes"] for e in log)
    # Nanoseconds are whole: the stages of all plain responses sum to their durations.
    stages = sum(total(families, "tailrace_response_stage_seconds", "_sum", stage=name) for name in STAGES)
    whole = total(families, "tailrace_response_duration_seconds", "_sum", streaming="false")
    assert math.isclose(stages, whole, rel_tol=1e-9, abs_tol=1e-8), (stages, whole)
    check_histograms(families)
    check_metrics(plain)
    ports = {sample.labels["port"] for sample in families["tailrace_responses"].samples}
    assert ports == {str(server.port)}, ports
    return "%d responses; %d series, %d bytes; %d bytes as OpenMetrics" % (
        REQUESTS, sum(not line.startswith("#") for line in plain.splitlines()), len(plain), len(newer))


def test_what_is_open_is_told_while_it_is_open():
    require_daemon()
    streams = 12
    with TruthServer() as server, MetricsDaemon(server.port) as daemon:
        def stream(count):
            connection = Connection("127.0.0.1", server.port)
            connection.request("/sse/%dx200/gap=100" % count)
            connection.close()

        drive_in_background = [lambda: stream(60) for _ in range(streams)]
        thread = threading.Thread(target=drive, args=(drive_in_background,))
        thread.start()
        time.sleep(3.5)
        families = daemon.families()
        thread.join()
        after = settled(daemon, streams)
        log = server.log()
    assert total(families, "tailrace_open_responses") == total(families, "tailrace_in_flight") == streams, families
    assert total(families, "tailrace_connections") == streams and total(families, "tailrace_processes") == 1
    assert total(families, "tailrace_responses", "_total") == 0, "none has ended"
    delivered = total(families, "tailrace_flush_delivery_seconds", "_count")
    assert 20 * streams <= delivered < 61 * streams, "%d flushes of open responses are told" % delivered
    gaps = total(families, "tailrace_flush_gap_seconds", "_count", mark="sent")
    assert gaps == delivered - streams, "%d gaps between %d flushes of %d responses" % (gaps, delivered, streams)
    sends = sum(len(entry["sends"]) for entry in log)
    assert total(after, "tailrace_flush_delivery_seconds", "_count") == sends
    gap_sum = total(after, "tailrace_flush_gap_seconds", "_sum", mark="sent")
    real = sum(entry["sends"][-1]["before_ns"] - entry["sends"][0]["before_ns"] for entry in log) / 1e9
    assert math.isclose(gap_sum, real, rel_tol=0.01), (gap_sum, real)
    assert total(after, "tailrace_open_responses") == 0 and total(after, "tailrace_connections") == 0
    return "%d of %d flushes told while open" % (delivered, sends)


def test_a_real_prometheus_reads_it_and_its_exemplars():
    require_daemon()
    with TruthServer() as server, MetricsDaemon(server.port) as daemon, \
            Prometheus(daemon.directory.name, daemon.address) as prometheus:
        connection = Connection("127.0.0.1", server.port)
        for _ in range(5):
            connection.request("/length/1x100/sleep=300")
        connection.close()
        settled(daemon, 5)
        count = prometheus.wait(lambda: prometheus.query(
            'sum(tailrace_response_duration_seconds_count{port="%d"}) == 5' % server.port), "it has all five")
        assert count[0]["value"][1] == "5"
        slow = prometheus.query('histogram_quantile(0.5, sum by (le) (tailrace_response_stage_seconds_bucket{stage="app"}))')
        assert 0.25 <= float(slow[0]["value"][1]) <= 0.5, slow
        now = time.time()
        exemplars = prometheus.wait(lambda: prometheus.get(
            "/api/v1/query_exemplars", query="tailrace_response_duration_seconds_bucket", start=now - 60, end=now + 60),
            "it has an exemplar")
        found = exemplars[0]["exemplars"][0]
        assert 0.3 <= float(found["value"]) < 0.5 and abs(float(found["timestamp"]) - now) < 30, found
        assert found["labels"]["response_id"].split("-")[1] in "12345", found
        target = prometheus.get("/api/v1/targets")["activeTargets"][0]
        assert target["health"] == "up" and not target["lastError"], target
        held = prometheus.query("scrape_samples_scraped")[0]["value"][1]
        up = prometheus.query("tailrace_build_info")[0]["metric"]
    return "%s series a scrape in Prometheus; kernel %s by %s" % (held, up["kernel"], up["backend"])


def test_who_asks_gets_the_format_that_it_reads():
    require_daemon()
    with TruthServer() as server, MetricsDaemon(server.port) as daemon:
        for accept, newer in [
                (OPENMETRICS, True), ("application/openmetrics-text", True), ("text/plain", False), ("*/*", False), ("", False),
                ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                 "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
                ("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.3", False),
                ("application/openmetrics-text;q=0", False)]:
            kind, text = daemon.scrape(accept)
            assert kind.startswith("application/openmetrics-text; version=1.0.0" if newer else "text/plain; version=0.0.4"), (
                accept, kind)
            assert text.endswith("# EOF\n") == newer and (" # {" not in text or newer), accept
            if newer:
                read_openmetrics(text)
            else:
                check_metrics(text)


def test_a_name_from_outside_stays_within_its_label():
    require_daemon()
    hostile = 'a"b\\c\n}\x1b 1'
    with TruthServer("--comm", urllib.parse.quote(hostile)) as server, MetricsDaemon(server.port) as daemon:
        connection = Connection("127.0.0.1", server.port)
        connection.request("/length/1x10")
        connection.close()
        families = settled(daemon, 1)
        check_metrics(daemon.scrape()[1])
    names = {sample.labels["comm"] for sample in families["tailrace_responses"].samples}
    assert names == {'a"b\\c\\u{a}}\\u{1b} 1'}, names


def test_so_many_servers_have_series_and_the_others_are_counted_together():
    require_daemon()
    count, named = 230, 199
    with Server("many_ports.py", count) as server, MetricsDaemon(
            settings=["pid = %d" % server.pid, "tasks = off"]) as daemon:
        def visit(ports):
            for port in ports:
                connection = Connection("127.0.0.1", port)
                connection.request("/plain")
                connection.request("/stream")
                connection.close()
                wait_acknowledged(port)

        drive([lambda first=first: visit(server.said["ports"][first::4]) for first in range(4)])
        families = settled(daemon, 2 * count)
        visit(server.said["ports"])
        families = settled(daemon, 4 * count)
        begin = time.monotonic()
        newer = daemon.scrape(OPENMETRICS)[1]
        took = time.monotonic() - begin
        plain = daemon.scrape()[1]
    check_metrics(plain)
    ports = collections.Counter()
    for sample in families["tailrace_responses"].samples:
        ports[sample.labels["port"]] += sample.value
    assert set(ports.values()) == {4, 4 * (count - named)} and len(ports) == named + 1, ports
    assert ports[""] == 4 * (count - named) == total(families, "tailrace_unnamed_responses", "_total"), ports
    assert total(families, "tailrace_named_servers") == named
    check_histograms(families)
    series = sum(not line.startswith("#") for line in plain.splitlines())
    return "%d series, %d bytes; %d as OpenMetrics, in %.0f ms; %.1f MB resident" % (
        series, len(plain), len(newer), took * 1000, total(families, "process_resident_memory_bytes") / 1e6)


def test_connections_that_are_kept_open_shut_nobody_out():
    """As a browser, a proxy or a careless scraper keeps them: who comes next is served, and so is the health."""
    require_daemon()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TruthServer() as server, Daemon(server.port, settings=["metrics-listen = 127.0.0.1:%d" % port]) as daemon:
        kept = [http.client.HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(4)]
        for connection in kept:
            connection.request("GET", "/metrics")
            assert connection.getresponse().read(), "no metrics"
        time.sleep(0.3)
        for target in ("/metrics", "/v1/health") * 3:
            late = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            late.request("GET", target, headers={"Connection": "close"})
            reply = late.getresponse()
            assert reply.status == 200 and reply.read(), "%s: %d" % (target, reply.status)
            late.close()
        kept[-1].request("GET", "/metrics")
        assert kept[-1].getresponse().status == 200, "the one that was used last was let go before the others"
        # Connections that never ask anything.
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
        time.sleep(1.2)
        late = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        late.request("GET", "/v1/health")
        assert late.getresponse().status == 200
        assert daemon.ask("/v1/health")["clients"]["timed_out"] >= 1
        for one in [*silent, *kept, late]:
            one.close()
