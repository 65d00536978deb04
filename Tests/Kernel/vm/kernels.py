# SPDX-License-Identifier: MIT
"""
Stock Debian kernels by name, fetched and unpacked into a cache through an apt root of their own: this machine's packages and
its apt are left alone. Nothing is pinned (a security update removes the old package): the name is resolved through the meta package.
"""
import collections
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

CACHE = pathlib.Path(os.environ.get("TAILRACE_VM_CACHE", pathlib.Path.home() / ".cache" / "tailrace" / "vm"))
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LISTS_LAST_S = 3600

# Optional: a suite that Debian archives, or that moves on, is a notice and no failure.
Row = collections.namedtuple("Row", "name archive suite meta is_required")
TABLE = (
    Row("5.10", "-security", "bullseye-security", "linux-image-cloud-amd64", False),
    Row("6.1", "-security", "bookworm-security", "linux-image-cloud-amd64", True),
    Row("6.12", "-security", "bookworm-security", "linux-image-6.12-cloud-amd64", True),
    Row("latest", "", "trixie-backports", "linux-image-cloud-amd64", False),
)


class Unavailable(Exception):
    """This kernel cannot be had; the message says why."""


Kernel = collections.namedtuple("Kernel", "name version directory image")


def mirror(archive):
    """The mirror that this machine's apt is set up with."""
    lines = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
                           capture_output=True, text=True, check=True).stdout.split()
    for line in sorted(set(lines)):
        if re.search(r"/debian%s/?$" % archive, line):
            return line.rstrip("/")
    raise Unavailable("apt knows no mirror of debian%s" % archive)


class AptRoot:
    """Lists and downloads of one suite, apart from the machine's own."""

    def __init__(self, row):
        self.directory = CACHE / ("apt-" + row.suite)
        for name in ("lists/partial", "archives/partial", "etc"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "status").touch()
        source = "deb [signed-by=%s] %s %s main\n" % (KEYRING, mirror(row.archive), row.suite)
        (self.directory / "etc" / "sources.list").write_text(source)
        settings = {"Dir::Etc::sourcelist": self.directory / "etc" / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
                    "Dir::Etc::preferencesparts": "/dev/null", "Dir::State::lists": self.directory / "lists",
                    "Dir::State::status": self.directory / "status", "Dir::Cache": self.directory,
                    "APT::Architecture": "amd64", "APT::Architectures": "amd64", "APT::Sandbox::User": "root",
                    "Acquire::Languages": "none", "Acquire::Check-Valid-Until": "false", "Acquire::Retries": "3"}
        self.options = ["-qq", *("-o%s=%s" % item for item in settings.items())]
        lists = [path.stat().st_mtime for path in (self.directory / "lists").glob("*Packages*")]
        if not lists or max(lists) < time.time() - LISTS_LAST_S:
            self.run("apt-get", "update")

    def run(self, command, *arguments, cwd=None):
        done = subprocess.run([command, *self.options, *arguments], capture_output=True, text=True, cwd=cwd)
        if done.returncode:
            raise Unavailable("%s %s: %s" % (command, " ".join(arguments), done.stderr.strip()[-300:]))
        return done.stdout

    def dependencies(self, package, pattern):
        return re.findall(r"Depends: (%s)" % pattern, self.run("apt-cache", "depends", package))


def fetch(row):
    """The newest kernel of a row: from the cache where it is there, else unpacked into it."""
    apt, directory = AptRoot(row), CACHE / row.name
    images = apt.dependencies(row.meta, r"linux-image-[0-9]\S*")
    if not images:
        raise Unavailable("there is no %s in %s" % (row.meta, row.suite))
    package = directory / ".package"
    if not package.exists() or package.read_text().strip() != images[0]:
        unpack(apt, [images[0], *apt.dependencies(images[0], r"linux-(?:binary|modules)-[0-9]\S*")], directory)
        package.write_text(images[0])
    return cached(row)


def unpack(apt, packages, directory):
    shutil.rmtree(directory, ignore_errors=True)
    with tempfile.TemporaryDirectory() as downloads:
        apt.run("apt-get", "download", *packages, cwd=downloads)
        for path in pathlib.Path(downloads).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", path, directory], check=True)
    if not (directory / "lib" / "modules").exists():  # newer packages have a merged /usr
        (directory / "lib").symlink_to("usr/lib")
    subprocess.run(["depmod", "-b", directory, version_in(directory)], capture_output=True)


def version_in(directory):
    return next((directory / "lib" / "modules").iterdir()).name


def cached(row):
    directory = CACHE / row.name
    if not (directory / ".package").exists():
        raise Unavailable("kernel %s was not fetched" % row.name)
    version = version_in(directory)
    for image in (directory / "boot" / ("vmlinuz-" + version), directory / "lib" / "modules" / version / "vmlinuz"):
        if image.exists():
            return Kernel(row.name, version, directory, image)
    raise Unavailable("no image in " + str(directory))
