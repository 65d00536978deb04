# SPDX-License-Identifier: MIT
"""TCP Fast Open: the SYN brings the request, and a server may answer before the handshake is over."""
import socket
import subprocess
import threading
import time

from load_client import realtime_ns
from namespaces import SERVER_ADDRESS, Namespaces, run
from send_calls import enter
from servers import TruthServer, wait_acknowledged
from test_completeness import check_all
from tracer import Skip, Tracer, require_command, require_steady, require_tailrace

SWITCH = 0x607  # client and server, for every listener, without a cookie
ONLY_SYN = "table inet hold { chain input { type filter hook input priority 0; tcp flags & syn == 0 drop; }; }"
SIZE = 5000


def ask(namespace, port, target, answered):
    enter(namespace)
    with socket.socket() as connection:
        connection.settimeout(20)
        text = "GET %s HTTP/1.1\r\nHost: scenario\r\n\r\n" % target
        connection.sendto(text.encode(), socket.MSG_FASTOPEN, (SERVER_ADDRESS, port))
        taken = b""
        while len(taken.partition(b"\r\n\r\n")[2]) < 3 * SIZE:
            taken += connection.recv(65536)
        answered.append(target)


def test_an_answer_before_the_handshake_is_over_is_a_response():
    """The server's side lets nothing but the SYN in until it has answered: as a client that is far away."""
    require_tailrace()
    require_command("nft")
    answered, held = [], []
    with Namespaces() as link:
        try:
            for side in (link.server, link.client):
                run(*side, "sysctl", "-qw", "net.ipv4.tcp_fastopen=%d" % SWITCH)
        except subprocess.CalledProcessError as error:
            raise Skip("no TCP Fast Open here: " + error.stderr.strip()) from None
        with TruthServer("--host", SERVER_ADDRESS, prefix=link.server) as server, Tracer(server.port) as tracer:
            for number in range(4):
                holds = number % 2
                if holds:
                    run(*link.server, "nft", ONLY_SYN)
                client = threading.Thread(target=ask, daemon=True, args=(
                    link.client_name, server.port, "/length/3x%d?%d" % (SIZE, number), answered))
                client.start()
                if holds:
                    time.sleep(0.2)
                    held.append(realtime_ns())
                    run(*link.server, "nft", "delete table inet hold")
                client.join(20)
            wait_acknowledged(server.port, prefix=link.server)
            time.sleep(0.2)
            report = tracer.stop()
            records = server.log()
            pid = server.pid
    assert len(answered) == 4, "the rig: %d of 4 requests were answered" % len(answered)
    early = [record["sends"][-1]["after_ns"] < until for record, until in zip(records[1::2], held)]
    require_steady(early == [True, True], "the server did not answer in the handshake: %s" % early)
    return check_all(report, records, pid)
