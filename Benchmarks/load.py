# SPDX-License-Identifier: MIT
"""The load: a server on one processor, a client on the other, and cumulative counts of what they did."""
import ctypes
import http.client
import mmap
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

NGINX_CONFIGURATION = """
daemon off; user root; worker_processes 1; worker_cpu_affinity {mask}; pid nginx.pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{ listen 127.0.0.1:{port}; location / {{ default_type text/plain; return 200 "{body}"; }} }}
  server {{ listen 127.0.0.1:{status_port}; location / {{ stub_status; }} }}
}}
"""


def prefer_this_session():
    """The top weight of the scheduler's session group: nice(1) does not count between sessions while autogroup is on."""
    try:
        with open("/proc/self/autogroup", "w") as file:
            file.write("-20")
    except OSError:
        pass  # autogroup is off, or may not be changed: the ratios hold, their intervals widen


def start(command, processor=None, **options):
    """Starts `command` in a session of its own, preferred, on one processor; it dies with this process."""
    def prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        prefer_this_session()
        if processor is not None:
            os.sched_setaffinity(0, {processor})
    return subprocess.Popen(command, start_new_session=True, preexec_fn=prepare, **options)


def stop(process, wait=5):
    """Ends a process that start() started, and reaps it."""
    if process is None:
        return
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def processor_ns(task):
    """Time on a processor of one thread, ns (/proc/PID/task/TID/schedstat; up to a tick old)."""
    with open(f"/proc/{task}/schedstat") as file:
        return int(file.read().split()[0])


def wait_for_listener(port, process):
    for _ in range(200):
        if process.poll() is not None:
            break
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"the server did not listen on port {port}")


class Client:
    """wrk on the second processor, until it is stopped."""

    def __init__(self, port, connections, processor):
        self.process = start(["wrk", "-t1", f"-c{connections}", "-d3600s", f"http://127.0.0.1:{port}/"], processor,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        time.sleep(0.7)
        tasks = os.listdir(f"/proc/{self.process.pid}/task")
        self.task = max(int(task) for task in tasks)
        self.path = f"{self.process.pid}/task/{self.task}"

    def close(self):
        stop(self.process)


class Nginx:
    """nginx with one worker, which answers every request with 101 bytes of body."""

    connections = 32

    def __init__(self, directory, processor=0):
        self.port, self.status_port = free_port(), free_port()
        configuration = pathlib.Path(directory, "nginx.conf")
        configuration.write_text(NGINX_CONFIGURATION.format(
            mask=f"{1 << processor:b}", port=self.port, status_port=self.status_port, body="x" * 101))
        self.process = start(["nginx", "-p", str(directory), "-c", str(configuration)], processor,
                             stdin=subprocess.DEVNULL)
        wait_for_listener(self.status_port, self.process)
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.server = children[0]
        self.status = http.client.HTTPConnection("127.0.0.1", self.status_port)

    def counts(self):
        """Requests answered so far, by nginx's own count (and this one: it is on another port, so not traced)."""
        self.status.request("GET", "/")
        text = self.status.getresponse().read().decode()
        requests = int(re.search(r"requests\s+\d+ \d+ (\d+)", text).group(1))
        return {"responses": requests, "chunks": requests}

    def close(self):
        self.status.close()
        stop(self.process)


class StreamServer:
    """stream_server.c: `chunks` events a response, unpaced or one every `interval_us` on each connection."""

    def __init__(self, directory, chunks, interval_us, connections, processor=0):
        self.connections = connections
        self.port = free_port()
        program = pathlib.Path(directory, "stream_server")
        if not program.exists():
            subprocess.run(["clang", "-O2", "-Wall", "-Werror", "-D_GNU_SOURCE", str(HERE / "stream_server.c"), "-o",
                            str(program)], check=True)
        counters = pathlib.Path(directory, "counters")
        counters.write_bytes(bytes(mmap.PAGESIZE))
        with open(counters, "r+b") as file:
            self.counters = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.process = start([str(program), str(self.port), str(counters), str(chunks), str(interval_us)], processor,
                             stdin=subprocess.DEVNULL)
        wait_for_listener(self.port, self.process)
        self.server = str(self.process.pid)

    def counts(self):
        responses, chunks = struct.unpack_from("QQ", self.counters)
        return {"responses": responses, "chunks": chunks}

    def close(self):
        stop(self.process)
        self.counters.close()
