# SPDX-License-Identifier: MIT
"""What a run tells whoever started it: JSON lines into the file TAILRACE_VERDICTS (in a guest, its second serial port)."""
import json
import os

PATH = os.environ.get("TAILRACE_VERDICTS")


def tell(**fields):
    """Nothing where nobody asked."""
    if PATH:
        with open(PATH, "a") as file:
            file.write(json.dumps(fields, sort_keys=True) + "\n")
