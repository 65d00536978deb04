# SPDX-License-Identifier: MIT
"""How far the kernel's verifier has to walk through each program: far below its limit of a million instructions."""
import json

from tracer import Skip, run_to_end

# The largest on the kernels that are tested is about a third of it; each release of the kernel may walk a little further.
BOUND = 100_000


def programs(*options):
    """{program: instructions} of one backend; None: it does not work here."""
    done = run_to_end("doctor", "--json", *options, seconds=100)
    report = json.loads(done.stdout)
    if done.returncode:
        return None
    return {name: item["verified_instructions"] for name, item in report["programs"].items()}


def test_no_program_comes_near_the_verifiers_limit():
    texts = []
    for backend in ("fentry", "tracepoint"):
        found = programs("--backend", backend)
        if found is None:
            continue
        assert found and all(found.values()), "the verifier's count is not known: %s" % found
        over = {name: count for name, count in found.items() if count > BOUND}
        assert not over, "above %d instructions: %s" % (BOUND, over)
        texts.append("%s: %s" % (backend, ", ".join("%s %d" % item for item in sorted(found.items(), key=lambda item: -item[1]))))
    if not texts:
        raise Skip("tailrace cannot trace here")
    return "; ".join(texts)
