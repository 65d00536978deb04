# SPDX-License-Identifier: MIT
"""This machine's own system, of which nothing is changed: every write goes to memory, and away with it."""
import os
import subprocess
import tempfile

from servers import die_with_parent
from tracer import Skip, require_command

# Whatever apt and dpkg keep for themselves about what they did; caches that are made anew.
BOOKKEEPING = ("var/lib/dpkg/", "var/lib/apt/", "var/cache/", "var/log/", "tmp/", "etc/ld.so.cache", "root/", "run/",
               "var/lib/systemd/deb-systemd-helper-", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-",
               "etc/subgid-", "etc/.pwd.lock")

MOUNTS = """
set -e
mount -t tmpfs none {base}
mkdir {base}/upper {base}/work {base}/root
mount -t overlay -o lowerdir=/,upperdir={base}/upper,workdir={base}/work none {base}/root
mount --rbind /proc {base}/root/proc
mount --rbind /sys {base}/root/sys
mount --rbind /dev {base}/root/dev
mount -t tmpfs none {base}/root/run
mount -t tmpfs none {base}/root/tmp
echo ready
exec cat
"""


class Overlay:
    """`with Overlay() as system:` system.run("apt-get", ...) runs in it, as root; a mount namespace holds it."""

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skip("needs root")
        for name in ("unshare", "nsenter", "apt-get"):
            require_command(name)
        self.directory = tempfile.TemporaryDirectory(prefix="tailrace-overlay-")
        self.holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", MOUNTS.format(base=self.directory.name)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       preexec_fn=die_with_parent)
        if self.holder.stdout.readline() != b"ready\n":
            error = self.holder.stderr.read().decode()
            self.__exit__()
            raise Skip("no overlay of this system: " + error.strip())
        return self

    def command(self, *words):
        return ["nsenter", "--target", str(self.holder.pid), "--mount", "chroot", self.directory.name + "/root", *words]

    def run(self, *words, code=0, **options):
        """What it printed."""
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8")
        done = subprocess.run(self.command(*words), capture_output=True, text=True, env=environment, **options)
        assert code is None or done.returncode == code, "%s: exit code %d: %s" % (
            " ".join(words), done.returncode, (done.stdout + done.stderr)[-1500:])
        return done.stdout

    def install(self, package, *options):
        """By apt, from a file that it is given; the network is not needed where what it depends on is there."""
        with open(package, "rb") as file:
            self.run("sh", "-c", "cat > /tmp/tailrace.deb", stdin=file)
        return self.run("apt-get", "-o", "APT::Sandbox::User=root", "install", "-y", "--no-install-recommends", *options,
                        "/tmp/tailrace.deb")

    def changed(self):
        """Files that differ from this machine's, but for the books of apt and dpkg; directories only where they are new."""
        base = self.directory.name
        found = subprocess.run(["nsenter", "--target", str(self.holder.pid), "--mount", "find", base + "/upper", "-mindepth", "1",
                                "-printf", "%y %P\n"], capture_output=True, text=True, check=True).stdout
        for line in found.splitlines():
            kind, path = line.split(" ", 1)
            is_known = kind == "d" and os.path.isdir("/" + path)
            if not is_known and not path.startswith(BOOKKEEPING) and path not in [name.rstrip("/") for name in BOOKKEEPING]:
                yield path

    def differs(self, path):
        """From this machine's."""
        return subprocess.run(self.command("cat", path), capture_output=True).stdout != open(path, "rb").read()

    def __exit__(self, *_):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()
        self.holder.stderr.close()
        self.directory.cleanup()
