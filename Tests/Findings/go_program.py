# SPDX-License-Identifier: MIT
"""The server in Go, built once a run."""
import os
import subprocess
import tempfile

from servers import SCENARIOS, Program
from tracer import require_command

_directory = tempfile.TemporaryDirectory(prefix="tailrace-go-")


def go_server():
    require_command("go")
    program = os.path.join(_directory.name, "go_server")
    if not os.path.exists(program):
        subprocess.run(["go", "build", "-o", program, str(SCENARIOS / "go_server.go")], check=True, capture_output=True,
                       env=dict(os.environ, GOFLAGS="-mod=mod", GO111MODULE="off", GOCACHE=_directory.name + "/cache"))
    return Program([program])
