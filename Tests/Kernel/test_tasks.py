# SPDX-License-Identifier: MIT
"""Open tasks from outside against what the server itself knows: goroutines, threads, leaks and what only looks like one."""
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

from go_servers import (PIE, SOURCE, STRIPPED, GoServer, build, census, censuses, disconnect, finish, grouped, open_tasks, releases, reset)
from servers import die_with_parent
from tracer import BINARY, require_tailrace, run_to_end

READINGS = 20
CLIENTS = 20


def check_exact(server, what):
    """Every one of twenty readings, by the formula and by the groups, is what the server says before and after."""
    before = server.settled()
    found = censuses(server.pid, READINGS)
    assert server.goroutines() == before, "the rig: the server was not at rest (%s)" % what
    for told in found:
        counts = (open_tasks(told), grouped(told))
        assert counts == (before, before), "%s, %s: told %s, the server has %d" % (server.version, what, counts, before)
    return before


def check_states(path):
    with GoServer(path) as server:
        check_exact(server, "idle")
        server.ask("/spawn?n=1000")
        assert check_exact(server, "1,000") >= 1000
        server.ask("/spawn?n=9000")
        assert check_exact(server, "10,000") >= 10000
        server.ask("/release")
        server.ask("/churn?n=100000")
        check_exact(server, "after churn")
        server.ask("/gc")
        assert check_exact(server, "after a collection") < 10
        streams = [server.open("/good") for _ in range(50)]
        # Of each: what serves it, its producer, and what reads from the connection meanwhile.
        assert check_exact(server, "50 streams") >= 150
        for stream in streams:
            finish(stream)
        assert check_exact(server, "streams gone") < 10
        return server.version


def test_goroutines_are_counted_exactly():
    checked = []
    for release in releases():
        for flags in ((), STRIPPED):
            checked.append(check_states(build(release, *flags)))
    return "Go " + ", ".join(sorted(set(checked)))


test_goroutines_are_counted_exactly.limit_s = 900


def test_goroutines_of_programs_that_are_loaded_anywhere():
    """Position-independent ones, with symbols and without."""
    found = releases()
    checked = []
    for release in {found[0], found[-1]}:
        for flags in (PIE, PIE + STRIPPED):
            checked.append(check_states(build(release, *flags)))
    return "Go " + ", ".join(sorted(set(checked)))


test_goroutines_of_programs_that_are_loaded_anywhere.limit_s = 400


def test_goroutines_of_programs_with_c_in_them():
    """What links them is not Go's own linker, and puts Go's tables elsewhere in those that are loaded anywhere."""
    found = releases()
    checked = []
    for release in {found[0], found[-1]}:
        for flags in ((), PIE, PIE + STRIPPED):
            with GoServer(build(release, *flags, with_c=True)) as server:
                server.ask("/spawn?n=100")
                check_exact(server, "with C, %s" % (flags,))
                told, _ = census(server.pid)
                held = next(group for group in told["groups"] if group["count"] == 100)
                assert held["created_by"]["function"] == "main.spawn" and held["waits_at"]["function"] == "main.hold", held
                checked.append(server.version)
    return "Go " + ", ".join(sorted(set(checked)))


test_goroutines_of_programs_with_c_in_them.limit_s = 300


def test_counts_while_goroutines_come_and_go():
    """10,000 that stay, and 10,000 a second that come and go: within 1 %."""
    for release in releases()[:1] + releases()[1:][-1:]:
        with GoServer(build(release, *STRIPPED)) as server:
            server.ask("/spawn?n=10000")
            base = server.settled()
            busy = threading.Thread(target=server.ask, args=("/turnover?rate=10000&for=6s",))
            busy.start()
            time.sleep(0.2)
            found = censuses(server.pid, 10)
            assert busy.is_alive(), "the rig: it took too long"
            busy.join()
        for told in found:
            for count in (open_tasks(told), grouped(told)):
                assert abs(count - base) <= base / 100, "%s: told %d, there are %d" % (server.version, count, base)


def line_of(text):
    """Where the scenario has this, from 1."""
    with open(SOURCE) as file:
        lines = [number for number, line in enumerate(file, 1) if text in line]
    assert len(lines) >= 1, "the scenario has no %r" % text
    return lines


def go_statement(function):
    """The line of the first `go func` in that function of the scenario."""
    with open(SOURCE) as file:
        lines = file.read().split("\n")
    start = next(number for number, line in enumerate(lines) if line.startswith("func %s(" % function))
    return next(number for number in range(start, len(lines)) if re.match(r"\s*go ", lines[number])) + 1


# path: (goroutines of a client that stay, created by, what they wait for)
LEAKS = {
    "/waits": (1, "net/http.(*Server).Serve", "chan receive"),
    "/producer": (1, "main.producer", "chan send"),
    "/writers": (2, "main.writers", "chan receive"),
    "/hijacked": (1, "main.hijacked", "sleep"),
    "/fanout?n=10": (10, "main.fanout", "chan send"),
}


def check_leak(path, target, close):
    each, created_by, waits_for = LEAKS[target]
    with GoServer(path) as server:
        base = server.settled()
        disconnect(server, target, close, CLIENTS)
        left = server.settled(base + each * CLIENTS)
        told, _ = census(server.pid)
        assert open_tasks(told) == left, (open_tasks(told), left)
        largest = next(group for group in told["groups"] if not group["system"])
        found = (largest["count"], largest["created_by"]["function"], largest["waits_for"])
        assert found == (each * CLIENTS, created_by, waits_for), "%s: %s" % (target, largest)
        if created_by.startswith("main."):
            place = largest["created_by"]
            assert place["file"].endswith("leaky_server.go"), place
            assert place["line"] == go_statement(created_by.removeprefix("main.")), place
        else:
            waits_at = largest["waits_at"]
            assert waits_at["function"] == "main.waits" and waits_at["line"] in line_of("<-done"), waits_at


def test_each_leak_is_the_largest_group_with_its_line():
    release = releases()[-1]
    for target in LEAKS:
        for close in (finish, reset):
            check_leak(build(release, *STRIPPED), target, close)
    return "Go %s, %d leaks, by FIN and by RST" % (release.name, len(LEAKS))


def test_what_looks_like_a_leak_and_is_none():
    """Handlers that end with their clients, one that writes nothing, connections that are kept for the next request."""
    with GoServer(build(releases()[0])) as server:
        base = server.settled()
        for target, close in (("/good", finish), ("/good", reset), ("/silent", finish)):
            disconnect(server, target, close, CLIENTS)
            server.settled(base)
        kept = [server.open("/silent") for _ in range(CLIENTS)]
        server.settled(base + CLIENTS)
        told, _ = census(server.pid)
        idle = next(group for group in told["groups"] if not group["system"])
        assert (idle["count"], idle["waits_for"]) == (CLIENTS, "IO wait"), idle
        assert idle["created_by"]["function"] == "net/http.(*Server).Serve", idle
        for connection in kept:
            connection.close()
        server.settled(base)
        assert open_tasks(census(server.pid)[0]) == base


# Handlers whose goroutines are created at one place, and of which most wait for a channel: how many are asked, and where they wait.
PLACES = {
    "/waits": (4, "main.waits", "<-done"),
    "/patient": (3, "main.patient", "<-request.Context().Done()"),
    "/upstream": (5, "main.upstream", "connection.Read("),
    "/locked": (2, "main.locked", "taken.Lock()"),
}


def check_places(path, times):
    with GoServer(path) as server:
        idle = [server.open("/silent") for _ in range(10)]
        clients = [server.open(target) for target, (count, *_) in PLACES.items() for _ in range(count * times)]
        for client in clients:
            client.recv(1)
        total = server.settled()
        told, _ = census(server.pid)
        assert open_tasks(told) == grouped(told) == total, (open_tasks(told), grouped(told), total)
        served = [group for group in told["groups"] if (group["created_by"] or {}).get("function") == "net/http.(*Server).Serve"]
        found = {group["waits_at"]["function"]: group for group in served}
        assert len(found) == len(served) == len(PLACES) + 1, served
        for count, function, text in PLACES.values():
            group = found.pop(function, None)
            assert group and group["count"] == count * times, "%s: %s" % (function, served)
            place = group["waits_at"]
            assert place["file"].endswith("leaky_server.go") and place["line"] in line_of(text), place
        [kept] = found.values()
        assert kept["count"] == len(idle) and kept["waits_at"]["function"].startswith("net."), kept
        for client in idle + clients:
            client.close()
        return server.version


def test_who_waits_elsewhere_is_another_group():
    """Also few of many, and where all of them are of one function that net/http starts."""
    checked = [check_places(build(release, *STRIPPED), times)
               for release in {releases()[0], releases()[-1]} for times in (1, 40)]
    return "Go " + ", ".join(sorted(set(checked)))


def test_the_runtime_is_told_apart():
    with GoServer(build(releases()[-1])) as server:
        told, _ = census(server.pid)
        own = [group for group in told["groups"] if group["provider"] == "go" and group["system"]]
    assert all(group["runs"]["function"].startswith("runtime.") for group in own), own
    assert sum(group["count"] for group in own) >= 4, own
    assert "force gc (idle)" in {group["waits_for"] for group in own}, own


THREADS = """
import threading, time, json
wait = threading.Event()
for _ in range(37):
    threading.Thread(target=wait.wait, daemon=True).start()
print(json.dumps({"port": 0}), flush=True)
time.sleep(60)
"""


def test_threads_of_a_program_that_is_not_go():
    require_tailrace()
    with subprocess.Popen(["python3", "-c", THREADS], stdout=subprocess.PIPE, preexec_fn=die_with_parent) as process:
        process.stdout.readline()
        told, counts = census(process.pid)
        with open("/proc/%d/status" % process.pid) as file:
            threads = int(re.search(r"Threads:\s+(\d+)", file.read()).group(1))
        process.kill()
    assert counts["threads"]["open"] == threads == 38, (counts, threads)
    assert grouped(told, "threads") == 38, told
    assert counts["go"]["open"] is None and "is no Go program" in counts["go"]["remark"], counts


def test_a_process_that_is_not_there_or_ends():
    require_tailrace()
    done = run_to_end("tasks", "4194304")
    assert done.returncode == 1 and b"there is no process 4194304" in done.stderr, done
    assert run_to_end("tasks", "0").returncode == 64
    with GoServer(build(releases()[0])) as server:
        process = subprocess.Popen([str(BINARY), "tasks", str(server.pid), "--json", "--watch", "10ms"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        process.stdout.readline()
        server.process.kill()
        server.process.wait()
        _, errors = process.communicate(timeout=10)
    assert process.returncode in (0, 1) and errors.count(b"\n") <= 1, (process.returncode, errors)


def test_the_process_that_reads_executables_has_no_rights():
    require_tailrace()
    process = subprocess.Popen([str(BINARY), "read-image", str(BINARY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               preexec_fn=die_with_parent)
    assert process.stdout.readline().startswith(b"other\t")
    with open("/proc/%d/status" % process.pid) as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    limits = open("/proc/%d/limits" % process.pid).read()
    files = {os.readlink("/proc/%d/fd/%s" % (process.pid, name)) for name in os.listdir("/proc/%d/fd" % process.pid)}
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()
    assert status["Uid"].split() == ["65534"] * 4 and status["Gid"].split() == ["65534"] * 4, status
    assert not status["Groups"].split(), status
    for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(status[kind], 16) == 0, status
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
    assert re.search(r"Max cpu time +30 ", limits) and re.search(r"Max address space +2147483648 ", limits), limits
    assert str(BINARY.resolve()) in files and len(files) <= 4, files


def test_executables_that_lie_cost_a_sentence():
    """A pipe, a device, a directory, nothing, and a Go program with lies in its tables: an error each, at once."""
    require_tailrace()
    with open(build(releases()[0], *STRIPPED), "rb") as file:
        program = file.read()
    magic = program.index(b"\xf0\xff\xff\xff\0\0\1\x08") if b"\xf0\xff\xff\xff\0\0\1\x08" in program else program.index(
        b"\xf1\xff\xff\xff\0\0\1\x08")
    lies = {"empty": b"", "short": program[:70], "no table": program[:len(program) // 3]}
    for field in range(8):
        for value in (2**32 - 1, 2**64 - 1, 2**63 - 1, len(program)):
            at = magic + 8 + 8 * field
            lies["field %d is %d" % (field, value)] = program[:at] + value.to_bytes(8, "little") + program[at + 8:]
    for at in (32, 40, 54, 56, 58, 60, 62):
        lies["header %d" % at] = program[:at] + b"\xff\xff" + program[at + 2:]
    with tempfile.TemporaryDirectory(prefix="tailrace-lies-") as directory:
        pipe, path = os.path.join(directory, "pipe"), os.path.join(directory, "program")
        os.mkfifo(pipe)
        for special in (pipe, "/dev/zero", directory, "/none"):
            check_refused(special, special, wants_error=True)
        for name, content in lies.items():
            with open(path, "wb") as file:
                file.write(content)
            check_refused(name, path, wants_error=name in ("empty", "short", "field 0 is 4294967295"))
    return "%d files" % (len(lies) + 4)


QUESTIONS = b"functions\t0\t1000\tfffff\tffffffff\naddresses\t401000\naddresses\tffffffffffffffff\nsymbols\truntime.allgs\nnames\t401000\tffffffffffffffff\n"


def check_refused(name, path, wants_error):
    done = subprocess.run([str(BINARY), "read-image", path], input=QUESTIONS, capture_output=True, timeout=30)
    # Not by a signal: a trap would be one.
    assert done.returncode in (0, 1), "%s: ended with %d, %s" % (name, done.returncode, done.stderr[-300:])
    assert done.stdout.startswith((b"error\t", b"go\t")), "%s: %s" % (name, done.stdout[:200])
    assert not wants_error or done.stdout.startswith(b"error\t"), "%s: %s" % (name, done.stdout[:200])


def socket_descriptors(pid):
    """How many sockets the process holds, listeners too."""
    links = []
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            links.append(os.readlink("/proc/%d/fd/%s" % (pid, name)))
        except FileNotFoundError:
            pass
    return sum(link.startswith("socket:") for link in links)


def listed_by_ss(port, state):
    output = subprocess.run(["ss", "-tnH", "state", state, "sport", "=", ":%d" % port], capture_output=True, text=True, check=True)
    return len(output.stdout.splitlines())


def test_connections_whose_client_is_gone_are_told_also_those_that_ss_cannot_list():
    with GoServer(build(releases()[0])) as server:
        own = socket_descriptors(server.pid)
        kept = [server.open("/silent") for _ in range(7)]
        disconnect(server, "/waits", finish, CLIENTS)
        disconnect(server, "/waits", reset, CLIENTS)
        server.settled()
        told, _ = census(server.pid)
        half_closed = listed_by_ss(server.port, "close-wait")
        listed = half_closed + listed_by_ss(server.port, "established")
        held = socket_descriptors(server.pid) - own
        for connection in kept:
            connection.close()
    assert (half_closed, listed, held) == (CLIENTS, CLIENTS + 7, 2 * CLIENTS + 7), "the rig: %s" % ((half_closed, listed, held),)
    expected = {"established": 7, "close_wait": half_closed, "closed_held": held - listed, "ending": 0}
    assert told["connections"] == expected, "told %s, not %s" % (told["connections"], expected)


def test_sockets_that_were_never_connected_are_no_orphans():
    require_tailrace()
    sockets = [socket.socket(family, kind) for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
               for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
    refused = socket.socket()
    assert refused.connect_ex(("127.0.0.1", 1)) != 0, "the rig: something listens on port 1"
    listener = socket.create_server(("127.0.0.1", 0))
    told, _ = census(os.getpid())
    for one in [*sockets, refused, listener]:
        one.close()
    assert told["connections"] == {"established": 0, "close_wait": 0, "closed_held": 0, "ending": 0}, told["connections"]
