# SPDX-License-Identifier: MIT
"""Names and paths that attack the terminal, and secrets that must not leave the process."""
import os
import urllib.parse

from load_client import Connection
from servers import TruthServer, wait_acknowledged
from tracer import Report, Terminal, Tracer, require_tailrace

# An operating system command, a bell, a C1 control, a line end, DEL, a right-to-left override: 13 bytes, as comm allows.
HOSTILE_COMM = b"\x1b[31m\x07\x9bK\n\x7f\xe2\x80\xae"
HOSTILE_PATHS = ["/length/1x10/a=\x1b]0;owned\x07", "/length/1x11/a=\x9b31m\x7f\x08", "/length/1x12/a=\"}\\\x01\x0b"]
HOSTILE_TYPE = "text/\x1b[2Jplain\x07\x9d"
PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "LC_ALL": "C.UTF-8"}

HIDDEN = {*range(0x00, 0x20), *range(0x7f, 0xa0), 0x2028, 0x2029, *range(0x202a, 0x202f), *range(0x2066, 0x206a)}


def check_harmless(data, where):
    """Valid UTF-8, and nothing in it that moves a cursor, breaks a line or turns text around."""
    text = data.decode("utf-8")
    for line in text.split("\n"):
        found = sorted({ord(character) for character in line if ord(character) in HIDDEN})
        assert not found, "%s has %s in %r" % (where, ["U+%04X" % code for code in found], line[:300])
    return text


def hostile_traffic(port):
    connection = Connection("127.0.0.1", port)
    for target in HOSTILE_PATHS:
        assert connection.request(target).status == 200, "the rig's server refused %r" % target
    target = "/length/1x13/content-type=" + urllib.parse.quote(HOSTILE_TYPE.encode("latin-1"), safe="")
    assert connection.request(target).status == 200, "the rig's server refused %r" % target
    # Raw bytes that are no UTF-8 at all.
    connection.send("/length/1x14/a=\xff\xfe\xc0\x80")
    connection.read_body(connection.read_head(), "GET")
    wait_acknowledged(port)
    connection.close()
    return len(HOSTILE_PATHS) + 2


def hostile_server():
    return TruthServer("--comm", urllib.parse.quote(HOSTILE_COMM, safe=""))


def check_rig(server):
    with open("/proc/%d/comm" % server.pid, "rb") as file:
        assert file.read().startswith(HOSTILE_COMM), "the rig's name was not taken"


def test_hostile_names_do_no_harm_in_json():
    require_tailrace()
    with hostile_server() as server, Tracer(server.port, "--flushes") as tracer:
        check_rig(server)
        count = hostile_traffic(server.port)
        code = tracer.end()
        output, errors = tracer.output(), tracer.errors()
    check_harmless(output, "stdout")
    check_harmless(errors, "stderr")
    report = Report(output, errors, code)
    report.check_frame()
    assert len(report.ended) == count, "%d responses of %d" % (len(report.ended), count)
    for response in report.ended:
        assert response["server"]["comm"], "the name is lost"
        assert response["target"].startswith("/length/1x1"), "the target is lost: %r" % response["target"]


def test_hostile_names_do_no_harm_on_a_terminal():
    require_tailrace()
    terminal = Terminal()
    with hostile_server() as server:
        with Tracer(server.port, json_lines=False, environment=PLAIN, stdout=terminal.other) as tracer:
            count = hostile_traffic(server.port)
            code = tracer.end()
            errors = tracer.errors()
        text = check_harmless(terminal.text(), "the terminal")
    check_harmless(errors, "stderr")
    assert code == 0, "exit code %d: %s" % (code, errors)
    rows = [line for line in text.split("\n") if str(server.pid) in line.split() and " 200 " in line]
    assert len(rows) == count, "%d rows for %d responses: %r" % (len(rows), count, text)
    return "%d lines" % text.count("\n")


def check_secret_is_nowhere(secret, *outputs):
    """Not even a piece of it: 10 characters in a row."""
    pieces = {secret[at:at + 10] for at in range(len(secret) - 9)}
    for output in outputs:
        text = output.decode("utf-8", "replace")
        for line in text.split("\n"):
            leaked = next((piece for piece in pieces if piece in line), None)
            assert leaked is None, "%s... of the secret is in %s" % (leaked, line[:400])


def secret_traffic(port, secret):
    connection = Connection("127.0.0.1", port)
    headers = ["X-Canary: " + secret, "Cookie: session=" + secret, "Authorization: Bearer " + secret]
    reply = connection.request("/echo/1x0?token=" + secret, method="POST", headers=headers, body=secret.encode())
    assert reply.body == secret.encode() and reply.headers["x-canary"] == secret, "the rig does not echo"
    connection.request("/length/1x100?" + "a" * 600 + secret, headers=headers)
    connection.request("/chunked/2x100?x=%s#%s" % (secret, secret), headers=headers)
    connection.request("http://user:%s@scenario/length/1x100?key=%s" % (secret, secret), headers=headers)
    # The secret is what a head reader would take for the first bytes of the next request.
    connection.send("/echo/1x0", method="POST", headers=["Expect-Nothing: 1"], body=(secret * 40).encode())
    connection.read_body(connection.read_head(), "POST")
    wait_acknowledged(port)
    connection.close()
    return 5


def line_traffic(port, secret):
    """A protocol that is not HTTP: what it says first is nobody's business."""
    connection = Connection("127.0.0.1", port).open()
    for line in ("AUTH %s" % secret, "%s AUTH / now" % secret, "GET %s" % secret):
        connection.socket.sendall(line.encode() + b"\r\n\r\n")
        assert secret.encode() in connection.take_until(b"\r\n"), "the rig does not echo"
    wait_acknowledged(port)
    connection.close()
    return 3


def check_private(traffic):
    require_tailrace()
    secret = os.urandom(32).hex()
    terminal = Terminal()
    with TruthServer() as server:
        with Tracer(server.port, "--flushes") as tracer, \
                Tracer(server.port, json_lines=False, environment=PLAIN, stdout=terminal.other) as shown:
            count = traffic(server.port, secret)
            code = tracer.end()
            shown.end()
            output, errors, shown_errors = tracer.output(), tracer.errors(), shown.errors()
        screen = terminal.text()
    check_secret_is_nowhere(secret, output, errors, screen, shown_errors)
    report = Report(output, errors, code)
    assert len(report.ended) + len(report.open) == count, "%d responses of %d" % (len(report.responses), count)
    assert screen.count(b"\n") >= count, "the terminal shows %d lines" % screen.count(b"\n")


def test_no_secret_of_http_traffic_is_shown():
    check_private(secret_traffic)


def test_no_secret_of_another_protocol_is_shown():
    check_private(line_traffic)
