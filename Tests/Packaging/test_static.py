# SPDX-License-Identifier: MIT
"""The static executable: what it needs, how large it is, and that nothing is loaded behind its back."""
import os
import re
import subprocess
import tempfile

from artifacts import STATIC, require_built, said, version
from load_client import Connection
from servers import TruthServer, wait_acknowledged
from tracer import Tracer, require_command

LARGEST = 25_000_000

# Functions of the C library that would load shared libraries (NSS, plugins): linked because something that is never called here
# refers to them.
NEVER_CALLED = {
    "dlopen", "dlmopen",  # the Swift runtime, when SWIFT_DEBUG_LIB_PRESPECIALIZED_PATH names a library
    "getpwuid_r", "getpwnam_r", "getgrgid_r", "getgrnam_r",  # FoundationEssentials: home directories, owners of files
    "mktemp",  # FoundationEssentials: writing atomically
    # SwiftNIO: names of hosts. What is listened on is given in numbers; names that the C library itself can look up, by
    # /etc/hosts and DNS, need no library since glibc 2.34.
    "getaddrinfo", "gethostbyname2_r", "getservbyname_r",
}


class Static(Tracer):
    """A run of the static executable."""

    prefix = []

    def command(self):
        return [*self.prefix, str(STATIC), *self.arguments]


def test_it_needs_no_library_and_no_loader():
    require_built(STATIC, "static")
    require_command("readelf")
    header, parts = said("readelf", "-h", STATIC), said("readelf", "-W", "-l", "-d", STATIC)
    assert "DYN (" in header, "not position-independent: %s" % header
    assert "INTERP" not in parts and "NEEDED" not in parts, parts
    assert "GNU_RELRO" in parts and re.search(r"FLAGS(_1)?\).*NOW", parts), parts
    assert re.search(r"GNU_STACK.*RW ", parts), "its stack is executable: %s" % parts
    assert said(STATIC, "--version").strip() == version()


def test_it_is_small():
    require_built(STATIC, "static")
    size = os.path.getsize(STATIC)
    assert size <= LARGEST, "%d bytes, at most %d" % (size, LARGEST)
    with open(STATIC, "rb") as file:
        content = file.read()
    assert b"icudt" not in content, "it has ICU's data: Foundation is linked"
    assert ".symtab" not in said("readelf", "-W", "-S", STATIC), "not stripped"
    return "%.1f MB" % (size / 1e6)


def test_what_would_load_libraries_is_known():
    """The C library marks these functions with a section that the linker keeps."""
    require_built(STATIC, "static")
    linked = set(re.findall(r"\.gnu\.warning\.(\w+)", said("readelf", "-W", "-S", STATIC)))
    assert linked, "no marks: does the linker drop them now?"
    assert linked <= NEVER_CALLED, "new: %s: are they called? They load libraries at run time." % sorted(linked - NEVER_CALLED)
    return ", ".join(sorted(linked))


def test_it_traces_and_loads_nothing():
    """A traced server, under strace: no library, no NSS configuration is looked for."""
    require_built(STATIC, "static")
    require_command("strace")
    with tempfile.TemporaryDirectory(prefix="tailrace-strace-") as directory, TruthServer() as server:
        calls = os.path.join(directory, "calls")
        Traced = type("Traced", (Static,), {"prefix": ["strace", "-D", "-f", "-qq", "-e", "trace=%file", "-o", calls]})
        with Traced(server.port) as tracer:
            connection = Connection("127.0.0.1", server.port, quick_ack=True)
            for number in range(20):
                connection.request("/length/1x%d" % (number + 1))
            wait_acknowledged(server.port)
            report = tracer.stop()
            connection.close()
        assert len(report.ended) == 20, "%d responses of 20" % len(report.ended)
        assert report.ended[0]["server"]["pid"] == server.pid, report.ended[0]["server"]
        with open(calls) as file:
            opened = re.findall(r'open(?:at)?\((?:AT_FDCWD, )?"([^"]+)"', file.read())
    assert "/sys/kernel/btf/vmlinux" in opened, "strace saw nothing: %s" % opened[:5]
    loaded = [path for path in opened if re.search(r"\.so(\.|$)|nsswitch|/etc/(passwd|group|hosts|resolv)|ld\.so", path)]
    assert not loaded, loaded
    return "%d files opened" % len(opened)


def test_doctor_says_the_same_as_the_release():
    """The same facts of the same kernel, by other libraries."""
    from tracer import BINARY

    require_built(STATIC, "static")
    one, other = (subprocess.run([path, "doctor", "--json"], capture_output=True, text=True) for path in (STATIC, BINARY))
    assert one.returncode == other.returncode and one.stdout == other.stdout, (one.stdout[-500:], other.stdout[-500:])
