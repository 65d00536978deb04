# SPDX-License-Identifier: MIT
"""The dashboard: a real Prometheus understands each of its expressions and, scraping a real daemon, has an answer to them."""
import collections
import json
import re

from load_client import Connection, drive
from metrics_daemon import OPENMETRICS, MetricsDaemon, Prometheus, require_daemon
from servers import TruthServer, wait_acknowledged
from tracer import ROOT

DASHBOARD = ROOT / "packaging" / "grafana" / "tailrace.json"
SOURCE = "${DS_PROMETHEUS}"
# What a dashboard's user would choose; the rates of a short run.
VARIABLES = {"job": ".*", "instance": ".*", "service": ".*", "stage": "app", "__rate_interval": "10s", "__range": "1m"}
# Series that only some servers or machines have: Go servers whose clients went, lost records.
RARE = {"tailrace_orphaned_tasks", "tailrace_events_lost_total", "tailrace_otlp_requests_total"}
# What filters for what is wrong has no answer where nothing is.
ONLY_WHEN_WRONG = re.compile(r"> 0$|ended_by!=")
OF_PROMETHEUS = {"job", "instance", "le", "__name__"}
NAME = re.compile(r"\b(?:tailrace|process)_[a-z_]+\b")


def load():
    return json.loads(DASHBOARD.read_text())


def panels(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions(board):
    """(where, expression with its variables filled in)"""
    for panel in panels(board):
        for target in panel["targets"]:
            yield panel["title"], fill(target["expr"])
    for variable in board["templating"]["list"]:
        match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
        assert match, variable["query"]
        yield "variable " + variable["name"], "count by (%s) (%s)" % (match.group(2), fill(match.group(1)))
    for annotation in board["annotations"]["list"]:
        yield "annotation " + annotation["name"], fill(annotation["expr"])


def fill(expression):
    filled = re.sub(r"\$(\w+)", lambda match: VARIABLES[match.group(1)], expression)
    assert "$" not in filled, filled
    return filled


def labels_of(expression):
    """Names in matchers, and in lists of `by`, `on` and `group_left`."""
    for matchers in re.findall(r"\{([^}]*)\}", expression):
        yield from re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)
    for names in re.findall(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", expression):
        yield from filter(None, (name.strip() for name in names.split(",")))


def exposed(text):
    """The labels of each name of a sample."""
    names = collections.defaultdict(set)
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, rest = line.partition("{")
            names[name.split(" ")[0]].update(re.findall(r'(\w+)="', rest) if rest else ())
    return names


def test_the_dashboard_is_whole():
    board = load()
    assert [entry["name"] for entry in board["__inputs"]] == ["DS_PROMETHEUS"] and board["id"] is None
    assert [variable["name"] for variable in board["templating"]["list"]] == ["job", "instance", "service", "stage"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    cells = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        own = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not own & cells, "%s lies on another panel" % panel["title"]
        cells |= own
    for panel in panels(board):
        assert panel["datasource"]["uid"] == SOURCE and panel["description"] and panel["fieldConfig"]["defaults"]["unit"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]), panel["title"]
        assert all(target["datasource"]["uid"] == SOURCE for target in panel["targets"]), panel["title"]
        for target in panel["targets"]:
            told = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert told <= {*labels_of(target["expr"]), "instance"}, (panel["title"], told)
    heat = [panel for panel in panels(board) if panel["type"] == "heatmap"]
    assert heat and all(target["exemplar"] and target["format"] == "heatmap" for panel in heat for target in panel["targets"])


def test_every_expression_has_an_answer_in_prometheus():
    require_daemon()
    board = load()
    with TruthServer() as server, MetricsDaemon(server.port, flies=True) as daemon, \
            Prometheus(daemon.directory.name, daemon.address) as prometheus:
        def visit(number):
            connection = Connection("127.0.0.1", server.port)
            for turn in range(12):
                connection.request("/length/2x9000/sleep=300" if number % 2 else "/sse/6x100/gap=100")
                if turn % 4 == 0:
                    connection.request("/status/404")
            connection.close()

        drive([lambda number=number: visit(number) for number in range(8)])
        wait_acknowledged(server.port)
        names = exposed(daemon.scrape(OPENMETRICS)[1])
        silent, count = [], 0
        for where, expression in expressions(board):
            count += 1
            used = set(NAME.findall(expression))
            missing = {name for name in used if name not in names} - RARE
            assert used and not missing, "%s: nothing exposes %s" % (where, missing)
            known = OF_PROMETHEUS.union(*(names[name] for name in used))
            if not used & RARE:
                assert set(labels_of(expression)) <= known, "%s: no label %s" % (where, set(labels_of(expression)) - known)
            # An expression that it cannot read is refused, and said so.
            if not prometheus.query(expression) and not used & RARE and not ONLY_WHEN_WRONG.search(expression):
                silent.append((where, expression))
        assert not silent, "no answer: %s" % silent
        stages = prometheus.query("count by (stage) (tailrace_response_stage_seconds_count)")
    return "%d expressions, %d names of %d; %d stages" % (
        count, len({name for _, e in expressions(board) for name in NAME.findall(e)}), len(names), len(stages))
