# SPDX-License-Identifier: MIT
"""Servers as they are: Go's net/http, Node, SwiftNIO, against what their clients wrote down of each response."""
import os
import shutil
import subprocess
import tempfile

from client_record import RecordingConnection, drive_recorded
from real_server import check_against, check_paced, check_response, joined, plans, settled
from servers import SCENARIOS, Program
from tracer import ROOT, Skip, Tracer, require_command, require_tailrace

NIO_SERVER = os.environ.get("NIO_SERVER", str(ROOT / ".build" / "nio-server" / "debug" / "nio-server"))


PIPELINE = ["/small/%d" % (number * 37) for number in range(1, 20)] + ["/sse/3/5", "/small/1", "/trailers/2", "/small/2"]


def check_server(command, comm):
    require_tailrace()
    with Program(command) as server, Tracer(server.port) as tracer:
        records = drive_recorded(server.port, plans(trailers="/trailers/3"))
        report = settled(tracer, server.port)
        pairs = check_against(report, records, server.port, comm)
    assert len(pairs) == len(records) > 150, "the rig: %d" % len(records)
    check_paced(pairs)
    return "%d responses, %d estimated; %s" % (
        len(pairs), sum(response["estimated"] for response, _ in pairs), check_pipelined(command))


def check_pipelined(command):
    """Requests that do not wait; the connection is open until the run is over."""
    with Program(command) as server, Tracer(server.port) as tracer:
        connection = RecordingConnection("127.0.0.1", server.port)
        connection.ask_at_once(PIPELINE)
        report = settled(tracer, server.port)
        connection.close()
    pairs = joined(report, connection.records, server.port)
    for pair in pairs:
        check_response(*pair)
    return "%d pipelined" % len(pairs)


def test_go_net_http():
    require_command("go")
    with tempfile.TemporaryDirectory(prefix="tailrace-go-") as directory:
        program = os.path.join(directory, "go-server")
        subprocess.run(["go", "build", "-o", program, str(SCENARIOS / "go_server.go")], check=True, capture_output=True,
                       env=dict(os.environ, GO111MODULE="off", GOFLAGS="", GOCACHE=os.path.join(directory, "cache")))
        return check_server([program], "go-server")


def test_node():
    require_command("node")
    return check_server(["node", str(SCENARIOS / "node_server.js")], "node")


def test_swift_nio():
    if not shutil.which(NIO_SERVER):
        raise Skip("no SwiftNIO server (`make nio-server` builds it)")
    return check_server([NIO_SERVER], "nio-server")
