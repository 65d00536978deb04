# SPDX-License-Identifier: MIT
"""What is booted: each kernel with its tests, and once more where the machine itself is what is tested."""
import collections

# `name`: of the kernel, and of the run on it; `tests`: as for Tests/Kernel/run.py; `arguments`: on the kernel's command line.
# `runs`: more than one must tell the same, byte for byte.
Guest = collections.namedtuple("Guest", "kernel name tests arguments environment is_deterministic runs processors",
                               defaults=("", {}, False, 1, 2))

SMALL = ("backends.", "budget.", "cards.", "injected.", "hooks.", "refusals.", "completeness.every", "completeness.flushes",
         "ends.a_half_closed_client_gets_a_complete_response_of", "ends.a_client_that_resets", "ends.a_server_that_closes_in", "nginx.",
         "send_calls.every_way_to_send_large", "send_calls.every_way_to_send_tells")
TOO_OLD = {"5.10": ("refusals.",)}
ATTACHED, LOCKED_DOWN, GOLDEN = ("6.12",), ("6.12",), ("6.12", "latest")


def guests(kernel, tests):
    """The guests of a kernel; `tests`: only these, in a plain one."""
    yield Guest(kernel, "plain", tests or TOO_OLD.get(kernel, SMALL))
    if tests:
        return
    if kernel in ATTACHED:
        # With two, one of them was once seen to run into the int3 of a function that the other one was just hooking, after the kernel
        # had done with it: an oops in 6.12. Whether the emulation or the kernel is to blame is not known.
        yield Guest(kernel, "attach", ("attachment.",), processors=1)
    if kernel in LOCKED_DOWN:
        for level in ("integrity", "confidentiality"):
            yield Guest(kernel, level, ("lockdown.",), "lockdown=" + level, {"TAILRACE_LOCKDOWN": level})
    if kernel in GOLDEN:
        yield Guest(kernel, "golden", ("golden.",), "nokaslr norandmaps", {"TAILRACE_GOLDEN": "1", "PYTHONHASHSEED": "0"}, True, 2)
