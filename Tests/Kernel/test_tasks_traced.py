# SPDX-License-Identifier: MIT
"""Open tasks beside responses: what `trace` tells at a response's begin and end, against what the server itself knows."""
import time

from go_servers import STRIPPED, GoServer, build, finish, releases
from tracer import Tracer


def at_rest(server):
    """The server's own count, and long enough the same that it was read."""
    count = server.settled()
    time.sleep(0.1)
    return count


def test_responses_carry_the_goroutines_of_their_server():
    release = releases()[-1]
    with GoServer(build(release, *STRIPPED)) as server, Tracer(server.port) as tracer:
        expected = []
        for step in range(4):
            before = at_rest(server)
            server.ask("/spawn?n=500")
            expected.append((before, before + 500))
        before = at_rest(server)
        stream = server.open("/good")
        time.sleep(0.5)
        during = server.goroutines()
        finish(stream)
        after = at_rest(server)
        time.sleep(1.2)  # a sample of the sockets comes once a second
        report = tracer.stop()
    for response, (begin, _) in zip(report.ended, expected):
        tasks = response["tasks"]
        for moment in ("begin", "end", "max"):
            assert (tasks[moment]["provider"], tasks[moment]["basis"]) == ("go", "sampled"), tasks
        assert tasks["begin"]["open"] == begin, "told %s, the server had %d" % (tasks, begin)
    streamed = report.ended[len(expected)]
    assert streamed["target"] == "/good", streamed["target"]
    told = tuple(streamed["tasks"][moment]["open"] for moment in ("begin", "max"))
    assert told == (before, during), "told %s, the server had %d, then %d" % (streamed["tasks"], before, during)
    assert during == before + 3 and after == before, (before, during, after)
    assert {sample["tasks"].get("go") for sample in report.of_type("sample")} <= set(range(before + 4)) | {None}
    return "Go %s, %d responses" % (server.version, len(report.ended))


def test_a_server_that_starts_later_is_read_too():
    """Nobody can name it when tracing begins: its first response may be too early, the next ones are not."""
    with GoServer(build(releases()[0])) as server, Tracer(None) as tracer:
        server.ask("/silent")
        time.sleep(1)
        before = at_rest(server)
        server.ask("/silent")
        report = tracer.stop()
    own = [response for response in report.ended if response["server"]["pid"] == server.pid]
    assert len(own) == 2 and own[1]["tasks"]["begin"] == {"provider": "go", "open": before, "basis": "sampled"}, own
