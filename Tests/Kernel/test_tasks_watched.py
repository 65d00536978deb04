# SPDX-License-Identifier: MIT
"""`tasks --watch` beside the server's own count: responses in flight, and groups with the tasks that each response left behind."""
from go_servers import STRIPPED, CensusWatch, GoServer, build, census, disconnect, finish, open_tasks, releases, reset
from tracer import Skip, Tracer

CLIENTS = 5
# path: (tasks of a client that stay, created by, how the client goes)
LEFT = {"/producer": (1, "main.producer", reset), "/writers": (2, "main.writers", reset),
        "/fanout?n=7": (7, "main.fanout", finish), "/waits": (1, "net/http.(*Server).Serve", finish), "/good": (0, None, reset)}


def in_flight(told):
    return next(count["open"] for count in told["counts"] if count["provider"] == "responses")


def test_responses_in_flight_are_those_that_clients_hold_open():
    with GoServer(build(releases()[-1])) as server:
        told, counts = census(server.pid)
        assert counts["responses"]["open"] is None and "--watch" in counts["responses"]["remark"], counts
        assert all(group["left_behind_by"] is None for group in told["groups"]), told
        with CensusWatch(server.pid) as watch:
            streams = []
            for count in (1, 4, 9):
                while len(streams) < count:
                    streams.append(server.open("/good"))
                    streams[-1].recv(1)
                watch.until(lambda told: in_flight(told) == count)
            for stream in streams:
                finish(stream)
            watch.until(lambda told: in_flight(told) == 0)


def marked(told):
    """(created by, response): tasks that it left behind there."""
    return {(group["created_by"]["function"], tasks["response"]): tasks["count"]
            for group in told["groups"] for tasks in group["left_behind_by"] or []}


def test_groups_name_the_responses_that_left_their_tasks():
    found = [release for release in releases() if release.root]
    if not found:
        raise Skip("needs a Go from 1.21 on (make go-versions): those before do not keep who created a goroutine")
    with GoServer(build(found[-1], *STRIPPED)) as server, Tracer(server.port) as tracer, CensusWatch(server.pid) as watch:
        base = server.settled()
        for target, (_, _, close) in LEFT.items():
            disconnect(server, target, close, CLIENTS)
        expected = CLIENTS * sum(each for each, _, _ in LEFT.values())
        left = server.settled(base + expected)
        told = watch.until(lambda told: sum(marked(told).values()) == expected)
        assert open_tasks(told) == left, (open_tasks(told), left)
        report = tracer.stop()
    ids = {}
    for response in report.responses:
        ids.setdefault(response["target"], set()).add(response["id"])
    for target, (each, created_by, _) in LEFT.items():
        path = target.partition("?")[0]
        own = {response: count for (function, response), count in marked(told).items() if response in ids[path]}
        assert own == ({response: each for response in ids[path]} if each else {}), "%s: %s" % (target, own)
        assert {function for function, response in marked(told) if response in ids[path]} <= {created_by}, target
    # A group that holds others too tells how many are left behind.
    assert all(sum(tasks["count"] for tasks in group["left_behind_by"]) <= group["count"] for group in told["groups"]
               if group["left_behind_by"]), told["groups"]
    return "%d tasks of %d responses" % (expected, len({response for _, response in marked(told)}))
