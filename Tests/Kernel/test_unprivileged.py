# SPDX-License-Identifier: MIT
"""Not as root: what `doctor` says of a user's rights is what happens with them, feature by feature."""
import json
import os
import re
import tempfile
import time
import urllib.request

from daemon import Daemon, wait_until
from go_servers import GoServer, build, releases
from namespaces import SERVER_ADDRESS, Namespaces
from servers import TruthServer
from task_probes import JobServer, accepted
from test_tasks_providers import SwiftServer
from tracer import BINARY, NOT_FOR_THIS_USER, ROOT, Tracer, require_command, require_tailrace, run_to_end

NOBODY = 65534
TRACING = ("bpf", "perfmon")
# Each has something that the one before it has not.
RIGHTS = ((), TRACING, (*TRACING, "sys_ptrace"), (*TRACING, "sys_ptrace", "dac_read_search"),
          (*TRACING, "sys_ptrace", "dac_read_search", "sys_admin"))


def nobody(capabilities):
    added = "".join(",+" + name for name in capabilities)
    ambient = ["--ambient-caps=-all" + added] if capabilities else []
    return ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups", "--bounding-set=-all" + added,
            "--inh-caps=-all" + added, *ambient]


class AsNobody(Tracer):
    def __init__(self, capabilities, port, *options):
        super().__init__(port, *options)
        self.prefix = nobody(capabilities)
        os.chown(self.directory.name, NOBODY, NOBODY)

    def command(self):
        return [*self.prefix, str(BINARY), *self.arguments]


def features(capabilities):
    done = run_to_end("doctor", "--json", prefix=nobody(capabilities), seconds=60)
    told = json.loads(done.stdout)["features"]
    assert (done.returncode == 0) == told["trace"]["works"], (done.returncode, told["trace"])
    for name, feature in told.items():
        if feature["works"] is False and name != "daemon":
            assert feature["needs"], "%s is off, and nothing turns it on: %s" % (name, feature)
    return told


def responses(capabilities, server, ask):
    with AsNobody(capabilities, server.port) as tracer:
        ask()
        return tracer.stop()


def provider(capabilities, server, ask):
    """Of the tasks at a response's end, once its server has been read."""
    def some():
        for _ in range(5):
            ask()
            time.sleep(0.4)

    [response] = responses(capabilities, server, some).responses[-1:]
    return (response["tasks"]["end"] or {}).get("provider")


def census(capabilities, pid, *options):
    done = run_to_end("tasks", pid, "--json", *options, prefix=nobody(capabilities), seconds=60)
    assert done.returncode in (0, NOT_FOR_THIS_USER), (done.returncode, done.stderr)
    return json.loads(done.stdout) if done.returncode == 0 else None


def happens(capabilities, servers):
    """Which features are there, by what comes out."""
    plain, go, swift, jobs = servers
    report = responses(capabilities, plain, lambda: plain_ask(plain))
    if not report.responses:
        return {}
    told = census(capabilities, plain.pid)
    pair = "open=%s,close=%s" % accepted(jobs.pid, "exe:job_open", "exe:job_close")
    probed = run_to_end("tasks", jobs.pid, "--json", "--task-probe", pair, prefix=nobody(capabilities), seconds=60)
    return {
        "trace": True,
        "executables": report.responses[0]["server"]["exe"] is not None,
        "goroutines": provider(capabilities, go, lambda: go.ask("/gc")) == "go",
        "swift_tasks": provider(capabilities, swift, lambda: swift.ask("/idle")) == "swift",
        "held_connections": told is not None and told["connections"] is not None,
        "task_probe": probed.returncode == 0,
    }


def plain_ask(server):
    urllib.request.urlopen("http://127.0.0.1:%d/length/1x100" % server.port).read()


def test_doctor_says_what_happens_with_the_rights_that_there_are():
    require_tailrace()
    require_command("setpriv")
    lines = []
    with tempfile.TemporaryDirectory(prefix="tailrace-test-") as directory, TruthServer() as plain, \
            GoServer(build(releases()[-1])) as go, SwiftServer(directory) as swift, JobServer() as jobs:
        for capabilities in RIGHTS:
            told = features(capabilities)
            if not told["trace"]["works"]:
                assert not capabilities, "these are enough to trace: %s" % (capabilities,)
                assert not any(told[name]["works"] for name in ("goroutines", "executables", "task_probe")), told
                continue
            found = happens(capabilities, (plain, go, swift, jobs))
            wrong = {name: (told[name], there) for name, there in found.items() if told[name]["works"] is not there}
            assert not wrong, "with %s doctor says otherwise: %s" % (capabilities, wrong)
            lines.append(sorted(name for name, there in found.items() if there))
    assert all(set(before) < set(after) for before, after in zip(lines, lines[1:])), "more rights, not more: %s" % lines
    return "; ".join("%s: %d features" % ("+".join(rights), len(names)) for rights, names in zip(RIGHTS[1:], lines))


def test_a_run_says_at_its_begin_what_it_cannot_tell():
    require_tailrace()
    require_command("setpriv")
    with TruthServer() as server:
        with AsNobody(TRACING, server.port) as tracer:
            tracer.stop()
            said = tracer.errors().decode()
        assert said.count("CAP_SYS_PTRACE") == 1 and "tailrace doctor" in said, said
        with AsNobody(RIGHTS[-1], server.port) as tracer:
            tracer.stop()
            assert "CAP_" not in tracer.errors().decode(), tracer.errors()


def test_a_port_in_another_network_namespace_is_found_without_a_right():
    require_tailrace()
    require_command("setpriv")
    with Namespaces() as link, TruthServer("--host", SERVER_ADDRESS, prefix=link.server) as server, \
            AsNobody(TRACING, server.port) as tracer:
        time.sleep(6)  # longer than a port may be without a listener
        assert tracer.process.poll() is None, tracer.errors()
        tracer.stop()


def as_in_the_manifest():
    """Root by name with the DaemonSet's capabilities, and never more."""
    text = (ROOT / "packaging" / "kubernetes" / "tailrace.yaml").read_text()
    [added] = re.findall(r"^ *add: \[(.*)\]$", text, re.MULTILINE)
    assert 'drop: ["ALL"]' in text and "allowPrivilegeEscalation: false" in text
    names = [name.strip(' "').lower() for name in added.split(",")]
    return ["setpriv", "--bounding-set=-all" + "".join(",+" + name for name in names), "--inh-caps=-all", "--no-new-privs"]


def readers(daemon):
    """What /proc says of the processes that read executables for it."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                is_reader = file.read().startswith(b"tailrace\0read-image\0")
            with open("/proc/%s/status" % pid) as file:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
            with open("/proc/%s/status" % status["PPid"]) as file:
                grandparent = re.search(r"^PPid:\t(\d+)$", file.read(), re.MULTILINE).group(1)
        except OSError:
            continue
        if is_reader and int(grandparent) == daemon.pid:
            found.append(status)
    return found


def test_goroutines_are_counted_with_the_capabilities_of_the_container():
    require_tailrace()
    require_command("setpriv")
    prefix = as_in_the_manifest()
    with GoServer(build(releases()[-1])) as go, Daemon(
            go.port, prefix=prefix, settings=["socket-group = root"]) as daemon:
        def counted():
            go.ask("/gc")
            samples = daemon.ask("/v1/samples")["samples"]
            return [sample["tasks"]["go"] for sample in samples if sample["tasks"].get("go")]

        wait_until(counted, 20, "a count of goroutines")
        confined = readers(daemon)
        assert confined, "nobody reads the executable"
        for status in confined:
            assert all(int(status[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")), status
            assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1"), status
        done = run_to_end("doctor", "--json", prefix=prefix, seconds=60)
        assert json.loads(done.stdout)["features"]["goroutines"]["works"] is True, done.stdout
        done = run_to_end("tasks", go.pid, "--json", prefix=prefix, seconds=60)
        assert done.returncode == 0 and b'"provider":"go"' in done.stdout, (done.returncode, done.stderr)
        daemon.stop()
    return " ".join(prefix[1:])
