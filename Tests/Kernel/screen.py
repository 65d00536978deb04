# SPDX-License-Identifier: MIT
"""A program on a terminal of its own: every byte that it writes there is looked at, and how it leaves it."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time

from servers import die_with_parent
from tracer import BINARY, OPTIONS, READY_WITHIN_S, Skip, require_tailrace

# All that the dashboard may write besides text: colours, places, the erased screen, and the modes it sets and takes back.
OURS = re.compile(r"\x1b\[(?:[0-9;]*m|\d+;\d+H|\d*C|2J|\?(?:1049|25|7|2004|2026|1000|1006)[hl])")
MODES = {"1049": False, "25": True, "7": True, "2004": False, "2026": False, "1000": False, "1006": False}
FULL = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}


class Screen:
    """`with Screen("top", ...) as screen:` starts it with a terminal as its controlling one."""

    def __init__(self, *arguments, columns=120, rows=30, environment=FULL):
        require_tailrace()
        self.arguments = [str(BINARY), *map(str, arguments)]
        self.columns, self.rows = columns, rows
        self.environment = {"PATH": os.environ["PATH"], **environment}
        self.data = b""
        self.process = None

    def __enter__(self):
        self.own, self.other = pty.openpty()
        self.resize(self.columns, self.rows)
        self.before = termios.tcgetattr(self.other)
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.arguments, stdin=self.other, stdout=self.other, stderr=self.errors, env=self.environment,
            start_new_session=True, preexec_fn=self.adopt)
        return self

    def adopt(self):
        die_with_parent()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, columns, rows):
        fcntl.ioctl(self.own, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def read(self, seconds=0.05):
        """What it writes for so long."""
        deadline = time.monotonic() + seconds
        while select.select([self.own], [], [], max(0, deadline - time.monotonic()))[0]:
            try:
                piece = os.read(self.own, 65536)
            except OSError:  # EIO: it has gone
                return
            if not piece or time.monotonic() > deadline:
                self.data += piece
                return
            self.data += piece

    def wait(self, holds, what, seconds=READY_WITHIN_S):
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "%s: not after %d s; it wrote %r, stderr: %r" % (
                what, seconds, self.data[-300:], self.said())
            if self.process.poll() in (69, 77):
                raise Skip("tailrace cannot trace here: %r" % self.said())
            self.read()

    def wait_drawn(self, text=b"\x1b[?2026l"):
        self.wait(lambda: text in self.data, "it draws %r" % text)
        return self

    def press(self, keys):
        os.write(self.own, keys.encode())

    def state(self):
        with open("/proc/%d/stat" % self.process.pid) as file:
            return file.read().rpartition(")")[2].split()[0]

    def end(self, seconds=10):
        """Its exit code, once it has written all."""
        self.wait(lambda: self.process.poll() is not None, "it ends", seconds)
        self.read()
        return self.process.returncode

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def check_given_back(self):
        """The terminal as it was: its settings, and each mode that was set."""
        after = termios.tcgetattr(self.other)
        assert after == self.before, "the settings of the terminal are not what they were"
        modes = dict(MODES)
        for name, how in re.findall(r"\x1b\[\?(\d+)([hl])", self.data.decode("utf-8", "replace")):
            modes[name] = how == "h"
        assert modes == MODES, "modes that stay: %s" % {name: modes[name] for name in modes if modes[name] != MODES[name]}
        colours = self.renditions()
        assert not colours or colours[-1] in ("", "0"), "the colour %s stays" % colours[-1]

    def renditions(self):
        """What it asked for in colours, bold and the like, in its order."""
        return re.findall(r"\x1b\[([0-9;]*)m", self.data.decode("utf-8", "replace"))

    def check_only_ours(self):
        """Nothing that moves, colours or rings but what the dashboard is known to write."""
        text = OURS.sub("", self.data.decode("utf-8"))
        rest = sorted({"U+%04X" % ord(sign) for sign in text if ord(sign) < 0x20 or 0x7f <= ord(sign) < 0xa0})
        assert not rest, "the terminal got %s: %r" % (rest, re.findall(r".{0,20}[\x00-\x1f\x7f-\x9f].{0,20}", text)[:3])
        assert not re.search("[\u200b-\u200f\u2028-\u202e\u2060-\u206f]", text), "text is turned around or hidden"

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.send_signal(signal.SIGCONT)
            self.process.wait()
        for descriptor in (self.own, self.other):
            try:
                os.close(descriptor)
            except OSError:
                pass
        self.errors.close()


def recorded(traffic, port):
    """Options that show a recording of that traffic: no privilege, and it starts at once."""
    from tracer import Recorder
    recorder = Recorder(port)
    with recorder:
        traffic()
        assert recorder.end() == 0, recorder.errors()
        with open(recorder.file, "rb") as file:
            return file.read()


def live(port):
    return ("top", "--port", port, *OPTIONS)
