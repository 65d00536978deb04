# SPDX-License-Identifier: MIT
"""What a user or a kernel does not allow: `doctor` and `trace` say precisely what is missing, and what to do."""
import json
import os

from load_client import Connection
from servers import TruthServer, wait_acknowledged
from tracer import NOT_FOR_THIS_USER, NOT_ON_THIS_KERNEL, Skip, Tracer, require_command, require_tailrace, run_to_end

WITHOUT_TYPES = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh"]


def only(*capabilities):
    """As root by name, with these capabilities and no other."""
    return ["setpriv", "--bounding-set=-all" + "".join(",+" + name for name in capabilities), "--inh-caps=-all"]


def refused(prefix, code, *words, never=()):
    """Both commands say it: one line each, with every word. Gives the line."""
    require_tailrace()
    done = run_to_end("doctor", "--json", prefix=prefix, seconds=60)
    assert done.returncode == code, "doctor: exit code %d: %s" % (done.returncode, done.stderr[-300:])
    advice = json.loads(done.stdout)["advice"]
    done = run_to_end("trace", "--port", "1", prefix=prefix, seconds=60)
    said = done.stderr.decode()
    assert done.returncode == code and said.count("\n") == 1, "trace: exit code %d: %r" % (done.returncode, said)
    for text in (advice, said):
        missing = [word for word in words if word not in text] + ["no " + word for word in never if word in text]
        assert not missing, "%s: %r" % (missing, text)
    return said.strip()


def require_new_enough():
    done = run_to_end("doctor", "--json", seconds=60)
    if done.returncode:
        raise Skip("tailrace cannot trace here: %s" % json.loads(done.stdout)["advice"])


def test_a_kernel_that_is_too_old_is_told_so():
    from verdicts import tell

    if os.environ.get("TAILRACE_VM") != "5.10":
        require_new_enough()
        return "it is not: the guest with Linux 5.10 is"
    said = refused([], NOT_ON_THIS_KERNEL, "5.10", "bpf_loop", "Linux 6.1")
    tell(too_old="it has no `bpf_loop()`")
    return said


def test_what_is_missing_without_cap_perfmon():
    require_command("setpriv")
    require_new_enough()
    return refused(only("bpf", "net_admin"), NOT_FOR_THIS_USER, "CAP_PERFMON", never=("CAP_BPF is",))


def test_what_is_missing_without_cap_bpf():
    require_command("setpriv")
    require_new_enough()
    return refused(only("perfmon", "net_admin"), NOT_FOR_THIS_USER, "CAP_BPF", never=("CAP_PERFMON is",))


def test_what_is_missing_without_any_capability():
    require_command("setpriv")
    require_new_enough()
    return refused(only("net_admin"), NOT_FOR_THIS_USER, "CAP_BPF", "CAP_PERFMON", "root")


def test_a_kernel_without_types_is_told_so():
    """Its file is hidden, in a mount namespace of our own."""
    for name in ("unshare", "mount"):
        require_command(name)
    return refused(WITHOUT_TYPES, NOT_ON_THIS_KERNEL, "/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF")


def test_cap_bpf_and_cap_perfmon_are_enough_or_what_is_said_to_be():
    """What README and the error messages promise: no root's other rights are used."""
    require_command("setpriv")
    require_new_enough()
    granted = ["bpf", "perfmon"]
    if run_to_end("doctor", "--json", prefix=only(*granted), seconds=60).returncode:
        refused(only(*granted), NOT_FOR_THIS_USER, "CAP_SYS_ADMIN is missing", "CAP_BPF and CAP_PERFMON and CAP_SYS_ADMIN")
        granted.append("sys_admin")
    with TruthServer() as server, Capable(server.port, only(*granted)) as tracer:
        connection = Connection("127.0.0.1", server.port, quick_ack=True)
        for number in range(20):
            connection.request("/length/1x%d" % (number + 1))
        wait_acknowledged(server.port)
        report = tracer.stop()
        connection.close()
    assert len(report.ended) == 20, "%d responses of 20" % len(report.ended)
    assert report.ended[0]["server"]["pid"] == server.pid and report.ended[0]["server"]["comm"], report.ended[0]["server"]
    report.check_no_loss()
    return "%d responses with %s" % (len(report.ended), ", ".join(granted))


class Capable(Tracer):
    """A run with some capabilities only."""

    def __init__(self, port, prefix):
        super().__init__(port)
        self.prefix = prefix

    def command(self):
        return [*self.prefix, *super().command()]
