# SPDX-License-Identifier: MIT
"""`tailrace export --format otlp`: decoded with the official classes of the protocol, and against the server's own log."""
import base64
import json
import sys

from servers import TruthServer
from test_completeness import REQUESTS, drive_mixed
from test_recording import export
from tracer import ROOT, STAGES, Recorder, Skip, begin_ns, end_ns, require_tailrace

CLASSES = ROOT / ".build" / "otlp"
SERVER, ERROR = 2, 2


def decode(line):
    """Refuses what the protocol does not know, and numbers beyond their width."""
    if not CLASSES.exists():
        raise Skip("needs the protocol's classes: make otlp-classes")
    if str(CLASSES) not in sys.path:
        sys.path.insert(0, str(CLASSES))
    from google.protobuf import json_format
    from opentelemetry.proto.trace.v1 import trace_pb2
    return json_format.ParseDict(in_base64(json.loads(line)), trace_pb2.TracesData(), ignore_unknown_fields=False)


def in_base64(value):
    """OTLP writes ids in hexadecimal, the one place where it leaves protobuf's JSON, whose bytes are base64."""
    if isinstance(value, list):
        return [in_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    ids = {name: base64.b64encode(bytes.fromhex(value[name])).decode() for name in ("traceId", "spanId") if name in value}
    return {name: in_base64(item) for name, item in value.items()} | ids


def values(attributes):
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}


def spans_of(text):
    """Each span with what describes its process."""
    for line in text.splitlines():
        for resource in decode(line).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    yield values(resource.resource.attributes), span, values(span.attributes)


def test_every_response_is_a_span_that_the_official_classes_decode():
    require_tailrace()
    with TruthServer() as server, Recorder(server.port) as recorder:
        drive_mixed(server.port)
        report = recorder.stop()
        text = export(recorder.file, "--format", "otlp")
        assert export(recorder.file, "--format", "otlp") == text, "two exports differ"
        told = {item["id"]: item for item in report.responses}
        log = server.log()
    found = list(spans_of(text))
    assert len(found) == len(told) == len(log) == REQUESTS, "%d spans, %d in the log" % (len(found), len(log))
    assert len({span.trace_id for _, span, _ in found}) == len({span.span_id for _, span, _ in found}) == len(found)
    served = sorted((entry["method"], entry["target"].split("?")[0], entry["status"]) for entry in log)
    assert served == sorted((a["http.request.method"], a["url.path"], a["http.response.status_code"]) for _, _, a in found)
    for process, span, attributes in found:
        response = told[attributes["tailrace.response.id"]]
        assert span.kind == SERVER and len(span.trace_id) == 16 and len(span.span_id) == 8, span
        assert (span.start_time_unix_nano, span.end_time_unix_nano) == (begin_ns(response), end_ns(response)), response
        assert (span.status.code == ERROR) == (response["status"] >= 500), response["status"]
        assert process["process.pid"] == server.pid and process["service.name"] == response["server"]["comm"], process
        stages = {event.name: values(event.attributes).get("tailrace.duration_ns") for event in span.events}
        for name in STAGES:
            assert stages.get("tailrace." + name, 0) == (response["timeline_ns"][name] or 0), (name, stages)
        assert "?" not in span.name + attributes["url.path"], attributes
    return "%d spans, %d bytes each" % (len(found), len(text) // len(found))
