# SPDX-License-Identifier: MIT
"""Both backends on stock kernels. Only in the guests of vm/run.py: the host's kernel may refuse hooks on functions."""
import contextlib
import json
import os
import socket
import struct
import threading
import time

from load_client import Connection
from namespaces import SERVER_ADDRESS, Namespaces
from servers import Client, Server, TruthServer, wait_acknowledged
from tracer import (NOT_ON_THIS_KERNEL, Skip, Tracer, begin_ns, cause, require_steady, run_to_end, stage, timeline_text)
from truth import pairs

FENTRY, TRACEPOINT = ("--backend", "fentry"), ("--backend", "tracepoint")
TOO_OLD = ("5.10",)
SIZE, RATE = 1_500_000, 500_000


def require_both():
    if run_to_end("doctor", "--json", *TRACEPOINT, seconds=60).returncode == NOT_ON_THIS_KERNEL:
        raise Skip("this kernel has only function hooks")


def sent_ns(record):
    """Time in send calls, by the server's own clock."""
    return sum(send["after_ns"] - send["before_ns"] for send in record["sends"])


def require_nothing_missed(report):
    """A starved guest preempts programs for long; what was missed then is counted, and says nothing of this test."""
    require_steady(not report.loss["missed"], "%d events missed" % report.loss["missed"])
    report.check_no_loss()


def test_doctor_prefers_function_hooks_and_says_why():
    done = run_to_end("doctor", "--json", seconds=60)
    report = json.loads(done.stdout)
    if os.environ["TAILRACE_VM"] in TOO_OLD:
        assert done.returncode == NOT_ON_THIS_KERNEL and report["backend"] is None, "exit code %d" % done.returncode
        return report["advice"]
    assert done.returncode == 0 and report["backend"] == "fentry", "exit code %d, backend %s: %s" % (
        done.returncode, report["backend"], report["advice"])
    assert report["unavailable"]["driver"] is None, report["unavailable"]
    assert report["other_backends"]["tracepoint"]["reason"], report["other_backends"]
    return "%d programs, at most %d instructions; %s" % (
        len(report["programs"]), max(item["verified_instructions"] for item in report["programs"].values()),
        report["other_backends"]["tracepoint"]["reason"])


def test_a_slow_reader_over_a_device_with_a_driver():
    """A blocking server, a small send buffer, a link with a driver (veth), a reader that is slow: every mark is there."""
    with Namespaces() as link, TruthServer("--host", SERVER_ADDRESS, "--sndbuf", 65536, prefix=link.server) as server:
        with Tracer(server.port, *FENTRY, "--flushes") as tracer:
            with Client("slow_reader.py", "--host", SERVER_ADDRESS, "--port", server.port, "--target",
                        "/length/%dx20000" % (SIZE // 20000), "--rate", RATE, prefix=link.client) as client:
                read = client.results(timeout=100)[0]
            wait_acknowledged(server.port, prefix=link.server, seconds=20)
            report = tracer.stop()
        (response, record), = pairs(report.ended, server.log())
    require_nothing_missed(report)
    text = timeline_text(response)
    meta = report.objects[0]
    assert meta["backend"] == response["backend"] == "fentry" and meta["unavailable"]["driver"] is None, meta
    assert response["response_bytes"] == read["bytes"] == record["response_bytes"], (read, response["response_bytes"])
    assert response["flushes"] == len(record["sends"]), "%d flushes, %d send calls" % (
        response["flushes"], len(record["sends"]))
    # The server's own clock: no more time in send calls than it saw, and nearly all of it.
    inside = stage(response, "send", "blocked")
    assert 0.8 * sent_ns(record) < inside <= sent_ns(record), "%d ns in send calls, the server saw %d: %s" % (
        inside, sent_ns(record), text)
    assert stage(response, "blocked") > 0.8 * inside and cause(response, "peer_window") > 0, text
    assert response["timeline_ns"]["driver"] is not None, "driver is not known: " + text
    delivery = response["delivery_ns"]
    assert delivery["driver"]["count"] >= 0.9 * response["flushes"] and delivery["driver"]["mean"] > 0, delivery["driver"]
    known = [flush for flush in report.of_type("flush") if flush["delivery_ns"]["driver"] is not None]
    assert all(sum(flush["delivery_ns"][name] for name in ("send", "queue", "qdisc", "driver", "network"))
               == flush["delivery_ns"]["total"] for flush in known), "the stages of a flush are not its whole way"
    return "%s; driver mean %d ns of %d flushes" % (text, delivery["driver"]["mean"], delivery["driver"]["count"])


def test_acks_after_a_fin_are_seen_as_they_come():
    """tcp_ack() is called in every state, the tracepoint tcp_probe is not: no mark was noticed late."""
    with Server("sse_asyncio.py") as server, Tracer(server.port, *FENTRY) as tracer:
        connection = Connection("127.0.0.1", server.port)
        connection.send("/events/6/40")
        connection.socket.shutdown(1)
        reply = connection.read_head()
        connection.read_body(reply, "GET")
        time.sleep(0.5)
        report = tracer.stop()
        connection.close()
    require_nothing_missed(report)
    response, = report.ended
    assert response["ended_by"] == "complete" and response["response_bytes"] == connection.taken, response
    assert not response["estimated"], "estimated: " + timeline_text(response)


def kernel_tls(connection):
    """From now on the kernel encrypts what is sent (TLS 1.2, AES-128-GCM); the key does not matter."""
    connection.setsockopt(socket.SOL_TCP, 31, b"tls")  # TCP_ULP
    connection.setsockopt(282, 1, struct.pack("=HH8s16s4s8s", 0x0303, 51, bytes(8), bytes(16), bytes(4), bytes(8)))  # SOL_TLS, TLS_TX


def test_kernel_tls_is_followed_as_what_is_on_the_wire():
    """The call that the server makes is not TCP's: each record that TLS hands over is. The reader counts, and is slow."""
    with socket.create_server(("127.0.0.1", 0)) as listener, Tracer(listener.getsockname()[1], *FENTRY) as tracer:
        with socket.create_connection(listener.getsockname()) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            server, _ = listener.accept()
            client.sendall(b"PING\r\n")
            assert server.recv(100) == b"PING\r\n"
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            try:
                kernel_tls(server)
            except OSError as error:
                raise Skip("no kernel TLS here: %s" % error) from None
            writer = threading.Thread(target=lambda: [server.sendall(bytes(100_000)) for _ in range(8)] and server.close())
            writer.start()
            time.sleep(1)
            taken = 0
            while data := client.recv(65536):
                taken += len(data)
            writer.join()
        time.sleep(0.5)
        report = tracer.stop()
    require_nothing_missed(report)
    response, = report.ended
    text = "%d flushes of %d bytes; %s" % (response["flushes"], taken, timeline_text(response))
    # A closing server adds an alert record.
    assert response["response_bytes"] == taken > 800_000, "%d bytes told: %s" % (response["response_bytes"], text)
    assert response["flushes"] >= 800_000 // 16384, text
    assert stage(response, "blocked") > 700_000_000, text
    return text


def test_both_backends_tell_the_same():
    """Side by side on the same traffic: the same responses, bytes and calls, and the same times but for the hooks' own."""
    require_both()
    with TruthServer("--sndbuf", 65536) as server, contextlib.ExitStack() as stack:
        tracers = [stack.enter_context(Tracer(server.port, *options)) for options in (FENTRY, TRACEPOINT)]
        for host in ("127.0.0.1", "::1"):
            connection = Connection(host, server.port)
            for target in ("/length/1x900", "/chunked/4x5000", "/sse/5x120", "/length/3x70000"):
                connection.request(target)
                time.sleep(0.1)
            connection.close()
        with Client("slow_reader.py", "--port", server.port, "--target", "/length/20x40000", "--rate", 400_000) as client:
            client.results(timeout=100)
        wait_acknowledged(server.port, seconds=20)
        reports = [tracer.stop() for tracer in tracers]
        records = server.log()
    for report in reports:
        require_nothing_missed(report)
    told = [pairs(report.ended, records) for report in reports]
    for (ours, record), (theirs, _) in zip(*told):
        for name in ("target", "response_bytes", "request_bytes", "flushes", "ended_by"):
            assert ours[name] == theirs[name], "%s of %s: %s by fentry, %s" % (name, record["target"], ours[name], theirs[name])
        # The server's own pauses and waits are far above what the hooks cost.
        for name in ("app", "blocked"):
            difference = abs(stage(ours, name) - stage(theirs, name))
            require_steady(difference < 0.2 * ours["duration_ns"] + 20_000_000, "%s of %s: %s against %s" % (
                name, record["target"], timeline_text(ours), timeline_text(theirs)))
    blocked = [max(stage(response, "blocked") for response, _ in one) / 1e6 for one in told]
    return "%d responses; longest blocked %.1f and %.1f ms" % (len(records), *blocked)


def test_time_inside_functions_is_what_the_server_saw():
    """report --functions: as many calls as the server made, and no more time in them than it saw."""
    with TruthServer("--sndbuf", 65536) as server:
        with Tracer(server.port, "--functions", "--format", "json", command="report", json_lines=False) as tracer:
            for host in ("127.0.0.1", "::1"):
                connection = Connection(host, server.port)
                for _ in range(5):
                    connection.request("/chunked/4x5000")
                connection.close()
            with Client("slow_reader.py", "--port", server.port, "--target", "/length/20x40000", "--rate", 400_000) as client:
                client.results(timeout=100)
            wait_acknowledged(server.port, seconds=20)
            tracer.end()
            report = json.loads(tracer.output())
        records = server.log()
    functions = {item["name"]: item for item in report["functions"]}
    calls = sum(len(record["sends"]) for record in records)
    total = sum(map(sent_ns, records))
    text = ", ".join("%s %d x %.0f us" % (name, item["time_ns"]["count"], item["time_ns"]["mean"] / 1e3)
                     for name, item in functions.items())
    for name in ("tcp_sendmsg", "tcp_write_xmit", "__tcp_transmit_skb", "__ip_queue_xmit", "inet6_csk_xmit", "dev_hard_start_xmit",
                 "tcp_ack", "sk_stream_wait_memory"):
        assert name in functions, "%s was not called: %s" % (name, text)
    require_steady(functions["tcp_sendmsg"]["time_ns"]["count"] == calls, "%d send calls: %s" % (calls, text))
    assert 0.5 * total < functions["tcp_sendmsg"]["total_ns"] <= total, "%d ns in send calls: %s" % (total, text)
    assert functions["sk_stream_wait_memory"]["total_ns"] < functions["tcp_sendmsg"]["total_ns"], text
    assert functions["sk_stream_wait_memory"]["total_ns"] > 0.5 * total, "%d ns in send calls: %s" % (total, text)
    assert functions["__ip_queue_xmit"]["total_ns"] < functions["__tcp_transmit_skb"]["total_ns"], text
    return text
