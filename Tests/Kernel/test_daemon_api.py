# SPDX-License-Identifier: MIT
"""What the daemon's socket serves: as it is described, and as the server's own log and `ss` have it."""
import json
import re
import resource
import socket
import subprocess
import tempfile
import threading
import time

from daemon import EVENTS, LINES, Daemon, UnixConnection, wait_until
from load_client import Connection
from openapi import FILES, Description
from servers import Client, TruthServer, wait_acknowledged
from test_completeness import drive_mixed
from tracer import begin_ns, nanoseconds, remote, require_tailrace
from truth import by_connection, logged, pairs, path

# Every one of them gives 200 while the planted traffic is there.
LISTS = ("/", "/v1", "/v1/health", "/v1/servers", "/v1/responses", "/v1/responses?sort=age&limit=1",
         "/v1/responses?filter=length", "/v1/connections", "/v1/connections?limit=1", "/v1/findings", "/v1/pressure",
         "/v1/samples", "/v1/snapshot", "/v1/snapshot?limit=1&sort=unsent", "/metrics", "/openapi.json",
         "/tailrace-1.schema.json")


def described(daemon):
    return Description(daemon.ask("/openapi.json"), daemon.ask("/tailrace-1.schema.json"))


class Stalled:
    """A client that asks for much and reads only the head."""

    def __init__(self, port, target="/length/1x9000000"):
        self.connection = Connection("127.0.0.1", port).open()
        self.connection.send(target)
        self.connection.read_head()
        self.address = "%s:%d" % self.connection.local

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return [int(word) for word in file.read().split()]


def socket_of(port, address):
    """What `ss` says of the server's side: Send-Q, unsent bytes, sk_wmem_queued, sndbuf."""
    text = subprocess.run(["ss", "-tnimOH", "state", "connected", "sport", "=", ":%d" % port, "and", "dst", address],
                          capture_output=True, text=True, check=True).stdout
    queue, memory, unsent = text.split()[2], re.search(r"skmem:\(([^)]*)\)", text).group(1), re.search(r"notsent:(\d+)", text)
    fields = dict(re.fullmatch(r"([a-z_]+?)(\d+)", field).groups() for field in memory.split(","))
    return {"send_queue": int(queue), "unsent": int(unsent.group(1)) if unsent else 0, "queued": int(fields["w"]),
            "sndbuf": int(fields["tb"])}


def test_the_description_is_valid_and_is_what_is_served():
    require_tailrace()
    with open(FILES["openapi.json"]) as document, open(FILES["tailrace-1.schema.json"]) as schema:
        description = Description(json.load(document), json.load(schema))
    description.check_itself()
    for where, example, schema in description.examples():
        description.check_value("the example of " + where, example, schema)
    with Daemon() as daemon:
        check_served(daemon, description)
        listed = {entry["path"] for entry in daemon.ask("/")["paths"]}
        assert listed | {"/", "/v1"} == set(description.document["paths"]), listed ^ set(description.document["paths"])
        for entry in daemon.ask("/v1")["paths"]:
            known = description.document["paths"][entry["path"]]["get"].get("parameters", [])
            assert entry["parameters"] == [item["name"] for item in known if item["in"] == "query"], entry
        daemon.stop()


def check_served(daemon, description):
    """The schema as it is; the description with the schema's definitions among its own components, and by itself."""
    assert daemon.get("/tailrace-1.schema.json").body == FILES["tailrace-1.schema.json"].read_bytes(), "it is another schema"
    described(daemon).check_alone()
    served, inside = daemon.ask("/openapi.json"), '"#/components/schemas/'
    definitions = json.loads(json.dumps(description.files["tailrace-1.schema.json"]["$defs"]).replace('"#/$defs/', inside))
    own = json.loads(json.dumps(description.document).replace('"tailrace-1.schema.json#/$defs/', inside))
    components = own["components"]["schemas"]
    assert not set(components) & set(definitions), "a name of both: %s" % (set(components) & set(definitions))
    components.update(definitions)
    assert served == own, "the description is served otherwise than it is"


def test_every_reply_is_as_described_and_as_the_server_has_it():
    require_tailrace()
    # With a recording of the last minutes, and an endpoint that nobody is at: their accounts are in the replies.
    with tempfile.TemporaryDirectory(prefix="tailrace-flight-") as directory, TruthServer("--sndbuf", 65536) as server, Daemon(
            server.port, settings=["flight-directory = " + directory, "otlp-endpoint = http://127.0.0.1:9"]) as daemon:
        description = described(daemon)
        drive_mixed(server.port, 200, 8)
        with Stalled(server.port) as stalled, Stalled(server.port, "/sse/2x200/gap=60000"):
            wait_until(lambda: [row for row in daemon.ask("/v1/findings")["findings"]
                                if row["anomaly"] == "slow-consumer" and row["state"] != "closed"], 15, "the finding")
            # A second late.
            wait_until(lambda: held_ns(daemon.ask("/v1/pressure")) > 5 * 10**8, 15, "pressure")
            replies = {target: description.check(target, daemon.get(target)) for target in LISTS}
            check_numbers(replies, server, stalled)
            row = check_rows(replies, server, stalled)
            check_detail(description.check("/v1/responses/" + row["id"], daemon.get("/v1/responses/" + row["id"])), row)
            names = check_refusals(daemon, description)
        seen = replies["/v1/health"]["loss"]
        assert not any(seen.values()), seen
        health = daemon.ask("/v1/health")
        # Nobody collects at the endpoint of the settings, which is the only reason.
        assert all("OTLP" in reason for reason in health["reasons"]) and health["target"]["ports"] == [server.port], health
        # With the process that reads tasks.
        told, truth = health["own_cost"]["resident_bytes"], sum(map(resident, [daemon.pid, *children(daemon.pid)]))
        assert truth / 2 < told < truth * 2, "%d bytes resident, told %d" % (truth, told)
        daemon.stop()
    return "%d targets, %d refusals" % (len(replies) + 1, names)


def resident(pid):
    with open("/proc/%d/statm" % pid) as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def held_ns(reply):
    return sum(row["pressure"]["some"]["total_ns"] for row in reply["servers"] if row["pressure"])


def check_numbers(replies, server, stalled):
    """Sums and lists against the one server that there is, and `ss`."""
    servers = replies["/v1/servers"]["servers"]
    assert [row["server"]["pid"] for row in servers] == [server.pid], servers
    assert servers[0]["connections"] == 2 and servers[0]["in_flight"] == 2, servers
    truth = socket_of(server.port, stalled.address)
    assert truth["unsent"] > 0 and servers[0]["socket"]["unsent_bytes"] == truth["unsent"], (servers, truth)
    assert servers[0]["socket"]["blocked_writers"] == 1, servers
    sample, = replies["/v1/samples"]["samples"]
    assert sample["server"]["pid"] == server.pid and sample["in_flight"] == 2, sample
    assert sample["socket"]["unsent_bytes"] == truth["unsent"], (sample, truth)
    pressure, = replies["/v1/pressure"]["servers"]
    assert pressure["server"]["pid"] == server.pid, pressure
    held = pressure["by_cause"]["peer_window"]
    # One of two is held from then on: some, never all of them.
    assert held["some"]["total_ns"] > 5 * 10**8 and held["full"]["total_ns"] < held["some"]["total_ns"] / 4, pressure
    snapshot = replies["/v1/snapshot"]
    assert snapshot["totals"]["open"] == 2 and snapshot["totals"]["ended"] == 200, snapshot["totals"]
    assert len(replies["/v1/snapshot?limit=1&sort=unsent"]["open"]) == 1, "limit"
    assert snapshot["totals"]["unsent_bytes"] == truth["unsent"], (snapshot["totals"], truth)


def check_rows(replies, server, stalled):
    """The stalled response, row by row, and what `ss` says of it."""
    responses = replies["/v1/responses"]
    assert responses["open_count"] == 2 == len(responses["open"]), responses["open"]
    row = responses["open"][0]
    assert row["connection"]["remote"] == stalled.address, "the one that waits longest is first: %s" % row
    assert (row["method"], row["target"], row["server"]["pid"]) == ("GET", "/length/1x9000000", server.pid), row
    assert (row["stage"], row["held_by"], row["ended_by"]) == ("blocked", "peer_window", None), row
    assert replies["/v1/responses?sort=age&limit=1"]["open"] == [
        item for item in replies["/v1/responses?sort=age&limit=1"]["open"] if item["id"] == row["id"]], "the oldest is another"
    filtered = replies["/v1/responses?filter=length"]
    assert [item["id"] for item in filtered["open"]] == [row["id"]], filtered["open"]
    assert filtered["slowest_ended"] and all("length" in item["target"] for item in filtered["slowest_ended"])
    ended = responses["slowest_ended"]
    assert ended == sorted(ended, key=lambda item: -item["duration_ns"]) and len(ended) == 50, len(ended)
    for item in ended:
        assert sum(value or 0 for value in item["timeline_ns"].values()) == item["duration_ns"], item
    connection = replies["/v1/connections?limit=1"]["connections"]
    truth = socket_of(server.port, stalled.address)
    told = connection[0]["socket"]
    assert [item["remote"] for item in connection] == [stalled.address] and connection[0]["response"] == row["id"], connection
    assert (told["unsent_bytes"] + told["unacked_bytes"], told["unsent_bytes"], told["queued_bytes"], told["sndbuf_bytes"]) == (
        truth["send_queue"], truth["unsent"], truth["queued"], truth["sndbuf"]), (told, truth)
    assert replies["/v1/connections?limit=1"]["connection_count"] == 2
    return row


def check_detail(detail, row):
    response = detail["response"]
    assert (response["id"], response["state"], response["target"]) == (row["id"], "open", row["target"]), response
    assert detail["connection"]["id"] == response["connection"]["id"] == row["connection"]["id"], detail["connection"]
    assert response["timeline_ns"]["blocked"] > 0, response["timeline_ns"]
    assert all(flush["response"] == row["id"] for flush in detail["flushes"]), detail["flushes"]


REFUSALS = (("/v1/nothing", 404), ("/v1/health/x", 404), ("/v2", 404), ("/v1/responses/ffffffff-9", 404),
            ("/v1/responses/x", 400), ("/v1/responses?sort=colour", 400), ("/v1/responses?limit=0", 400),
            ("/v1/responses?limit=201", 400), ("/v1/responses?limit=x", 400), ("/v1/servers?sort=wait", 400),
            ("/v1/health?a=1&a=2", 400), ("/v1/stream?types=nonsense", 400), ("/v1/stream?types=", 400),
            ("/v1/recording?port=x", 400), ("/v1/top", 400), ("/v1/top?request=x", 400), ("/v1/%2e%2e/health", 400))


def check_refusals(daemon, description):
    for target, status in REFUSALS:
        reply = daemon.get(target)
        assert reply.status == status, "%s: %d, %s" % (target, reply.status, reply.body)
        assert list(reply.json()) == ["error"] and 15 < len(reply.sentence) < 400, reply.body
        if description.operation(target)[0]:
            description.check(target, reply)
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        reply = description.check("/v1/health", daemon.get("/v1/health", method=method))
        assert "GET" in reply["error"], reply
    assert daemon.get("/v1/health", method="POST").headers["allow"] == "GET, HEAD"
    long = daemon.get("/v1/health", headers={"X-Long": "x" * 9000})
    assert long.status == 431, long.status
    description.check("/v1/health", long)
    head = daemon.get("/v1/servers", method="HEAD")
    assert (head.status, head.body) == (200, b"") and int(head.headers["content-length"]) > 20, head.headers
    plenty = [daemon.get("/v1/responses?filter=%d" % number).status for number in range(40)]
    assert 503 in plenty and set(plenty) <= {200, 503}, plenty
    return len(REFUSALS) + 7


def matched(told, records):
    """Each response of the server's log is told once, and nothing else is."""
    ids = [item["id"] for item in told]
    assert len(ids) == len(set(ids)), "told twice: %d of %d" % (len(ids) - len(set(ids)), len(ids))
    for response, record in pairs(told, records):
        assert (response["method"], response["target"], response["status"], response["response_bytes"]) == (
            record["method"], path(record["target"]), record["status"], record["response_bytes"]), (response, record)


def check_order(stream):
    """`meta` first; the responses of a connection in the order of its requests; samples of a server in that of time."""
    assert stream.kinds[0] == "meta" and stream.kinds.count("meta") == 1, stream.kinds[:5]
    assert stream.kinds == [item["type"] for item in stream.objects], "an event has another name than its object"
    for told in by_connection(stream.of_type("response"), remote, lambda _: 0).values():
        assert told == sorted(told, key=begin_ns), "not in order"
    samples = [nanoseconds(item["at"]) for item in stream.of_type("sample")]
    assert samples == sorted(samples), "samples are not in order"


def check_objects(stream, description):
    """All kinds, a few of each: validation is slow."""
    schema = description.document["paths"]["/v1/stream"]["get"]["x-object-schema"]
    for kind in set(stream.kinds):
        for item in stream.of_type(kind)[:10]:
            description.check_value("a " + kind, item, schema)


def test_streams_tell_every_response_once_and_in_order():
    require_tailrace()
    with TruthServer("--sndbuf", 65536) as server, Daemon(server.port) as daemon:
        description = described(daemon)
        with daemon.listen() as events, daemon.listen(accept=LINES) as lines, daemon.listen(
                types="response,flush") as flushes, daemon.listen(types="finding,loss", accept=LINES) as findings:
            assert (events.type, lines.type) == (EVENTS, LINES), (events.type, lines.type)
            drive_mixed(server.port, 400, 10)
            connection = Connection("127.0.0.1", server.port)
            connection.request("/sse/5x200/gap=20")
            connection.close()
            with Stalled(server.port):
                assert findings.until(lambda stream: stream.of_type("finding"), 15), "no finding is told"
            wait_until(lambda: all(len(stream.of_type("response")) >= 402 for stream in (events, lines, flushes)), 15,
                       "the last response")
            events.until(lambda stream: stream.comments, 8)
            time.sleep(0.2)
        records = server.log()
        for stream in (events, lines, flushes):
            check_order(stream)
            check_objects(stream, description)
            whole = [item for item in stream.of_type("response") if item["ended_by"] not in ("client_fin", "client_reset")]
            matched(whole, [record for record in records if record["target"] != "/length/1x9000000"])
            assert len(stream.of_type("response")) == 402, len(stream.of_type("response"))
        assert events.comments and not lines.comments, "signs of life: %d, %d" % (events.comments, lines.comments)
        check_framing(events.raw, lines.raw)
        assert set(events.kinds) == {"meta", "response", "sample", "finding"}, set(events.kinds)
        assert set(flushes.kinds) == {"meta", "response", "flush"}, set(flushes.kinds)
        assert set(findings.kinds) == {"meta", "finding"}, set(findings.kinds)
        sent = sum(len(record["sends"]) for record in records if record["target"] != "/length/1x9000000")
        told = sum(item["writes"] for item in flushes.of_type("flush"))
        assert sent <= told <= sent + 2, "%d send calls, %d told" % (sent, told)
        daemon.stop()
    return "%d objects to each of two clients" % len(events.objects)


def check_framing(events, lines):
    """Bytes: an event is two fields and an empty line, or a comment; a line is an object."""
    for block in events.decode("utf-8").split("\n\n")[:-1]:
        assert re.fullmatch(r"event: [a-z]+\ndata: \{[^\n]*\}|: [a-z ]+", block), repr(block[:200])
    assert b"\r" not in events and lines.endswith(b"\n") and b"\n\n" not in lines


def test_a_client_that_comes_late_or_goes_disturbs_no_other():
    require_tailrace()
    with TruthServer() as server, Daemon(server.port) as daemon, daemon.listen(types="response") as steady:
        def come_and_go():
            for _ in range(30):
                with daemon.listen():
                    pass

        visitor = threading.Thread(target=come_and_go)
        visitor.start()
        drive_mixed(server.port, 300, 6)
        visitor.join()
        with daemon.listen(types="response") as late:
            connection = Connection("127.0.0.1", server.port)
            connection.request("/length/1x77")
            connection.close()
            wait_acknowledged(server.port)
            late.until(lambda stream: stream.of_type("response"))
            steady.until(lambda stream: len(stream.of_type("response")) == 301)
            time.sleep(0.2)
            assert [item["target"] for item in late.of_type("response")] == ["/length/1x77"], late.kinds
        matched(steady.of_type("response"), server.log())
        assert daemon.end() == 0
        steady.until(lambda stream: stream.ended)
        assert steady.ended == "the end", "an ordered end is a cut for who listens: %s" % steady.ended


def test_a_slow_client_is_dropped_and_counted_and_the_next_one_misses_nothing():
    require_tailrace()
    with TruthServer() as server, Daemon(server.port) as daemon, daemon.listen(types="response") as steady:
        lazy = UnixConnection(daemon.socket)
        lazy.connect()
        lazy.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.request("GET", "/v1/stream?types=response,flush")  # and reads nothing of it
        count = 0
        while not daemon.ask("/v1/health")["clients"]["dropped_slow"]:
            assert count < 12_000, "%d responses, and the client that reads nothing is still there" % count
            drive_mixed(server.port, 400, 6)
            count += 400
        lazy.close()
        steady.until(lambda stream: len(stream.of_type("response")) == count, 20)
        matched(steady.of_type("response"), server.log())
        daemon.stop()
    return "dropped within %d responses" % count
