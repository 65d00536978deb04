# SPDX-License-Identifier: MIT
"""A guest: an initramfs with tailrace, the tests and what they need, booted under QEMU's software emulation."""
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
# What the tests call; what is not installed here is not in the guest either, and its tests say so.
COMMANDS = ("busybox", "dash", "python3", "ip", "tc", "ss", "nstat", "nft", "tcpdump", "nginx", "curl", "bpftool", "env", "sleep",
            "unshare", "nsenter")
REQUIRED = {"qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static", "modprobe": "kmod", "xz": "xz-utils"}
MODULES = ("veth", "sch_netem", "sch_tbf", "sch_fq", "sch_fq_codel", "tls", "tcp_diag", "nf_tables", "nft_numgen", "af_packet", "bridge")
# no_timer_check: without it a starved virtual CPU can fail the boot's timer test.
ARGUMENTS = "console=ttyS0 quiet panic=-1 oops=panic no_timer_check mitigations=off"


def missing_packages():
    return [package for command, package in REQUIRED.items() if not shutil.which(command)]


class Image:
    """A directory that becomes the guest's root."""

    def __init__(self, directory):
        self.root = pathlib.Path(directory)
        for name in ("bin", "proc", "sys", "dev", "tmp", "run", "etc", "modules", "var/log/nginx", "var/lib/nginx"):
            (self.root / name).mkdir(parents=True)
        (self.root / "etc" / "passwd").write_text("root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n")
        (self.root / "etc" / "group").write_text("root:x:0:\nnogroup:x:65534:\nwww-data:x:33:\n")
        (self.root / "etc" / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")

    def add(self, path, destination=None):
        """A file, and the libraries that it is linked with."""
        target = self.root / str(destination or path).lstrip("/")
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
        for word in subprocess.run(["ldd", path], capture_output=True, text=True).stdout.split():
            if word.startswith("/"):
                self.add(word)

    def add_commands(self):
        for name in COMMANDS:
            path = shutil.which(name)
            if path:
                self.add(os.path.realpath(path), "/usr/bin/" + name)
        self.add(shutil.which("dash"), "/bin/sh")
        self.add(shutil.which("busybox"), "/bin/busybox")

    def add_python(self):
        library = pathlib.Path(sysconfig.get_path("stdlib"))
        leave = shutil.ignore_patterns("test", "idlelib", "lib2to3", "pydoc_data", "distutils", "ensurepip", "*-packages", "config-*")
        shutil.copytree(library, self.root / str(library).lstrip("/"), ignore=leave)
        for extension in (library / "lib-dynload").glob("*.so"):
            self.add(extension)

    def add_modules(self, kernel):
        files = []
        for name in MODULES:
            shown = subprocess.run(["modprobe", "-d", kernel.directory, "-S", kernel.version, "--show-depends", name],
                                   capture_output=True, text=True).stdout
            files += [line.split()[1] for line in shown.splitlines() if line.startswith("insmod ")]
        for number, file in enumerate(dict.fromkeys(files)):
            target = self.root / "modules" / ("%03d.ko" % number)
            if file.endswith(".xz"):
                target.write_bytes(subprocess.run(["xz", "-dc", file], capture_output=True, check=True).stdout)
            else:
                shutil.copyfile(file, target)

    def add_native(self):
        """The scenarios in C, compiled here: a guest has no compiler."""
        sys.path[:0] = [str(ROOT / "Tests" / "Kernel"), str(ROOT / "Tests" / "Scenarios")]
        import native
        import send_calls

        for path in [native.native(name) for name in ("ledger_server", "swarm")] + [send_calls.program()]:
            self.add(path, "/tailrace/native/" + os.path.basename(path))

    def add_project(self, binary, environment, tests):
        for name in ("Tests/Kernel", "Tests/Scenarios", "schema"):
            shutil.copytree(ROOT / name, self.root / "tailrace" / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.add(binary, "/tailrace/bin/tailrace")
        lines = ["export TAILRACE=/tailrace/bin/tailrace TAILRACE_NATIVE=/tailrace/native"]
        lines += ["export %s='%s'" % item for item in environment.items()]
        lines.append("TESTS='%s'" % " ".join(tests))
        (self.root / "tailrace" / "environment").write_text("\n".join(lines) + "\n")
        shutil.copy2(HERE / "init", self.root / "init")
        (self.root / "init").chmod(0o755)

    def write(self, path):
        """Uncompressed: unpacking under emulation costs more than reading."""
        names = subprocess.run(["find", "."], cwd=self.root, capture_output=True, check=True).stdout
        with open(path, "wb") as archive:
            subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], cwd=self.root, input=names, stdout=archive,
                           stderr=subprocess.DEVNULL, check=True)


def boot(kernel, archive, log, limit_s, processors=2, memory="2G"):
    """Boots, and gives (the tests' exit status, or None where there was none; seconds)."""
    command = ["timeout", "-k", "5", str(limit_s), "qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max",
               "-smp", str(processors), "-m", memory, "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
               "-no-reboot", "-kernel", str(kernel.image), "-initrd", str(archive), "-append", ARGUMENTS]
    begin = time.monotonic()
    with open(log, "wb") as output:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    status = None
    for line in lines_of(log):
        if line.startswith("VM-EXIT: "):
            status = int(line.split()[1])
    return status, time.monotonic() - begin


def lines_of(log):
    """The serial console's text, without its carriage returns."""
    return pathlib.Path(log).read_bytes().decode("utf-8", "replace").replace("\r", "").splitlines()
