# SPDX-License-Identifier: MIT
"""An unmodified nginx: counts, statuses and bytes, against its access log and what the clients got over the wire."""
import subprocess

from load_client import Connection
from nginx_site import FILES, Nginx
from servers import wait_acknowledged
from tracer import Tracer, require_command, require_tailrace
from truth import pairs


def keep_alive_client(port):
    """(method, target, status, bytes on the wire) of each request."""
    connection = Connection("127.0.0.1", port)
    etag = connection.request("/page.html").headers["etag"]
    asked = [("GET", "/page.html", ())]
    got = []
    requests = [("GET", "/small.html", ()), ("GET", "/large.bin", ()), ("HEAD", "/large.bin", ()),
                ("GET", "/page.html", ("If-None-Match: " + etag,)), ("GET", "/nowhere", ()), ("HEAD", "/nowhere", ()),
                ("GET", "/large.bin", ("Range: bytes=100-1099",)), ("GET", "/large.bin", ())] * 4
    for method, target, headers in requests:
        reply = connection.request(target, method=method, headers=headers)
        got.append((method, target, reply.status, reply.wire_bytes))
    connection.close()
    statuses = {status for _, _, status, _ in got}
    assert statuses == {200, 206, 304, 404}, "the rig's statuses: %s" % statuses
    return len(asked) + len(got), got


def curl_client(port, count):
    urls = ["http://127.0.0.1:%d/%s" % (port, list(FILES)[number % len(FILES)]) for number in range(count)]
    form = "%{http_code} %{size_header} %{size_download} %{num_connects}\n"
    output = subprocess.run(["curl", "-s", "-w", form] + [part for url in urls for part in ("-o", "/dev/null", url)],
                            capture_output=True, text=True, check=True, timeout=60).stdout
    lines = [tuple(map(int, line.split())) for line in output.splitlines()]
    assert sum(connects for _, _, _, connects in lines) == 1, "curl did not keep its connection"
    return [("GET", "/" + url.rpartition("/")[2], code, head + body)
            for url, (code, head, body, _) in zip(urls, lines)]


def check_site(sendfile):
    require_tailrace()
    require_command("nginx")
    require_command("curl")
    with Nginx(sendfile) as nginx, Tracer(nginx.port) as tracer:
        count, got = keep_alive_client(nginx.port)
        got += curl_client(nginx.port, 9)
        wait_acknowledged(nginx.port)
        report = tracer.stop()
        records = nginx.log()
    assert len(records) == count + 9, "the rig served %d" % len(records)
    assert not report.open, "%d open: %s" % (len(report.open), [item["target"] for item in report.open][:10])
    for response, record in pairs(report.ended, records):
        told = {name: response[name] for name in ("method", "target", "status", "response_bytes", "request_bytes")}
        served = {name: record[name] for name in told}
        assert told == served, "traced %s, nginx %s" % (told, served)
        assert response["server"]["comm"] == "nginx", response["server"]
        assert response["ended_by"] == "complete", response["ended_by"]
    traced = sorted((response["method"], response["target"], response["status"], response["response_bytes"])
                    for response in report.ended)
    for item in got:
        assert item in traced, "the client got %s; traced: %s" % (item, [one for one in traced if one[1] == item[1]])
    report.check_no_loss()
    return "%d responses" % len(records)


def test_static_files_by_sendfile_are_exact():
    return check_site(True)


def test_static_files_by_writev_are_exact():
    return check_site(False)
