# SPDX-License-Identifier: MIT
"""An initramfs in parts: what all guests have (tailrace, the tests, what they need), a kernel's modules, what a guest is to run."""
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
# What the tests call; what is not installed here is not in the guest either, and its tests say so.
COMMANDS = ("busybox", "dash", "python3", "ip", "tc", "ss", "nstat", "nft", "tcpdump", "nginx", "curl", "bpftool", "env", "sleep",
            "unshare", "nsenter", "setpriv", "mount", "true")
MODULES = ("virtio_pci", "virtio_net", "veth", "sch_netem", "sch_tbf", "sch_fq", "sch_fq_codel", "tls", "gcm", "ctr", "ghash_generic", "tcp_diag", "nf_tables",
           "nft_numgen", "af_packet", "bridge")


class Image:
    """A directory that becomes a part of the guest's root: the kernel unpacks one part over the other."""

    def __init__(self, directory):
        self.root = pathlib.Path(directory)
        self.root.mkdir()

    def write_file(self, name, text, mode=0o644):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

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

    def write(self, archive):
        """Appends it to an archive. Uncompressed: unpacking under emulation costs more than reading."""
        names = sorted(subprocess.run(["find", "."], cwd=self.root, capture_output=True, text=True, check=True).stdout.splitlines())
        subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], cwd=self.root, input="\n".join(names).encode(), stdout=archive,
                       stderr=subprocess.DEVNULL, check=True)


def base(directory, binary):
    """What every guest has: commands, Python, tailrace, the tests and what they run."""
    image = Image(directory)
    for name in ("bin", "proc", "sys", "dev", "tmp", "run", "etc", "modules", "var/log/nginx", "var/lib/nginx"):
        (image.root / name).mkdir(parents=True)
    image.write_file("etc/passwd", "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n")
    image.write_file("etc/group", "root:x:0:\nnogroup:x:65534:\nwww-data:x:33:\n")
    image.write_file("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
    add_commands(image)
    add_python(image)
    add_native(image)
    for name in ("Tests/Kernel", "Tests/Scenarios", "schema"):
        shutil.copytree(ROOT / name, image.root / "tailrace" / name, ignore=shutil.ignore_patterns("__pycache__"))
    image.add(binary, "/tailrace/bin/tailrace")
    image.write_file("init", (HERE / "init").read_text(), 0o755)
    return image


def add_commands(image):
    for name in COMMANDS:
        path = shutil.which(name)
        if path:
            image.add(os.path.realpath(path), "/usr/bin/" + name)
    image.add(shutil.which("dash"), "/bin/sh")
    image.add(shutil.which("busybox"), "/bin/busybox")


def add_python(image):
    library = pathlib.Path(sysconfig.get_path("stdlib"))
    leave = shutil.ignore_patterns("test", "idlelib", "lib2to3", "pydoc_data", "distutils", "ensurepip", "*-packages", "config-*")
    shutil.copytree(library, image.root / str(library).lstrip("/"), ignore=leave)
    for extension in (library / "lib-dynload").glob("*.so"):
        image.add(extension)


def add_native(image):
    """The scenarios in C, compiled here: a guest has no compiler."""
    sys.path[:0] = [str(ROOT / "Tests" / "Kernel"), str(ROOT / "Tests" / "Scenarios")]
    import native
    import send_calls

    for path in [native.native(name) for name in ("ledger_server", "swarm")] + [send_calls.program()]:
        image.add(path, "/tailrace/native/" + os.path.basename(path))


def add_modules(image, kernel):
    """A kernel's own modules, in the order in which they depend on each other."""
    files = []
    for name in MODULES:
        shown = subprocess.run(["modprobe", "-d", kernel.directory, "-S", kernel.version, "--show-depends", name],
                               capture_output=True, text=True).stdout
        files += [line.split()[1] for line in shown.splitlines() if line.startswith("insmod ")]
    (image.root / "modules").mkdir()
    for number, file in enumerate(dict.fromkeys(files)):
        target = image.root / "modules" / ("%03d.ko" % number)
        if file.endswith(".xz"):
            target.write_bytes(subprocess.run(["xz", "-dc", file], capture_output=True, check=True).stdout)
        else:
            shutil.copyfile(file, target)


def add_environment(image, environment, tests):
    lines = ["export %s='%s'" % item for item in sorted(environment.items())]
    image.write_file("tailrace/environment", "\n".join(lines + ["TESTS='%s'" % " ".join(tests)]) + "\n")
