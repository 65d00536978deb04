# SPDX-License-Identifier: MIT
"""The dashboard as a person uses it, in tmux: a planted slow client is found, at every size, live and from a recording."""
import glob
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
import threading
import time

from load_client import Connection
from schema import load, validator
from screen import OPTIONS
from servers import Client, TruthServer
from tracer import BINARY, READY_WITHIN_S, Recorder, require_command, require_tailrace, run_to_end

SIZES = [(160, 45), (120, 30), (80, 24), (60, 15)]
RATE = 100_000
SLOW = "/length/1x40000000/planted"


class Pane:
    """`with Pane("top", ...) as pane:` runs it in a tmux of its own, without anybody's settings."""

    def __init__(self, *arguments, columns=160, rows=45, environment=("COLORTERM=truecolor", "LC_ALL=C.UTF-8")):
        require_tailrace()
        require_command("tmux")
        self.directory = tempfile.mkdtemp(prefix="tailrace-test-")
        self.command = ["env", *environment, str(BINARY), *map(str, arguments), "--save-directory", self.directory]
        self.columns, self.rows = columns, rows

    def tmux(self, *arguments):
        # A server that tells its name to nobody else, and UTF-8 whatever the locale of the test run.
        done = subprocess.run(["tmux", "-u", "-S", os.path.join(self.directory, "tmux"), "-f", "/dev/null", *map(str, arguments)],
                              capture_output=True, timeout=20)
        assert done.returncode == 0, "tmux %s: %r" % (arguments[0], done.stderr)
        return done.stdout.decode()

    def __enter__(self):
        # Its exit code stays on the screen when it has ended.
        shell = " ".join("'%s'" % word for word in self.command) + "; echo ended with $?; sleep 100"
        self.tmux("new-session", "-d", "-s", "it", "-x", self.columns, "-y", self.rows, shell)
        return self

    def text(self):
        return self.tmux("capture-pane", "-p", "-t", "it")

    def press(self, *keys):
        self.tmux("send-keys", "-t", "it", *keys)

    def resize(self, columns, rows):
        self.tmux("resize-window", "-t", "it", "-x", columns, "-y", rows)

    def wait(self, *wanted, seconds=READY_WITHIN_S):
        """What is shown, once each of these is in it."""
        deadline = time.monotonic() + seconds
        while True:
            text = self.text()
            if all(re.search(pattern, text) for pattern in wanted):
                return text
            assert time.monotonic() < deadline, "%s is not shown:\n%s" % (
                [pattern for pattern in wanted if not re.search(pattern, text)], text)
            time.sleep(0.05)

    def saved(self, ending):
        return sorted(glob.glob(os.path.join(self.directory, "tailrace-*" + ending)))

    def __exit__(self, *_):
        try:
            self.tmux("kill-server")
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)


class Traffic:
    """A server with fast clients and a planted slow one: its port is what the dashboard must point at."""

    def __init__(self, rate=RATE, step=2048):
        self.rate, self.step = rate, step

    def __enter__(self):
        self.server = TruthServer().__enter__()
        self.port = self.server.port
        self.ends = False
        self.thread = threading.Thread(target=self.ask, daemon=True)
        return self

    def begin(self):
        """Once the tracer is there."""
        self.client = Client("slow_reader.py", "--port", self.port, "--target", SLOW, "--rate", self.rate,
                             "--step", self.step).__enter__()
        self.thread.start()

    def stalled(self):
        """The planted client's address, once its server writes nothing more: what `ss` says, not we."""
        before = None
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            told = subprocess.run(["ss", "-Htn", "state", "established", "sport = :%d" % self.port], capture_output=True,
                                  text=True, check=True).stdout
            held = [line.split() for line in told.splitlines() if int(line.split()[1]) > 500_000]
            now = [(fields[1], fields[3]) for fields in held]
            if now and now == before:
                return now[0][1]
            before = now
            time.sleep(1)
        raise AssertionError("no client stalls:\n" + told)

    def ask(self):
        connection = Connection("127.0.0.1", self.port)
        while not self.ends:
            connection.request("/length/1x2000/quick")
            time.sleep(0.02)
        connection.close()

    def __exit__(self, *_):
        self.ends = True
        if self.thread.is_alive():
            self.thread.join(5)
            self.client.__exit__()
        self.server.__exit__()


def attached(pane):
    return pane.wait(r"events/s", r"LIVE")


def check_fits(text, columns, rows):
    """Nothing wraps, no frame is torn: what begins as a frame's side ends as one."""
    lines = text.rstrip("\n").split("\n")
    assert len(lines) <= rows, "%d lines" % len(lines)
    for line in lines:
        assert len(line) <= columns, "%d columns: %r" % (len(line), line)
        if line[:1] in ("│", "╭", "╰"):
            assert len(line) == columns and line[-1] in "│╮╯", "a torn frame at %dx%d: %r" % (columns, rows, line)


def test_the_planted_client_is_found_in_three_keys_at_every_size():
    with Traffic() as traffic, Pane("top", "--port", traffic.port, *OPTIONS) as pane:
        attached(pane)
        traffic.begin()
        pane.wait("▶.*client window", "slow-consumer")
        for columns, rows in SIZES:
            pane.resize(columns, rows)
            text = pane.wait(r"read.? too slowly|reads too slowly")
            time.sleep(1.2)  # some frames at that size
            check_fits(pane.text(), columns, rows)
            pane.press("2")
            text = pane.wait("client window")
            check_fits(text, columns, rows)
            selected = next((line for line in text.split("\n") if "▶" in line), "")
            assert "client" in selected, "the planted response is not the selected one:\n" + text
            pane.press("Enter")
            text = pane.wait("planted")
            check_fits(text, columns, rows)
            pane.press("Escape")
            pane.press("1")
        return "%d sizes" % len(SIZES)


def test_a_client_that_stalled_before_anybody_looked_is_found_in_three_keys():
    """The usual case: one looks because something hangs. Nothing but the socket tells of it any more."""
    with Traffic(rate=1, step=1) as traffic:
        traffic.begin()
        peer = traffic.stalled()
        for columns, rows in SIZES:
            with Pane("top", "--port", traffic.port, *OPTIONS, columns=columns, rows=rows) as pane:
                text = pane.wait("▶.*client window", r"read.? too slowly|reads too slowly")
                check_fits(text, columns, rows)
                selected = next(line for line in text.split("\n") if "▶" in line)
                assert peer in selected, "%s is not the selected row:\n%s" % (peer, text)
                pane.press("3")
                line = next(line for line in pane.wait("▶.*client window").split("\n") if "▶" in line)
                assert peer in line and "idle" not in line, line
                pane.press("Enter")
                detail = pane.wait("begun unseen", "client window", "unsent +[1-9]", "waits +[1-9]")
                assert peer in detail, detail
                check_fits(detail, columns, rows)
        return "%s at %d sizes" % (peer, len(SIZES))


def test_a_key_is_answered_at_every_size_also_while_frozen():
    with Traffic() as traffic, Pane("top", "--port", traffic.port, *OPTIONS, columns=80, rows=24) as pane:
        pane.wait(r"ev/s", r"LIVE", "own ")
        traffic.begin()
        pane.wait("▶.*client window")
        for columns, rows, freezes in ((80, 24, False), (60, 15, False), (80, 24, True), (120, 30, True)):
            pane.resize(columns, rows)
            time.sleep(1.2)  # some frames at that size
            if freezes:
                pane.press("Space")
                pane.wait("FROZEN")
            pane.press("R")
            pane.wait("recording to .*R ends it", "● REC" if rows < 25 else "● recording")
            pane.press("R")
            pane.wait(r"\d+ records in ")
            pane.press("y")
            check_fits(pane.wait(r"the selected row saved in .*json"), columns, rows)
            if freezes:
                pane.press("Space")
                assert "records in" not in pane.wait("LIVE"), "an old message is shown"


def test_every_view_at_every_size_stays_in_its_frame():
    with Traffic() as traffic, Pane("top", "--port", traffic.port, *OPTIONS) as pane:
        attached(pane)
        traffic.begin()
        pane.wait("slow-consumer")
        for columns, rows in SIZES + [(200, 60), (61, 16)]:
            pane.resize(columns, rows)
            for keys in ("1", "2", "3", "4", "5", "?", "e", "g", "g", "g", "g"):
                pane.press(keys)
                time.sleep(0.12)
                check_fits(pane.text(), columns, rows)
            pane.press("1")
        pane.resize(40, 10)
        pane.wait("tailrace needs 60x15")
        pane.resize(100, 30)
        pane.wait("LIVE")
        pane.press("q")
        pane.wait("ended with 0")


def test_freezing_keeps_the_picture_and_not_the_time():
    with Traffic() as traffic, Pane("top", "--port", traffic.port, *OPTIONS) as pane:
        attached(pane)
        traffic.begin()
        pane.wait("slow-consumer")
        pane.press("Space")
        frozen = pane.wait("FROZEN")
        rows = [line for line in frozen.split("\n") if "client" in line and "▶" in line]
        time.sleep(2)
        after = pane.text()
        assert rows and rows == [line for line in after.split("\n") if "client" in line and "▶" in line], after
        pane.press("Space")
        pane.wait("LIVE")


def test_what_keys_save_is_for_the_owner_only_and_can_be_read():
    with Traffic() as traffic, Pane("top", "--port", traffic.port, *OPTIONS) as pane:
        attached(pane)
        traffic.begin()
        pane.wait("slow-consumer", "▶.*client window")
        pane.press("R")
        pane.wait(r"recording to \S+tailrace-")
        time.sleep(3)
        pane.press("R")
        pane.wait(r"\d+ records in ")
        pane.press("E")
        pane.wait("what is shown saved in")
        pane.press("y")
        pane.wait("the selected row saved in")
        recordings, texts = pane.saved(".trc"), pane.saved(".json")
        assert len(recordings) == 1 and len(texts) == 2, (recordings, texts)
        for name in recordings + texts:
            assert stat.S_IMODE(os.stat(name).st_mode) == 0o600, "others may read " + name
        objects = [json.load(open(name)) for name in texts]
        for item in objects:
            errors = [error.message for error in validator(load()).iter_errors(item)]
            assert not errors, "a %s is not what the schema says: %s" % (item["type"], errors[:2])
        whole = next(item for item in objects if item["type"] == "snapshot")
        row = next(item for item in objects if item["type"] == "row")
        assert row["of"] == "response" and row["held_by"] == "peer_window" and "planted" in row["target"], row
        assert any("planted" in (item["target"] or "") for item in whole["open"]) and whole["findings"], whole
        # The recording began while the planted response was on its way: it knows its connection and its server.
        done = run_to_end("export", recordings[0])
        assert done.returncode == 0, done.stderr
        told = [json.loads(line) for line in done.stdout.splitlines()]
        responses = [item for item in told if item["type"] == "response"]
        unsent = max([item["socket"]["unsent_bytes"] for item in told if item["type"] == "sample"] or [0])
        assert unsent > 1_000_000, "the slow client's connection is not in the recording: %d bytes unsent" % unsent
        assert all(item["server"]["comm"] for item in responses), "a server without a name"
        assert any(item["target"] and "quick" in item["target"] for item in responses)


def test_a_recording_is_shown_as_if_it_were_live():
    require_tailrace()
    require_command("tmux")
    with Traffic() as traffic:
        recorder = Recorder(traffic.port)
        with recorder:
            traffic.begin()
            time.sleep(8)
            assert recorder.end() == 0, recorder.errors()
            with Pane("top", "--replay", recorder.file) as pane:
                pane.wait("REPLAY|PLAY")
                pane.press(">")  # to where the first finding is told
                pane.wait("queue-pressure|slow-consumer|blocked-writers")
                pane.press("Space")
                for _ in range(4):
                    pane.press("+")
                pane.wait("slow-consumer", "▶.*client window")
                at_end = pane.wait("REPLAY end")
                shown = [clock(at_end)]
                pane.press("Left")
                deadline = time.monotonic() + 3
                while time.monotonic() < deadline:
                    shown.append(clock(pane.text()))
                assert min(shown) >= shown[0] - 2 and shown[-1] < shown[0], "moments on the way are shown: %s" % shown
                for _ in range(20):
                    pane.press("Left")
                pane.wait(r"‖ x\d+ 0 %")
                pane.press("Space")
                pane.wait("slow-consumer", "▶.*client window")
                pane.wait("REPLAY end")
                pane.press("Space")
                pane.wait("REPLAY ▶")
                pane.press("f")
                pane.wait("FROZEN .*REPLAY")
                pane.press("f")
                rates = re.findall(r"([\d.]+)([kMG]?) events/s", pane.text())
                assert all(unit in ("", "k") for _, unit in rates), "events a second that never were: %s" % rates
                pane.press("q")
                pane.wait("ended with 0")


def clock(text):
    """Seconds of the day in the header."""
    hours, minutes, seconds = re.search(r"(\d\d):(\d\d):(\d\d)", text.split("\n")[0]).groups()
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def cpu_ticks(pid):
    """Of the program, and of the process that reads tasks for it."""
    with open("/proc/%s/task/%s/children" % (pid, pid)) as file:
        processes = [pid] + file.read().split()
    total = 0
    for process in processes:
        with open("/proc/%s/stat" % process) as file:
            fields = file.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total


def test_its_own_cost_is_what_the_kernel_says():
    """The header's share against /proc, over the same seconds."""
    with Traffic() as traffic, Pane("top", "--port", traffic.port, *OPTIONS) as pane:
        attached(pane)
        traffic.begin()
        pid = next(name for name in os.listdir("/proc") if name.isdigit() and is_our(name, pane.directory))
        time.sleep(6)  # the header's is a mean over five seconds
        shown = []
        begin, ticks = time.monotonic(), cpu_ticks(pid)
        while time.monotonic() < begin + 10:
            shown.append(float(re.search(r"own cost ([\d.]+) %", pane.text()).group(1)))
            time.sleep(0.25)
        share = (cpu_ticks(pid) - ticks) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - begin) * 100
        mean = sum(shown) / len(shown)
        for one, other in zip(shown, shown[1:]):
            assert max(one, other) < 1.6 * min(one, other) + 1, "the share jumps: %s" % shown
        assert abs(mean - share) < max(1.5, 0.4 * share), "the header says %.1f %%, the kernel %.1f %%" % (mean, share)
        return "header %.1f %%, kernel %.1f %% of a core" % (mean, share)


def is_our(pid, directory):
    try:
        with open("/proc/%s/cmdline" % pid, "rb") as file:
            words = file.read().split(b"\0")
        return words[0] == str(BINARY).encode() and directory.encode() in words
    except OSError:
        return False
