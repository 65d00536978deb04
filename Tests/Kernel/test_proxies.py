# SPDX-License-Identifier: MIT
"""
nginx as a proxy, buffering and not: both of its sides in one run. The proxy's responses are held against what the clients
wrote down, the backend's against the backend's own log.
"""
from client_record import drive_recorded
from nginx_site import Nginx
from real_server import EVENTS, GAP_MS, check_against, check_paced, plans, settled, streams
from servers import TruthServer
from test_completeness import check_one
from tracer import Tracer, begin_ns, require_command, require_tailrace
from truth import pairs

PROXY = """
    upstream backend { server 127.0.0.1:%(backend)d; %(keepalive)s }
    server {
        listen 127.0.0.1:%%(port)d;
        keepalive_requests 1000;
        location / {
            proxy_pass http://backend;
            proxy_http_version %(version)s;
            proxy_set_header Connection "";
            proxy_buffering %(buffering)s;
        }
    }
"""


def proxied(buffering, version="1.1", sse="/sse/%dx60/gap=%d"):
    """(report, pairs on the proxy's port, (response, record) of the backend)"""
    require_tailrace()
    require_command("nginx")
    with TruthServer() as backend:
        server = PROXY % {"backend": backend.port, "buffering": buffering, "version": version,
                          "keepalive": "keepalive 8;" if version == "1.1" else ""}
        with Nginx(server=server) as nginx, Tracer(nginx.port, "--port", str(backend.port)) as tracer:
            records = drive_recorded(nginx.port, plans(small="/length/1x%d", sse=sse))
            nginx.end()  # its connections to the backend end with it
            report = settled(tracer, backend.port)
            outer = check_against(report, records, nginx.port, "nginx")
        pid = backend.pid
        inner = pairs([item for item in report.responses if item["connection"]["local"].endswith(":%d" % backend.port)],
                      backend.log())
    for response, record in inner:
        check_one(response, record, pid)
    assert len(outer) == len(inner) == len(records), "%d outside, %d inside" % (len(outer), len(inner))
    check_nested(outer, inner)
    return outer, inner


def check_nested(outer, inner):
    """What the proxy asks its backend for begins after its own client asked: of each target, the n-th after the n-th."""
    for target in {record["target"] for _, record in outer}:
        own, behind = (sorted(begin_ns(response) for response, record in side if record["target"] == target)
                       for side in (outer, inner))
        assert len(own) == len(behind), "%s: %d outside, %d inside" % (target, len(own), len(behind))
        for before, after in zip(own, behind):
            assert before <= after, "%s: the backend's begins %d ns before the proxy's" % (target, before - after)


def test_a_proxy_that_passes_on_what_comes():
    outer, _ = proxied("off")
    check_paced(outer)
    return "%d responses on each side" % len(outer)


def test_a_proxy_that_holds_back_shows_it():
    """The events leave the backend one by one and the proxy in one lump: who looks at the backend alone sees nothing."""
    outer, inner = proxied("on", version="1.0", sse="/sse-close/%dx60/gap=%d")
    check_paced(inner)
    span = (EVENTS - 1) * GAP_MS * 1_000_000 // 2
    for response, record in streams(outer):
        assert record["events"] == EVENTS, "the rig: %d events" % record["events"]
        assert response["ttff_ns"] >= span, "it did not hold back: first flush after %d ns" % response["ttff_ns"]
    for response, record in inner:
        if record["kind"] == "sse-close":
            assert response["ttff_ns"] < response["duration_ns"] - span, "the backend's first flush was late"
    return "%d responses on each side" % len(outer)


def test_a_proxy_that_passes_on_until_its_backend_closes():
    outer, _ = proxied("off", version="1.0", sse="/sse-close/%dx60/gap=%d")
    check_paced(outer)
    return "%d responses on each side" % len(outer)
