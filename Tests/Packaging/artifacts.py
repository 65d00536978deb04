# SPDX-License-Identifier: MIT
"""What is packaged, and how its parts are read."""
import functools
import glob
import os
import pathlib
import re
import subprocess
import tempfile

from tracer import BINARY, ROOT, Skip, require_command

BUILT = ROOT / ".build"
STATIC = BUILT / "static" / "tailrace"
CONTAINER = BUILT / "container" / "root"
SCHEMAS = BUILT / "kubernetes"
PACKAGING = ROOT / "packaging"
UNIT = PACKAGING / "systemd" / "tailrace.service"
DEFAULTS = PACKAGING / "tailrace.conf"
MANIFEST = PACKAGING / "kubernetes" / "tailrace.yaml"


def require_built(path, target):
    if not pathlib.Path(path).exists():
        raise Skip("%s is not there: make %s" % (os.path.relpath(path, ROOT), target))


def debian_package():
    found = glob.glob(str(BUILT / "deb" / "tailrace_*.deb"))
    if len(found) != 1:
        raise Skip("no Debian package, or several: make deb")
    return found[0]


def said(*command, **options):
    """Its standard output; another exit code than 0 is a failure of the test, with what it said."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, "%s: exit code %d: %s" % (command[0], done.returncode, (done.stdout + done.stderr)[-1500:])
    return done.stdout


def version():
    return said(BINARY, "--version").strip()


def unit_values(name, path=UNIT):
    """All values of a setting, in their order."""
    with open(path) as file:
        return [line.partition("=")[2].strip() for line in file if line.startswith(name + "=")]


def default_keys():
    """{key: default} of the commented default settings."""
    return dict(re.findall(r"^#([a-z][a-z-]*) = ?(.*)$", DEFAULTS.read_text(), re.M))


@functools.lru_cache
def allowed_calls():
    """Names of the system calls that the unit's filter lets through: lists are expanded as systemd itself expands them."""
    require_command("systemd-analyze")
    allowed = set()
    for value in unit_values("SystemCallFilter"):
        names = set()
        for word in value.lstrip("~").split():
            names |= expanded(word)
        allowed = allowed - names if value.startswith("~") else allowed | names
    return allowed | expanded("@default")


@functools.lru_cache
def expanded(word):
    if not word.startswith("@"):
        return {word}
    names = set()
    for line in said("systemd-analyze", "syscall-filter", word, env=dict(os.environ, SYSTEMD_COLORS="0")).splitlines()[1:]:
        name = line.strip()
        if name and not name.startswith("#"):
            names |= expanded(name)
    assert names, "systemd knows no " + word
    return names


def unpacked():
    """A directory with the files of the Debian package."""
    directory = tempfile.TemporaryDirectory(prefix="tailrace-deb-")
    said("dpkg-deb", "-x", debian_package(), directory.name)
    return directory
