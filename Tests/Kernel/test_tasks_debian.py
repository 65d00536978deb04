# SPDX-License-Identifier: MIT
"""Go servers from Debian's own packages, built by others: against what their own profiles say."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

from go_servers import census, grouped, open_tasks
from servers import die_with_parent
from tracer import ROOT, Skip, require_tailrace

SERVERS = ROOT / ".build" / "go-servers" / "usr" / "bin"  # `make go-servers` unpacks them there; nothing is installed


def binary(name):
    require_tailrace()
    found = shutil.which(name) or shutil.which(name, path=str(SERVERS))
    if not found:
        raise Skip("needs %s (make go-servers)" % name)
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def fetch(port, path):
    deadline = time.monotonic() + 30
    while True:
        try:
            # Not kept: an idle connection has a goroutine of its own.
            request = urllib.request.Request("http://127.0.0.1:%d%s" % (port, path), headers={"Connection": "close"})
            return urllib.request.urlopen(request, timeout=10).read().decode()
        except OSError:
            assert time.monotonic() < deadline, "the server does not answer on port %d" % port
            time.sleep(0.1)


PROFILE = "/debug/pprof/goroutine?debug=1"
ANSWERING = 2  # goroutines that only the answer itself has: what serves it, and what reads from its connection meanwhile


def check(command, port):
    with tempfile.TemporaryDirectory(prefix="tailrace-debian-") as directory:
        process = subprocess.Popen([part.replace("@", directory) for part in command], cwd=directory, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent,
                                   env=dict(os.environ, HOME=directory, XDG_DATA_HOME=directory, XDG_CONFIG_HOME=directory))
        try:
            fetch(port, PROFILE)
            # Such a server is never quite at rest: of a few tries, one has the same on both sides.
            for _ in range(20):
                time.sleep(0.3)
                told, counts = census(process.pid)
                own = int(re.search(r"^goroutine profile: total (\d+)", fetch(port, PROFILE)).group(1)) - ANSWERING
                seen = (open_tasks(told), grouped(told))
                if seen == (own, own):
                    break
        finally:
            process.kill()
            process.wait()
    assert seen == (own, own), "told %s, the server says %d" % (seen, own)
    places = [group["created_by"] for group in told["groups"] if group["provider"] == "go" and group["created_by"]]
    assert places and all(place["function"] and place["line"] for place in places), places
    return "%d goroutines, %s" % (own, counts["go"]["remark"])


def test_caddy():
    port, admin = free_port(), free_port()
    config = '{"admin": {"listen": "127.0.0.1:%d"}, "apps": {"http": {"servers": {"a": {"listen": ["127.0.0.1:%d"]}}}}}' % (
        admin, port)
    command = ["sh", "-c", "printf '%%s' '%s' > @/config.json && exec %s run --config @/config.json" % (config, binary("caddy"))]
    return check(command, admin)


def test_prometheus():
    port = free_port()
    command = ["sh", "-c", "touch @/config.yml && exec %s --config.file=@/config.yml --storage.tsdb.path=@/data "
               "--web.listen-address=127.0.0.1:%d" % (binary("prometheus"), port)]
    return check(command, port)
