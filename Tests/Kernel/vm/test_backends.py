# SPDX-License-Identifier: MIT
"""Both backends on stock kernels. Only in the guests of vm/run.py: the host's kernel may refuse hooks on functions."""
import json

from tracer import run_to_end


def test_doctor_prefers_function_hooks():
    done = run_to_end("doctor", "--json", seconds=60)
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["backend"] == "fentry", "exit code %d, backend %s; %s; %s" % (
        done.returncode, report["backend"], report["advice"], report["other_backends"])
    return json.dumps({name: value["verified_instructions"] for name, value in report["programs"].items()})
