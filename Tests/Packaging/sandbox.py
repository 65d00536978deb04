# SPDX-License-Identifier: MIT
"""
The sandbox of a unit, where systemd is not there to make it: `sandbox.py UNIT -- COMMAND...` runs the command in it.

Mounts as ProtectSystem=strict and its like make them, the user, the capabilities, and a seccomp filter of the same system calls.
What systemd does that is missing here: cgroups and their limits, IPAddressDeny, PrivateDevices.
"""
import ctypes
import os
import subprocess
import sys

ERRNO, ALLOW = 0x00050000, 0x7fff0000
EPERM, ENOSYS = 1, 38
EQUAL, MASKED = 4, 7  # enum scmp_compare
NAMESPACES = 0x7E020080  # every CLONE_NEW*
PROT_WRITE, PROT_EXEC = 2, 4
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("one", ctypes.c_uint64), ("other", ctypes.c_uint64)]


class Filter:
    """What libseccomp makes of rules."""

    def __init__(self):
        self.library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self.library.seccomp_init.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.library.seccomp_init(ERRNO | EPERM))

    def allow(self, name, *comparisons, action=ALLOW):
        number = self.library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # else it is of another architecture
            array = (Comparison * max(1, len(comparisons)))(*comparisons)
            result = self.library.seccomp_rule_add_array(self.context, action, number, len(comparisons), array)
            assert result == 0, "seccomp: %s: %d" % (name, result)

    def load(self):
        result = self.library.seccomp_load(self.context)
        assert result == 0, "seccomp_load: %d" % result


def filtered(calls, families):
    """The filter of these calls, with what RestrictNamespaces, MemoryDenyWriteExecute and RestrictAddressFamilies add."""
    made = Filter()
    special = {"clone", "clone3", "unshare", "setns", "mmap", "mprotect", "pkey_mprotect", "socket"}
    for name in sorted(calls - special):
        made.allow(name)
    made.allow("clone3", action=ERRNO | ENOSYS)  # its flags cannot be seen: the C library takes clone() then
    made.allow("clone", Comparison(0, MASKED, NAMESPACES, 0))
    for protection in (0, PROT_WRITE, PROT_EXEC):
        made.allow("mmap", Comparison(2, MASKED, PROT_WRITE | PROT_EXEC, protection))
    made.allow("mprotect", Comparison(2, MASKED, PROT_EXEC, 0))
    for family in families:
        made.allow("socket", Comparison(0, EQUAL, FAMILIES[family], 0))
    return made


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def make_mounts():
    """In a mount namespace of our own: the system read-only, homes and /tmp empty, the daemon's directories its own."""
    for path in ("/var/lib/tailrace", "/run/tailrace"):
        os.makedirs(path, exist_ok=True)
        mount("--bind", path, path)
        os.chmod(path, 0o750)
        subprocess.run(["chown", "tailrace:tailrace", path], check=True)
    for path in ("/home", "/root"):
        mount("-t", "tmpfs", "-o", "mode=000,ro", "none", path)
    mount("-t", "tmpfs", "-o", "mode=1777", "none", "/tmp")
    for line in open("/proc/self/mountinfo").read().splitlines():
        path = line.split()[4]
        if path not in ("/tmp", "/var/lib/tailrace", "/run/tailrace") and not path.startswith(("/dev", "/proc", "/sys/")):
            subprocess.run(["mount", "-o", "remount,bind,ro", path], capture_output=True)
    for path in ("/proc/sys", "/sys"):
        mount("--rbind", path, path)
        mount("-o", "remount,bind,ro", path)


def outside(unit, command):
    """As root: the mounts, then the user and the capabilities; the filter comes last, as with systemd."""
    import artifacts

    with open(__file__) as file:
        source = file.read()
    capabilities = artifacts.unit_values("AmbientCapabilities", unit)[0].lower().replace("cap_", "").split()
    plus = ",".join("+" + name for name in capabilities)
    calls = sorted(artifacts.allowed_calls())
    families = artifacts.unit_values("RestrictAddressFamilies", unit)[0].split()
    make_mounts()
    os.umask(0o077)
    os.environ["SWIFT_BACKTRACE"] = "enable=no"
    os.execvp("setpriv", [
        "setpriv", "--reuid=tailrace", "--regid=tailrace", "--init-groups", "--no-new-privs", "--bounding-set=-all," + plus,
        "--inh-caps=-all," + plus, "--ambient-caps=-all," + plus, "--",
        # From the text: the mounts may hide where this file lies.
        "/usr/bin/python3", "-B", "-S", "-c", source, "inside", " ".join(calls), " ".join(families), *command])


def inside(calls, families, command):
    filtered(set(calls.split()), families.split()).load()
    os.execvp(command[0], command)


if __name__ == "__main__":
    if sys.argv[1] == "inside":
        inside(sys.argv[2], sys.argv[3], sys.argv[4:])
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:0] = [here, os.path.join(os.path.dirname(here), "Kernel")]
    outside(sys.argv[1], sys.argv[sys.argv.index("--") + 1:])
