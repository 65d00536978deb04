# SPDX-License-Identifier: MIT
"""An nginx of our own: a prefix in a temporary directory, a few static files, and an access log that counts bytes."""
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

CONFIGURATION = """
daemon off;
user root;
worker_processes 2;
pid %(prefix)s/pid;
error_log %(prefix)s/error.log;
events { worker_connections 256; }
http {
    types { text/html html; application/octet-stream bin; }
    log_format counted '$remote_addr $remote_port $connection_requests $request_method $uri $status '
                       '$bytes_sent $request_length';
    access_log %(prefix)s/access.log counted;
    client_body_temp_path %(prefix)s/body;
    proxy_temp_path %(prefix)s/proxy;
    fastcgi_temp_path %(prefix)s/fastcgi;
    uwsgi_temp_path %(prefix)s/uwsgi;
    scgi_temp_path %(prefix)s/scgi;
    sendfile %(sendfile)s;
    %(server)s
}
"""

SITE = "server { listen 127.0.0.1:%(port)d; root %(prefix)s/site; }"

FILES = {"small.html": 612, "page.html": 9000, "large.bin": 3_000_000}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nginx:
    """`server`: its part of the configuration, with %(port)d and %(prefix)s in it."""

    def __init__(self, sendfile=True, server=SITE):
        self.sendfile = sendfile
        self.server = server
        self.port = free_port()
        self.directory = tempfile.TemporaryDirectory(prefix="tailrace-nginx-")
        self.prefix = pathlib.Path(self.directory.name)
        self.process = None

    def __enter__(self):
        (self.prefix / "site").mkdir()
        for name, size in FILES.items():
            (self.prefix / "site" / name).write_bytes(b"n" * size)
        configuration = self.prefix / "nginx.conf"
        places = {"prefix": self.prefix, "port": self.port}
        configuration.write_text(CONFIGURATION % {**places, "sendfile": "on" if self.sendfile else "off",
                                                  "server": self.server % places})
        self.process = subprocess.Popen(["nginx", "-p", str(self.prefix), "-c", str(configuration),
                                         "-e", str(self.prefix / "error.log")], stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError("nginx did not start")
            time.sleep(0.02)
        return self

    def listens(self):
        """Asked without a connection, which would be one more in the trace and in the log."""
        wanted = "0100007F:%04X" % self.port
        with open("/proc/net/tcp") as table:
            return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in list(table)[1:])

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGTERM)
                self.process.wait(5)

    def log(self):
        """A record a request, as of the server: ends it."""
        self.end()
        records = []
        for line in (self.prefix / "access.log").read_text().splitlines():
            address, port, number, method, uri, status, sent, received = line.split(" ")
            records.append({"remote": [address, int(port)], "number": int(number), "method": method, "target": uri,
                            "status": int(status), "response_bytes": int(sent), "request_bytes": int(received)})
        return records

    def __exit__(self, *_):
        if self.process:
            self.end()
        self.directory.cleanup()
