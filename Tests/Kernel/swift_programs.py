# SPDX-License-Identifier: MIT
"""The scenarios in Swift, each of which holds tasks behind a gate."""
import os
import subprocess

from servers import SCENARIOS


def compiled(name, directory, *flags):
    """Path of the program from Scenarios/NAME.swift; as one module that is optimized as a whole."""
    path = os.path.join(directory, name.replace("_", "-") + "".join(flags))
    sources = [str(SCENARIOS / file) for file in (name + ".swift", "gate.swift")]
    done = subprocess.run(["swiftc", "-O", "-wmo", "-parse-as-library", *flags, *sources, "-o", path],
                          capture_output=True, text=True)
    assert done.returncode == 0, "the scenario does not compile: " + done.stderr[-500:]
    return path
