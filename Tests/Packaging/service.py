# SPDX-License-Identifier: MIT
"""The daemon as it is installed: its package in a copy of this system, its unit's command in its unit's sandbox."""
import json
import os
import re
import signal
import socket
import subprocess
import time

from artifacts import UNIT, debian_package, unit_values
from overlay import Overlay
from servers import die_with_parent
from tracer import require_command

READY_WITHIN_S, ENDS_WITHIN_S = 60, 15
SANDBOX = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sandbox.py")


class Service:
    """
    `with Service("port = 80") as service:` it is ready. `settings`: lines for its file; `prefix`: a command that runs the sandbox and
    becomes it, as strace -D.
    """

    def __init__(self, settings="", prefix=()):
        self.settings, self.prefix = settings, prefix
        self.system = Overlay()
        self.told = []

    def __enter__(self):
        for name in ("setpriv", "mount", "systemd-analyze"):
            require_command(name)
        self.system.__enter__()
        try:
            self.system.install(debian_package())
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def begin(self):
        self.configure(self.settings)
        name = "@tailrace-test-%d" % os.getpid()
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind("\0" + name[1:])
        command = [*self.prefix, "unshare", "--mount", "/usr/bin/python3", "-B", SANDBOX, str(UNIT), "--",
                   *unit_values("ExecStart")[0].split()]
        environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000000"}
        self.errors_path = os.path.join(self.system.directory.name, "errors")
        with open(self.errors_path, "wb") as errors:
            self.process = subprocess.Popen(self.system.command(*command), env=environment, stdin=subprocess.DEVNULL, stdout=errors,
                                            stderr=errors, preexec_fn=die_with_parent)
        self.wait_told("READY=1", READY_WITHIN_S)

    def configure(self, settings):
        self.system.run("sh", "-c", 'cat > /etc/tailrace/tailrace.conf', input=settings + "\n")

    @property
    def pid(self):
        return self.process.pid

    def wait_told(self, word, seconds=10):
        """What the service manager is told."""
        deadline = time.monotonic() + seconds
        self.notices.settimeout(0.2)
        while True:
            try:
                self.told.append(self.notices.recv(4096).decode())
                if word in self.told[-1].split("\n"):
                    return self.told[-1]
            except TimeoutError:
                pass
            assert self.process.poll() is None, "exit code %d: %s" % (self.process.returncode, self.errors())
            assert time.monotonic() < deadline, "no %s after %d s, but %s; %s" % (word, seconds, self.told, self.errors())

    def errors(self):
        with open(self.errors_path) as file:
            return file.read()[-1500:]

    def ask(self, path):
        """(status, body) over its socket, as root."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        client.connect("/proc/%d/root/run/tailrace/tailrace.sock" % self.pid)
        client.sendall(b"GET %s HTTP/1.1\r\nHost: tailrace\r\nConnection: close\r\n\r\n" % path.encode())
        reply = b""
        while part := client.recv(65536):
            reply += part
        client.close()
        head, _, body = reply.partition(b"\r\n\r\n")
        if b"chunked" in head.lower():
            body = b"".join(re.split(rb"\r?\n?[0-9a-f]+\r\n", body))
        return int(head.split()[1]), body

    def json(self, path):
        status, body = self.ask(path)
        assert status == 200, (status, body)
        return json.loads(body)

    def family(self):
        """{process: {field of its status: value}} of the daemon and all that it started."""
        found, wanted = {}, [self.pid]
        while wanted:
            pid = wanted.pop()
            for task in os.listdir("/proc/%d/task" % pid):
                with open("/proc/%d/task/%s/status" % (pid, task)) as file:
                    found[int(task)] = dict(re.findall(r"^(\w+):\s*(.*)$", file.read(), re.M))
                with open("/proc/%d/task/%s/children" % (pid, task)) as file:
                    wanted += map(int, file.read().split())
        return found

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(ENDS_WITHIN_S)

    def __exit__(self, *_):
        process = getattr(self, "process", None)
        if process and process.poll() is None:
            process.kill()
            process.wait()
        if hasattr(self, "notices"):
            self.notices.close()
        self.system.__exit__()
