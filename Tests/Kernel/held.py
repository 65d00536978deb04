# SPDX-License-Identifier: MIT
"""What a traced run holds in the kernel, seen from outside: with an iterator of our own over its map, and with bpftool."""
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile
import time

from servers import SCENARIOS
from tracer import Skip, require_command


def clang():
    """Swift's own, if there is no other."""
    swift = shutil.which("swift")
    for path in (shutil.which("clang"), swift and os.path.join(os.path.dirname(os.path.realpath(swift)), "clang")):
        if path and os.path.exists(path):
            return path
    raise Skip("needs clang")


def map_ids(pid):
    """{name: id} of the maps that a process has descriptors of."""
    listed = json.loads(subprocess.run(["bpftool", "-j", "map", "show"], capture_output=True, text=True, check=True).stdout)
    held = set()
    for descriptor in os.listdir("/proc/%d/fdinfo" % pid):
        try:
            with open("/proc/%d/fdinfo/%s" % (pid, descriptor)) as file:
                held.update(int(line.split()[1]) for line in file if line.startswith("map_id:"))
        except FileNotFoundError:  # one of an iterator that has ended
            pass
    return {item.get("name"): item["id"] for item in listed if item["id"] in held}


class Held:
    """`with Held() as held:` has the iterator compiled and a BPF file system of its own to pin it in."""

    def __init__(self):
        require_command("bpftool")
        self.directory = tempfile.TemporaryDirectory(prefix="tailrace-held-")
        self.object = os.path.join(self.directory.name, "sockets_held.bpf.o")
        self.mount = pathlib.Path(self.directory.name, "bpf")

    def __enter__(self):
        headers = "/usr/include/%s-linux-gnu" % platform.machine()
        done = subprocess.run([clang(), "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-idirafter", headers, "-c",
                               SCENARIOS / "sockets_held.bpf.c", "-o", self.object], capture_output=True, text=True)
        assert done.returncode == 0, "the iterator does not compile: " + done.stderr[-500:]
        self.mount.mkdir()
        done = subprocess.run(["mount", "-t", "bpf", "bpf", self.mount], capture_output=True, text=True)
        if done.returncode:
            raise Skip("no BPF file system here: " + done.stderr.strip())
        return self

    def sockets(self, pid):
        """(TCP state, local port, remote port) of every socket that the run keeps a state for."""
        pin = self.mount / "sockets"
        done = subprocess.run(["bpftool", "iter", "pin", self.object, pin, "map", "id", str(map_ids(pid)["sockets"])],
                              capture_output=True, text=True)
        assert done.returncode == 0, "bpftool cannot run the iterator: " + done.stderr + done.stdout
        try:
            return [tuple(map(int, line.split())) for line in pin.read_text().splitlines()]
        finally:
            pin.unlink()

    @staticmethod
    def followed(pid):
        """The run's own count of them, from its memory in the kernel."""
        dump = subprocess.run(["bpftool", "-j", "map", "dump", "id", str(map_ids(pid)["probes.bss"])], capture_output=True,
                              text=True, check=True).stdout
        sections = json.loads(dump)[0]["formatted"]["value"][".bss"]
        return next(item["followed"] for item in sections if "followed" in item)

    def wait_empty(self, pid, seconds):
        """Until the run keeps nothing: sockets without a peer are given up a little later than the others."""
        deadline = time.monotonic() + seconds
        while True:
            sockets = self.sockets(pid)
            if not sockets:
                break
            assert time.monotonic() < deadline, "after %d s the run still keeps %d sockets: %s" % (
                seconds, len(sockets), sockets[:5])
            time.sleep(0.2)
        counted = self.followed(pid)
        assert counted == 0, "no socket is kept, and %d are counted" % counted

    def __exit__(self, *_):
        subprocess.run(["umount", self.mount], capture_output=True, check=False)
        self.directory.cleanup()
