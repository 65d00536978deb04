# SPDX-License-Identifier: MIT
"""The backends of this kernel, and runs with each of them side by side on the same traffic."""
import contextlib
import json

from tracer import OPTIONS, STAGES, Skip, Tracer, run_to_end
from verdicts import tell


def doctor(*options):
    done = run_to_end("doctor", "--json", *options, seconds=60)
    return done.returncode, json.loads(done.stdout) if done.stdout else None


def backends():
    """Names of those that work here, the preferred one first."""
    code, report = doctor()
    if code:
        raise Skip("tailrace cannot trace here: %s" % report["advice"])
    others = [name for name, other in report["other_backends"].items() if other["reason"].startswith("it would work")]
    return [report["backend"]] + others


@contextlib.contextmanager
def traced(port, *options):
    """{backend: tracer} of all of them; where a run was given one, that alone."""
    with contextlib.ExitStack() as stack:
        if "--backend" in OPTIONS:
            yield {OPTIONS[OPTIONS.index("--backend") + 1]: stack.enter_context(Tracer(port, *options))}
        else:
            yield {name: stack.enter_context(Tracer(port, "--backend", name, *options)) for name in backends()}


def reports_of(tracers):
    """{backend: report}, of runs that lost and missed nothing; what they measured is told."""
    reports = {name: tracer.stop() for name, tracer in tracers.items()}
    for name, report in reports.items():
        report.check_no_loss()
        seen = {stage: sum(response["timeline_ns"][stage] or 0 for response in report.ended)
                if any(response["timeline_ns"][stage] is not None for response in report.ended) else None for stage in STAGES}
        tell(backend=name, unavailable=report.objects[0]["unavailable"], stages=seen)
    return reports
