# SPDX-License-Identifier: MIT
"""The Debian package: by the rules of its distribution, installed and taken away again."""
import hashlib
import os
import re
import subprocess
import tempfile

from artifacts import BINARY, PACKAGING, ROOT, debian_package, said, unpacked, version
from overlay import Overlay
from tracer import require_command

ACCOUNTS = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid")
CONFIGURATION = "/etc/tailrace/tailrace.conf"


def test_lintian_finds_nothing():
    """Errors and warnings are failures. That it can find: the same package without its copyright."""
    require_command("lintian")
    package = debian_package()
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", package], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with unpacked() as directory, tempfile.NamedTemporaryFile(suffix=".deb") as spoilt:
        said("dpkg-deb", "-e", package, directory + "/DEBIAN")
        os.remove(directory + "/usr/share/doc/tailrace/copyright")
        said("dpkg-deb", "-Znone", "-b", directory, spoilt.name)
        done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", "-T", "no-copyright-file", spoilt.name],
                              capture_output=True, text=True)
        assert done.returncode != 0 and "no-copyright-file" in done.stdout, done.stdout


def test_it_has_what_it_promises():
    with unpacked() as directory:
        wanted = ["usr/bin/tailrace", "lib/systemd/system/tailrace.service", "usr/lib/sysusers.d/tailrace.conf",
                  CONFIGURATION[1:], "usr/share/man/man1/tailrace.1.gz", "usr/share/man/man5/tailrace.conf.5.gz", "usr/share/man/man8/tailrace-daemon.8.gz",
                  "usr/share/bash-completion/completions/tailrace", "usr/share/zsh/vendor-completions/_tailrace",
                  "usr/share/fish/vendor_completions.d/tailrace.fish", "usr/share/tailrace/tailrace-1.schema.json",
                  "usr/share/doc/tailrace/copyright", "usr/share/doc/tailrace/changelog.gz",
                  "usr/share/doc/tailrace/examples/without-tasks.conf"]
        if (PACKAGING / "grafana").is_dir():
            wanted.append("usr/share/tailrace/grafana/tailrace.json")
        missing = [path for path in wanted if not os.path.exists(os.path.join(directory, path))]
        assert not missing, missing
        assert said("dpkg-deb", "-I", debian_package(), "conffiles").split() == [CONFIGURATION]
        assert said("dpkg-deb", "-f", debian_package(), "Version").strip() == version()
        with open(directory + "/usr/bin/tailrace", "rb") as packaged, open(BINARY, "rb") as built:
            assert packaged.read() == built.read(), "another executable is packaged"


def test_it_depends_on_what_it_is_linked_with():
    """Of each library that the loader would look for, the package is named."""
    needed = re.findall(r"NEEDED.*\[(.*)\]", said("readelf", "-d", BINARY))
    depends = said("dpkg-deb", "-f", debian_package(), "Depends")
    named = set(re.findall(r"[a-z][a-z0-9+.-]+", depends))
    for library in needed:
        owners = {line.split(":")[0] for line in said("dpkg", "-S", "*/" + library).splitlines()}
        assert owners & named, "%s is of %s, and the package depends on: %s" % (library, owners, depends)
    return "%d libraries" % len(needed)


def test_the_same_input_gives_the_same_package():
    with tempfile.TemporaryDirectory(prefix="tailrace-deb-") as directory:
        said("sh", ROOT / "packaging/debian/build.sh", BINARY, directory)
        again = os.path.join(directory, os.path.basename(debian_package()))
        digests = [hashlib.sha256(open(path, "rb").read()).hexdigest() for path in (debian_package(), again)]
    assert digests[0] == digests[1], digests


def test_it_is_installed_upgraded_and_purged():
    """By apt, in a copy of this system: a changed setting survives all but the purge, after which nothing is left."""
    package = debian_package()
    with Overlay() as system:
        system.install(package)
        assert system.run("tailrace", "--version").strip() == version()
        user = system.run("getent", "passwd", "tailrace").split(":")
        assert user[5] == "/var/lib/tailrace" and user[6].strip().endswith("nologin"), user
        # With no service manager that runs: what would be started at boot.
        enabled = system.run("sh", "-c", "ls /etc/systemd/system/*/tailrace.service 2>/dev/null", code=None)
        assert not enabled, "it is enabled by being installed: " + enabled
        assert "whatis" not in system.run("man", "-w", "tailrace", "tailrace.conf")
        assert "/usr/share/zsh/vendor-completions" in system.run("zsh", "-fc", "print -l $fpath").split()

        system.run("sh", "-c", "echo 'port = 8080' >> %s; install -d -o tailrace /var/lib/tailrace/x" % CONFIGURATION)
        system.install(package, "--reinstall")
        assert "port = 8080" in system.run("cat", CONFIGURATION)
        system.run("apt-get", "remove", "-y", "tailrace")
        system.run("sh", "-c", "! command -v tailrace")
        assert "port = 8080" in system.run("cat", CONFIGURATION), "removed with the package"
        assert list(system.changed()), "nothing has changed: is this looking at the right place?"
        system.run("apt-get", "purge", "-y", "tailrace")
        left = [path for path in system.changed() if "/" + path not in ACCOUNTS]
        assert not left, "left after the purge: %s" % left
        different = [path for path in ACCOUNTS if system.differs(path)]
        assert not different, "another content after the purge: %s" % different
