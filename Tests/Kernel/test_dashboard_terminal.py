# SPDX-License-Identifier: MIT
"""The terminal that the dashboard runs in: given back whatever ends it, and never sent what others said."""
import os
import re
import signal
import subprocess
import tempfile
import time

from load_client import Connection
from screen import FULL, Screen, live, recorded
from servers import TruthServer, wait_acknowledged
from test_hostile_text import check_harmless, check_rig, hostile_server, hostile_traffic
from tracer import BINARY, Tracer, require_tailrace, run_to_end


class Recording:
    """A short recording of a few responses, in a file."""

    def __enter__(self):
        require_tailrace()
        with TruthServer() as server:
            def traffic():
                connection = Connection("127.0.0.1", server.port)
                for _ in range(5):
                    connection.request("/length/1x1000")
                wait_acknowledged(server.port)
                connection.close()
            data = recorded(traffic, server.port)
        self.file = tempfile.NamedTemporaryFile(prefix="tailrace-test-", suffix=".trc")
        self.file.write(data)
        self.file.flush()
        return self.file.name

    def __exit__(self, *_):
        self.file.close()


def check_ends(path, how, code):
    with Screen("top", "--replay", path) as screen:
        screen.wait_drawn()
        assert b"\x1b[?1049h" in screen.data, "it does not take a screen of its own"
        how(screen)
        ended = screen.end()
        assert ended == code, "exit code %d, not %d: %r" % (ended, code, screen.said())
        screen.check_given_back()
        screen.check_only_ours()


def test_keys_end_it_and_the_terminal_is_as_it_was():
    with Recording() as path:
        check_ends(path, lambda screen: screen.press("q"), 0)
        check_ends(path, lambda screen: screen.press("\x03"), 0)


def test_signals_end_it_and_the_terminal_is_as_it_was():
    with Recording() as path:
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            check_ends(path, lambda screen: screen.process.send_signal(name), 0)


def test_a_crash_gives_the_terminal_back():
    with Recording() as path:
        for name in (signal.SIGSEGV, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGFPE):
            check_ends(path, lambda screen: screen.process.send_signal(name), -name)


def test_it_stops_and_goes_on():
    with Recording() as path, Screen("top", "--replay", path) as screen:
        for stop in (lambda: screen.press("\x1a"), lambda: screen.process.send_signal(signal.SIGTSTP)):
            screen.wait_drawn()
            stop()
            screen.wait(lambda: screen.state() == "T", "it stops", 5)
            screen.read()
            screen.check_given_back()
            screen.data = b""
            screen.process.send_signal(signal.SIGCONT)
            screen.wait_drawn(b"\x1b[?1049h")
            screen.wait_drawn(b"tailrace")  # the whole picture anew
        screen.process.send_signal(signal.SIGTERM)
        assert screen.end() == 0
        screen.check_given_back()


def test_stopped_without_being_asked_it_draws_all_anew():
    with Recording() as path, Screen("top", "--replay", path) as screen:
        screen.wait_drawn()
        screen.process.send_signal(signal.SIGSTOP)
        screen.wait(lambda: screen.state() == "T", "it stops", 5)
        screen.read()
        screen.data = b""
        screen.process.send_signal(signal.SIGCONT)
        screen.wait_drawn(b"\x1b[2J")
        screen.press("q")
        assert screen.end() == 0
        screen.check_given_back()


def test_a_terminal_that_does_not_read_does_not_hold_it():
    """As after Ctrl-S, or at the end of a dead connection: frames wait, signals do not."""
    require_tailrace()
    with TruthServer() as server, Screen(*live(server.port), columns=300, rows=100) as screen:
        screen.wait_drawn()
        for size in range(40):  # each asks for a whole frame, which nobody reads
            screen.resize(260 + size, 90)
            time.sleep(0.05)
        used = cpu_seconds(screen.process.pid)
        time.sleep(1)
        busy = cpu_seconds(screen.process.pid) - used
        assert busy < 0.5, "it spins: %.2f s of a second" % busy
        screen.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        while screen.process.poll() is None:
            assert time.monotonic() < deadline, "it cannot be ended"
            time.sleep(0.02)
        assert screen.process.returncode == 0, screen.said()


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_terminal_that_goes_away_ends_it():
    with Recording() as path, Screen("top", "--replay", path) as screen:
        screen.wait_drawn()
        os.close(screen.own)
        assert screen.process.wait(10) == 0, "exit code %d: %r" % (screen.process.returncode, screen.said())


def test_not_on_a_terminal_it_is_text_in_whole_lines():
    require_tailrace()
    with TruthServer() as server, Tracer(server.port, "--interval", "500ms", command="top", json_lines=False) as tracer:
        connection = Connection("127.0.0.1", server.port)
        deadline = time.monotonic() + 20
        while tracer.output().count(b"\n") < 4:  # while it runs: nothing waits for a full buffer
            connection.request("/length/1x1000")
            assert time.monotonic() < deadline, "no table came"
            time.sleep(0.05)
        connection.close()
        assert tracer.end() == 0, tracer.errors()
        text = check_harmless(tracer.output(), "stdout")
    assert text.endswith("\n") and "\x1b" not in text
    assert text.isascii(), "not ASCII, though nobody said that it may be"


def test_a_dumb_terminal_gets_text():
    with Recording() as path, Screen("top", "--replay", path, environment={"TERM": "dumb", "LC_ALL": "C.UTF-8"}) as screen:
        assert screen.end() == 0
        assert b"\x1b" not in screen.data, "escapes for a terminal that knows none"
        assert b"5 ended" in screen.data, screen.data


def test_a_reader_that_goes_ends_it_quietly():
    require_tailrace()
    with Recording() as path:
        done = subprocess.run("%s top --replay %s | head -n 1" % (BINARY, path), shell=True, capture_output=True, timeout=30)
        assert done.returncode == 0 and not done.stderr, done.stderr


def test_a_file_that_is_no_recording_is_said_before_the_screen_is_taken():
    with Screen("top", "--replay", "/dev/null") as screen:
        assert screen.end() == 65, screen.said()
        assert b"\x1b" not in screen.data, screen.data
        assert b"recording" in screen.said() or b"empty" in screen.said(), screen.said()


def test_hostile_names_do_no_harm():
    require_tailrace()
    with hostile_server() as server, Screen(*live(server.port)) as screen:
        check_rig(server)
        screen.wait_drawn()
        hostile_traffic(server.port)
        connection = Connection("127.0.0.1", server.port)  # open while it is looked at
        connection.send("/chunked/50x10/a=\x1b]0;owned\x07\x9b2J")
        for keys in ("", "2", "3", "4", "1", "\r", "\x1b", "?", "?"):
            screen.press(keys)
            screen.read(0.7)
        connection.close()
        screen.press("q")
        assert screen.end() == 0, screen.said()
        screen.check_only_ours()
        screen.check_given_back()


def test_any_terminal_and_locale():
    """Each draws with what it has, and with nothing else."""
    own = r"(^|;)(3[0-7]|9[0-7]|4[0-7])(;|$)"
    with Recording() as path:
        for name, environment, colours in (
                ("console", {"TERM": "linux", "LC_ALL": "C.UTF-8"}, own), ("vt100", {"TERM": "vt100"}, None),
                ("plain locale", {"TERM": "xterm-256color", "LC_ALL": "C"}, "38;5;"),
                ("no colour", dict(FULL, NO_COLOR="1"), None), ("full", FULL, "38;2;")):
            with Screen("top", "--replay", path, environment=environment) as screen:
                screen.wait_drawn(b"tailrace")
                screen.press("q")
                assert screen.end() == 0, screen.said()
                screen.check_only_ours()
                screen.check_given_back()
                if environment.get("LC_ALL", "C") == "C":
                    assert screen.data.isascii(), "%s: not ASCII" % name
                told = screen.renditions()
                asked = [text for text in told if re.search(colours or own + "|[34]8;", text)]
                assert bool(asked) == bool(colours), "%s: %s" % (name, sorted(set(told)))


def test_help_and_wrong_options():
    assert b"--replay" in run_to_end("top", "--help").stdout
    for options in (["--color", "pink"], ["--interval", "10ms"], ["--background", "blue"]):
        done = run_to_end("top", *options)
        assert done.returncode == 64 and done.stderr, (options, done.returncode)
