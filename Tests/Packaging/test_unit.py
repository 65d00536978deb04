# SPDX-License-Identifier: MIT
"""The unit by systemd's own tools, and what goes with it."""
import os
import re
import subprocess
import tempfile

from artifacts import PACKAGING, UNIT, said, unit_values, unpacked
from tracer import require_command

THRESHOLD = 20  # tenths


def exposure(path):
    """(exit code, tenths, [what still counts])"""
    done = subprocess.run(["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=%d" % THRESHOLD, path],
                          capture_output=True, text=True, env=dict(os.environ, SYSTEMD_COLORS="0", SYSTEMD_EMOJI="0", LC_ALL="C.UTF-8"))
    found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout[-500:] + done.stderr[-500:]
    return done.returncode, round(float(found.group(1)) * 10), re.findall(r"^✗ (\S+)", done.stdout, re.M)


def variant(directory, *changes):
    """The unit with (pattern, replacement)s."""
    text = UNIT.read_text()
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text, flags=re.M)
        assert count, pattern
    path = os.path.join(directory, "tailrace.service")
    with open(path, "w") as file:
        file.write(text)
    return path


def test_its_exposure_is_low():
    """And it is seen where it is not: the same unit as root, with a capability more."""
    require_command("systemd-analyze")
    code, tenths, left = exposure(str(UNIT))
    assert code == 0 and tenths <= THRESHOLD, "%.1f: %s" % (tenths / 10, left)
    with tempfile.TemporaryDirectory(prefix="tailrace-unit-") as directory:
        loose = variant(directory, (r"^User=.*\n", ""), (r"CAP_PERFMON", "CAP_PERFMON CAP_SYS_ADMIN CAP_NET_ADMIN"))
        assert exposure(loose)[0] != 0, "a loose unit passes too"
    reasons = UNIT.read_text().partition("still counts")[2].partition("[Install]")[0]
    unsaid = [name for name in left if not re.search(r"(^|[ ,])%s($|[ ,:])" % re.escape(name), reasons, re.M)]
    assert not unsaid, "no reason is given for %s" % unsaid
    return "%.1f" % (tenths / 10)


def test_systemd_understands_it():
    """With what the package installs, and with each drop-in; a setting that does not exist is found."""
    require_command("systemd-analyze")

    def complaints(path, root):
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--root=" + root, path], capture_output=True, text=True)
        return [line for line in (done.stdout + done.stderr).splitlines() if "tailrace" in line], done.returncode

    with unpacked() as root:
        # What the unit wants of other packages.
        for path in ("/bin/kill", "/lib/systemd/system/sysinit.target", "/lib/systemd/system/basic.target",
                     "/lib/systemd/system/shutdown.target", "/lib/systemd/system/multi-user.target"):
            os.makedirs(root + os.path.dirname(path), exist_ok=True)
            said("cp", path, root + path)
        unit = root + "/lib/systemd/system/tailrace.service"
        found, code = complaints("tailrace.service", root)
        assert not found and code == 0, found
        for example in sorted((PACKAGING / "systemd").glob("*.conf")):
            drop_ins = unit + ".d"
            os.makedirs(drop_ins, exist_ok=True)
            said("cp", example, drop_ins)
            found, code = complaints("tailrace.service", root)
            assert not found and code == 0, "%s: %s" % (example.name, found)
        with open(unit, "a") as file:
            file.write("[Service]\nProtectEverything=yes\n")
        assert complaints("tailrace.service", root)[0], "verify finds nothing at all"


def test_what_it_starts_is_in_the_package():
    with unpacked() as root:
        command = unit_values("ExecStart")[0].split()
        assert os.access(root + command[0], os.X_OK), command
        assert os.path.exists(root + command[command.index("--config") + 1]), command
        assert open(root + "/lib/systemd/system/tailrace.service").read() == UNIT.read_text()


def test_its_user_is_made():
    require_command("systemd-sysusers")
    with tempfile.TemporaryDirectory(prefix="tailrace-users-") as root:
        os.mkdir(root + "/etc")
        said("systemd-sysusers", "--root=" + root, PACKAGING / "systemd" / "tailrace.sysusers")
        user = [line for line in open(root + "/etc/passwd") if line.startswith(unit_values("User")[0] + ":")]
        assert user and user[0].split(":")[5] == "/var/lib/tailrace", user
        assert [line for line in open(root + "/etc/group") if line.startswith(unit_values("Group")[0] + ":")]


def test_only_old_kernels_get_a_capability_more():
    """The generator, with the symbols of both kinds of kernels, and without any."""
    generator = PACKAGING / "systemd" / "tailrace-generator"
    with tempfile.TemporaryDirectory(prefix="tailrace-generator-") as directory:
        def generated(symbols):
            path = os.path.join(directory, "kallsyms")
            with open(path, "w") as file:
                file.write(symbols)
            output = tempfile.mkdtemp(dir=directory)
            said(generator, output, output, output, env=dict(os.environ, TAILRACE_SYMBOLS=path if symbols else directory + "/none"))
            return ["%s/%s" % (os.path.relpath(place, output), name) for place, _, names in os.walk(output) for name in names]

        assert generated("0 T bpf_preempt_disable\n0 T tcp_sendmsg\n") == []
        assert generated("") == []
        assert generated("0 T bpf_preempt_disable_not\n0 T tcp_sendmsg\n") == ["tailrace.service.d/before-linux-6.10.conf"]
