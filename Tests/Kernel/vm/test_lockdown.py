# SPDX-License-Identifier: MIT
"""A kernel that is locked down, by its command line: as Secure Boot does it (integrity), and one step more (confidentiality)."""
import json
import os

from hooked import doctor, reports_of, traced
from load_client import Connection
from servers import TruthServer, wait_acknowledged
from test_refusals import refused
from tracer import NOT_ON_THIS_KERNEL, Skip

LEVEL = os.environ.get("TAILRACE_LOCKDOWN")


def require_level(level):
    if LEVEL != level:
        raise Skip("only in the guest with lockdown=" + level)
    with open("/sys/kernel/security/lockdown") as file:
        assert "[%s]" % level in file.read(), "the rig: the kernel is not locked down"


def test_integrity_costs_nothing():
    require_level("integrity")
    code, report = doctor()
    assert code == 0 and report["backend"] == "fentry", "exit code %d, %s" % (code, json.dumps(report)[:500])
    assert report["facts"]["lockdown"]["value"] == "integrity", report["facts"]["lockdown"]
    with TruthServer() as server, traced(server.port) as tracers:
        connection = Connection("127.0.0.1", server.port, quick_ack=True)
        for _ in range(10):
            connection.request("/chunked/3x2000")
        wait_acknowledged(server.port)
        reports = reports_of(tracers)
        connection.close()
    assert all(len(report.ended) == 10 for report in reports.values()), "not 10 responses"
    return ", ".join(reports)


def test_confidentiality_is_told_with_what_to_do():
    require_level("confidentiality")
    said = refused([], NOT_ON_THIS_KERNEL, "locked down", "confidentiality", "lockdown=integrity")
    facts = doctor()[1]["facts"]
    assert facts["lockdown"]["value"] == "confidentiality" and facts["programs may read memory"]["good"] is False, facts
    return said
