# SPDX-License-Identifier: MIT
"""The settings that are installed, by the program that reads them."""
import subprocess
import tempfile

from artifacts import BINARY, DEFAULTS, PACKAGING, default_keys, said
from test_kubernetes import documents


def check(text):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as settings:
        settings.write(text)
        settings.flush()
        return subprocess.run([BINARY, "daemon", "--check", "--config", settings.name], capture_output=True, text=True)


def test_the_defaults_are_those_of_the_program():
    told = said(BINARY, "daemon", "--default-config")
    assert told == DEFAULTS.read_text(), "packaging/tailrace.conf is not what `tailrace daemon --default-config` says"
    assert len(default_keys()) > 20, default_keys()


def test_each_default_is_understood():
    """Every line that has one, as it stands behind its `#`; and a key that does not exist is not."""
    lines = ["%s = %s" % (key, default) for key, default in default_keys().items() if default]
    done = check("\n".join(lines) + "\n")
    assert done.returncode == 0, done.stderr
    done = check("\n".join(lines) + "\nflight-sise = 1GiB\n")
    assert done.returncode == 64 and ":%d: " % (len(lines) + 1) in done.stderr and "flight-size" in done.stderr, done.stderr
    return "%d defaults" % len(lines)


def test_the_settings_of_containers_are_understood():
    for text in ((PACKAGING / "container" / "tailrace.conf").read_text(), documents()["ConfigMap"]["data"]["tailrace.conf"]):
        done = check(text)
        assert done.returncode == 0, done.stderr
