# SPDX-License-Identifier: MIT
"""The daemon as a service: its settings, what it tells the service manager, its rights, and how it keeps within its limits."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from daemon import Daemon, wait_until
from load_client import Connection
from servers import TruthServer, wait_acknowledged
from test_canary import AS_NOBODY
from test_daemon_api import Stalled, matched
from tracer import BINARY, ROOT, Skip, require_command, require_tailrace, run_to_end

USAGE, FAILED = 64, 1
STRESS_S = int(os.environ.get("STRESS_SECONDS", "8"))

# (text, line of the fault, what the sentence says)
WRONG = (
    ("prot = 80", 1, ("prot", "port")), ("\n# remark\n\nport = 0", 4, ("port", "1 to 65535", "0")),
    ("port 80", 1, ("port",)), ("port = 80\nsocket = x", 2, ("absolute path", "x")), ("socket = /" + "s" * 120, 1, ("107",)),
    ("ring = 1MiB\nring = 2MiB", 2, ("line 1",)), ("ring = 3MiB", 1, ("power of two",)), ("cpu-limit = 0%", 1, ("share",)),
    ("memory-limit = 1MiB", 1, ("32MiB",)), ("tasks = maybe", 1, ("on or off", "maybe")), ("show-paths = no", 1, ("on or off",)),
    ("otlp-spans = some", 1, ("off, slow or all",)), ("otlp-endpoint = https://x:1", 1, ("http://",)),
    ("metrics-listen = 9842", 1, ("ADDRESS:PORT",)), ("flight-segment = 1ms", 1, ("1s",)), ("max-connections = -1", 1, ("from 1",)),
    ("threshold = slow-consumer.age", 1, ("threshold",)), ("threshold = slow.age=1s", 1, ("threshold", "slow")),
    ("comm = a-name-that-is-too-long-for-a-comm", 1, ("15 bytes",)), ("pid = x", 1, ("process id",)),
    ("metrics-listen = localhost:9842", 1, ("ADDRESS:PORT", "numbers", "localhost")), ("metrics-listen = 1.2.3:9842", 1, ("numbers",)),
    ("port = 80\notlp-endpoint = http://127.0.0.1:99999", 2, ("http://HOST:PORT", "99999")), ("otlp-endpoint = http://a b", 1, ("http://",)),
    ("otlp-header = a b=c", 1, ("NAME=VALUE", "a b")), ("otlp-header = x=1\notlp-header = X=2", 2, ("NAME=VALUE",)),
    ("otlp-header = host=x", 1, ("fixed",)), ("task-probe = open=exe", 1, ("open=BIN:SYMBOL", "open=exe")), ("foo = 1", 1, ("no key",)),
    ("cgroup = relative", 1, ("path",)), ("= 5", 1, ("key",)), ("port = 80\n\x1b[31m = 5", 2, ("key",)))


def test_settings_that_are_wrong_are_refused_with_their_line():
    with tempfile.TemporaryDirectory(prefix="tailrace-daemon-") as directory:
        name = os.path.join(directory, "tailrace.conf")
        for text, line, words in WRONG:
            with open(name, "w") as file:
                file.write(text + "\n")
            for options in ((), ("--check",)):
                done = run_to_end("daemon", "--config", name, *options)
                said = done.stderr.decode("utf-8")
                assert done.returncode == USAGE, "%r: exit code %d, %s" % (text, done.returncode, said)
                assert "%s:%d: " % (name, line) in said and said.count("\n") == 1, "%r: %r" % (text, said)
                assert all(word in said for word in words), "%r: %r lacks one of %s" % (text, said, words)
                assert "\x1b" not in said, repr(said)
                assert text != "foo = 1" or "did you mean" not in said, said
        os.mkfifo(directory + "/pipe")
        for path, word in ((directory + "/none", "No such file"), (directory, "cannot be read"), ("/dev/zero", "larger"),
                           (directory + "/pipe", "pipe")):
            done = run_to_end("daemon", "--config", path)
            assert done.returncode == USAGE and word in done.stderr.decode() and done.stderr.count(b"\n") == 1, (path, done.stderr)
    return "%d mistakes" % len(WRONG)


def test_the_default_settings_are_understood_and_are_those_that_are_installed():
    text = run_to_end("daemon", "--default-config").stdout.decode()
    installed = ROOT / "packaging" / "tailrace.conf"
    if installed.exists():
        assert installed.read_text() == text, "packaging/tailrace.conf is another"
    defaults = re.findall(r"^#([a-z-]+) =(.*)$", text, re.MULTILINE)
    assert len(defaults) > 20, defaults
    # Every default, said; what has none is a list, or nothing.
    said = "\n".join("%s =%s" % item for item in defaults if item[1] or item[0] in ("socket", "metrics-listen", "otlp-endpoint", "task-probe"))
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        for content in (text, said, "", text.replace("\n", "\r\n")):
            file.seek(0)
            file.truncate()
            file.write(content)
            file.flush()
            done = run_to_end("daemon", "--config", file.name, "--check")
            assert done.returncode == 0 and b"understood" in done.stderr, "%r: %s" % (content[:100], done.stderr)
    return "%d keys" % len(defaults)


def ask_for(server, target="/length/1x100"):
    connection = Connection("127.0.0.1", server.port)
    connection.request(target)
    connection.close()
    wait_acknowledged(server.port)


def slow(stream):
    return [item for item in stream.of_type("finding") if item["anomaly"] == "slow-consumer"]


def test_settings_are_read_again():
    require_tailrace()
    lenient = ["threshold = slow-consumer.age=600s"]
    with TruthServer() as first, TruthServer() as second, Daemon(first.port, settings=lenient) as daemon, \
            daemon.listen(types="response,finding") as stream:
        def told(port):
            return [item for item in stream.of_type("response") if item["connection"]["local"].endswith(":%d" % port)]

        ask_for(first)
        ask_for(second)
        wait_until(lambda: told(first.port), what="a response")
        with Stalled(first.port):
            time.sleep(4)
            assert not slow(stream), "the threshold is not in force: %s" % slow(stream)[:1]
            assert "read again" in daemon.reload(first.port, settings=["threshold = slow-consumer.age=1s"])
            wait_until(lambda: slow(stream), 15, "a finding by the new threshold")
        wait_until(lambda: len(told(first.port)) == 2, what="the end of the stalled one")
        assert "read again" in daemon.reload(second.port)
        assert daemon.ask("/v1/health")["target"]["ports"] == [second.port]
        ask_for(first)
        ask_for(second)
        wait_until(lambda: told(second.port), what="a response of the other port")
        time.sleep(0.3)
        assert (len(told(first.port)), len(told(second.port))) == (2, 1), (len(told(first.port)), len(told(second.port)))
        for wrong, words in ((["rong = 1"], "tailrace.conf:5: there is no key"), (["tasks = maybe"], "on or off")):
            said = daemon.reload(second.port, settings=wrong)
            assert "stay as they were: /" in said and words in said, said
        for _ in range(2):
            said = daemon.reload(second.port, settings=["ring = 1MiB", "show-paths = off"])
            assert "ring, show-paths changed" in said, "that needs a new start, and is not said: " + said
        with daemon.listen() as late:
            assert late.objects[0]["target"]["ports"] == [second.port], "`meta` tells an old target: %s" % late.objects[0]
        os.remove(daemon.config)
        before = len(daemon.errors())
        daemon.notice(signal.SIGHUP)
        daemon.wait_log("stay as they were", after=before)
        ask_for(second)
        wait_until(lambda: len(told(second.port)) == 2, what="a response after bad settings")
        daemon.stop()


def test_a_cgroup_that_is_not_there_yet_is_said_and_traced_once_it_is():
    require_tailrace()
    roots = [root for root in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(root + "/cgroup.procs")]
    if not roots:
        raise Skip("there is no cgroup2 at /sys/fs/cgroup")
    name = "/tailrace-test-%d" % os.getpid()
    with TruthServer() as server, Daemon(settings=["cgroup = " + name]) as daemon, daemon.listen(types="response") as stream:
        sentence = "there is no cgroup %s: what runs in it is traced once it is there" % name
        assert sentence in daemon.errors() and sentence in daemon.ask("/v1/health")["reasons"], (daemon.errors(), daemon.ask("/v1/health"))
        os.mkdir(roots[0] + name)
        try:
            with open(roots[0] + name + "/cgroup.procs", "w") as file:
                file.write(str(server.pid))
            wait_until(lambda: daemon.ask("/v1/health")["status"] == "ok", what="the cgroup")
            ask_for(server)
            wait_until(lambda: stream.of_type("response"), what="a response of the cgroup")
        finally:
            with open(roots[0] + "/cgroup.procs", "w") as file:
                file.write(str(server.pid))
            os.rmdir(roots[0] + name)


class Manager:
    """The service manager's end: what it is told, and when."""

    def __init__(self, name):
        self.name, self.told = name, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name[0] == "@" else name)
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while data := self.socket.recv(65536):
            self.told.append((time.monotonic(), dict(line.split("=", 1) for line in data.decode().split("\n"))))

    def of(self, key):
        return [(at, state) for at, state in list(self.told) if key in state]

    def environment(self):
        return {"NOTIFY_SOCKET": self.name, "WATCHDOG_USEC": "5000000"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)  # wakes who reads
        self.thread.join(5)
        self.socket.close()


def test_the_service_manager_is_told():
    require_tailrace()
    for named in (True, False):
        with tempfile.TemporaryDirectory(prefix="tailrace-notify-") as directory, TruthServer() as server, Manager(
                directory + "/notify" if named else "@tailrace-test-%d" % os.getpid()) as manager:
            with Daemon(server.port, environment=manager.environment()) as daemon:
                wait_until(lambda: manager.of("READY"), what="READY=1")
                assert [state.get("READY") for _, state in manager.told[:1]] == ["1"], manager.told[0]
                assert str(server.port) in manager.told[0][1]["STATUS"], manager.told[0]
                check_reload(manager, daemon, server)
                wait_until(lambda: len(manager.of("WATCHDOG")) > 4, what="signs of life")
                daemon.stop()
            times = [at for at, _ in manager.of("WATCHDOG")]
            gaps = [after - before for before, after in zip(times, times[1:])]
            assert max(gaps) < 5, "a gap of %.1f s: the manager would have killed it" % max(gaps)
            assert [state for _, state in manager.told if "STOPPING" in state] == [{"STOPPING": "1"}], manager.told[-2:]
            assert "WATCHDOG" not in manager.told[-1][1] and manager.told[-1][1].get("STOPPING") == "1", manager.told[-1]
    return "%d states" % len(manager.told)


def check_reload(manager, daemon, server):
    """RELOADING=1 with its time, then READY=1: what a unit of Type=notify-reload waits for."""
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    daemon.reload(server.port)
    wait_until(lambda: len(manager.of("READY")) == 2, what="READY=1 once more")
    (at, state), = manager.of("RELOADING")
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert state["RELOADING"] == "1" and before <= int(state["MONOTONIC_USEC"]) <= after, (before, state, after)
    assert at <= manager.of("READY")[1][0], "ready before it reloaded"


def rights(pid):
    """Of each of its threads: whatever it may still do."""
    told = {}
    for thread in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/status" % (pid, thread)) as file:
                lines = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        except FileNotFoundError:
            continue
        told[thread] = {name: int(lines[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")}
        told[thread]["privileges"] = 1 - int(lines["NoNewPrivs"])
    return told


def test_no_thread_has_a_right_also_after_many_requests():
    require_tailrace()
    most, seen = 0, 0
    with TruthServer() as server, Daemon(server.port, settings=["otlp-endpoint = http://127.0.0.1:9"]) as daemon, daemon.listen():
        end = time.monotonic() + STRESS_S
        while time.monotonic() < end:
            for target in ("/v1/health", "/v1/snapshot", "/metrics", "/v1/responses", "/v1/nothing"):
                daemon.get(target)
            ask_for(server)
            told = rights(daemon.pid)
            left = {thread: sets for thread, sets in told.items() if any(sets.values())}
            assert not left, "threads that may do something: %s" % left
            most, seen = max(most, len(told)), seen + 1
        assert most >= 3, "%d threads: which serve, which trace, which send?" % most
        daemon.stop()
    return "up to %d threads, looked at %d times" % (most, seen)


def test_the_journal_is_told_how_much_a_sentence_matters():
    """Where stderr is its stream, and nowhere else."""
    require_tailrace()
    with TruthServer() as server:
        for is_journal in (True, False):
            daemon = Daemon(server.port)
            open(daemon.path("stderr"), "w").close()
            status = os.stat(daemon.path("stderr"))
            daemon.environment = {"JOURNAL_STREAM": "%d:%d" % (status.st_dev, status.st_ino + (not is_journal))}
            with daemon:
                daemon.reload(server.port)
                daemon.reload(server.port, settings=["tasks = maybe"])
                lines = daemon.stop().splitlines()
            marks = [line.partition("tailrace: ")[0] for line in lines]
            assert marks == (["<6>", "<3>", "<6>"] if is_journal else [""] * 3), lines


def test_it_ends_in_order_and_there_is_one_on_a_socket():
    require_tailrace()
    with TruthServer() as server, Daemon(server.port) as daemon:
        second = run_to_end("daemon", "--config", daemon.config)
        said = second.stderr.decode()
        assert second.returncode == FAILED and "another service answers there" in said and said.count("\n") == 1, said
        assert daemon.get("/v1/health").status == 200, "the first one does not answer any more"
        for how in (signal.SIGTERM, signal.SIGINT):
            assert daemon.end(how) == 0 and not os.path.exists(daemon.socket), how
            os.remove(daemon.path("ready"))
            daemon.start().wait_ready()
        # What was killed leaves its file; it is no obstacle.
        daemon.process.kill()
        daemon.process.wait()
        assert os.path.exists(daemon.socket)
        os.remove(daemon.path("ready"))
        daemon.start().wait_ready()
        assert daemon.get("/v1/health").status == 200
        log = daemon.stop()
        assert log.count("ended; ") == 3, log


LEVELS = ("full", "no-streams", "few-looks", "no-tasks", "no-flight", "no-connections")
LAST = len(LEVELS) - 1


def test_it_gives_up_detail_step_by_step_and_says_so():
    require_tailrace()
    with TruthServer() as server, Daemon(server.port, settings=["cpu-limit = 0.5%"]) as daemon, daemon.listen() as stream:
        ended = threading.Event()

        def load():
            while not ended.is_set():
                connection = Connection("127.0.0.1", server.port)
                for _ in range(20):
                    connection.request("/length/3x2000")
                connection.close()

        worker = threading.Thread(target=load)
        worker.start()
        try:
            climbed = climb(daemon, stream)
        finally:
            ended.set()
            worker.join()
        # Back comes with a minute of calm; not so soon.
        health = daemon.ask("/v1/health")
        assert health["detail"]["level"] == LAST and health["target"]["ports"] == [server.port], health
        check_said(daemon, stream)
        daemon.stop()
    return "changed %s" % climbed


def check_said(daemon, stream):
    """Wherever somebody looks: on the stream, in the snapshot, on the dashboard and in its text."""
    levels = [item["detail"]["level"] for item in stream.of_type("detail")]
    assert levels == list(range(1, LAST + 1)), levels
    with daemon.listen() as late:
        assert late.until(lambda stream: stream.of_type("detail"), 5)[0]["detail"]["name"] == LEVELS[LAST], late.objects
    snapshot = daemon.ask("/v1/snapshot")
    assert snapshot["detail"]["level"] == LAST and snapshot["verdict"].startswith("The daemon does less"), snapshot["verdict"]
    with open(daemon.path("top"), "wb") as output:
        top = subprocess.Popen([str(BINARY), "top", "--socket", daemon.socket, "--interval", "500ms"], stdout=output,
                               stderr=subprocess.PIPE)
        time.sleep(2)
        top.send_signal(signal.SIGINT)
        errors = top.communicate(timeout=20)[1]
    with open(daemon.path("top")) as file:
        text = file.read()
    assert top.returncode == 0 and text.count("The daemon does less") >= 2, (top.returncode, errors, text)


def climb(daemon, stream):
    seen = [0]
    deadline = time.monotonic() + 90
    told = 0
    while seen[-1] < LAST:
        assert time.monotonic() < deadline, "it stays at level %d" % seen[-1]
        time.sleep(0.2)
        health = daemon.ask("/v1/health")
        level = health["detail"]["level"]
        if level == seen[-1]:
            continue
        seen.append(level)
        check_level(daemon, health, level)
        if level == 1:
            time.sleep(0.5)
            told = len(stream.of_type("response"))
            assert told, "nothing was told at full detail"
    assert seen == list(range(LAST + 1)), seen
    assert len(stream.of_type("response")) == told, "responses are told at less detail"
    assert stream.kinds.count("sample") > 3, "samples are not told any more"
    return seen


def check_level(daemon, health, level):
    assert (health["detail"]["name"], health["detail"]["changes"]) == (LEVELS[level], level), health["detail"]
    assert health["status"] == "degraded" and len(health["reasons"]) >= 1, health
    metrics = daemon.get("/metrics").body.decode()
    assert re.search(r"^tailrace_\w*level\w* %d(\.0)?$" % level, metrics, re.MULTILINE), re.findall(r".*level.*", metrics)
    assert len(re.findall(r"of a core and .*limits are", daemon.errors())) == level, daemon.errors()


def test_a_large_ring_is_no_memory_of_its_own():
    """It is mapped, which is no reason to give up anything; its own memory is."""
    require_tailrace()
    with TruthServer() as server, Daemon(server.port, settings=["ring = 128MiB", "memory-limit = 120MiB"]) as daemon:
        time.sleep(7)
        health = daemon.ask("/v1/health")
        assert health["own_cost"]["resident_bytes"] > 128 << 20, "the ring is not mapped: this shows nothing: %s" % health["own_cost"]
        assert health["detail"]["level"] == 0 and health["status"] == "ok", (health["detail"], health["reasons"])
        daemon.stop()
    with TruthServer() as server, Daemon(server.port, settings=["memory-limit = 32MiB"]) as daemon:
        own = daemon.ask("/v1/health")["own_cost"]["resident_bytes"] - (16 << 20)
        if own > 34 << 20:
            wait_until(lambda: daemon.ask("/v1/health")["detail"]["level"], 20, "a step to less for its own memory")
    return "%d MiB resident" % (health["own_cost"]["resident_bytes"] >> 20)


def test_it_runs_without_root():
    """As nobody, with the two capabilities that tracing needs, which it gives up too."""
    require_tailrace()
    require_command("setpriv")
    directory = tempfile.mkdtemp(prefix="tailrace-daemon-")
    os.chown(directory, 65534, 65534)
    try:
        with TruthServer() as server, Daemon(server.port, prefix=AS_NOBODY, directory=directory) as daemon, daemon.listen(
                types="response") as stream:
            with open("/proc/%d/status" % daemon.pid) as file:
                assert re.search(r"^Uid:\t65534\t65534\t65534\t65534$", file.read(), re.MULTILINE), "it is somebody else"
            for thread, sets in rights(daemon.pid).items():
                # To lower the bound takes a right that it never had; without new privileges it bounds nothing.
                assert not any(value for name, value in sets.items() if name != "CapBnd"), (thread, sets)
            for _ in range(20):
                ask_for(server)
            wait_until(lambda: len(stream.of_type("response")) == 20, what="all responses")
            assert os.stat(daemon.socket).st_uid == 65534 and os.stat(daemon.socket).st_mode & 0o777 == 0o660
            matched(stream.of_type("response"), server.log())
            daemon.stop()
    finally:
        shutil.rmtree(directory)


def test_without_a_right_it_says_which_it_needs():
    require_tailrace()
    require_command("setpriv")
    with tempfile.TemporaryDirectory(prefix="tailrace-daemon-") as directory:
        os.chown(directory, 65534, 65534)
        daemon = Daemon(directory=directory)
        done = subprocess.run([*AS_NOBODY[:6], *daemon.command()], capture_output=True, text=True, timeout=30)
        assert done.returncode == 77 and "CAP_BPF" in done.stderr and done.stderr.count("\n") == 1, (done.returncode, done.stderr)
        assert not os.path.exists(daemon.socket) and not os.path.exists(daemon.path("ready")), os.listdir(directory)
