# SPDX-License-Identifier: MIT
"""Tasks counted by two functions of the server itself, against what the server counts: C, Swift, Python; and what is refused."""
import os
import re
import subprocess
import sys
import tempfile
import time

from go_servers import GoServer, build, releases
from native import native
from servers import die_with_parent
from task_probes import JobServer, ProbeWatch, accepted, refusal
from test_tasks_swift import STATES, SwiftProgram
from tracer import Skip, require_command, require_tailrace, run_to_end

OPEN, CLOSE = "exe:job_open", "exe:job_close"
CLIENTS = 20


def check_counts(server, watch, before):
    """`before` jobs were open when counting began; they close last."""
    def counted():
        own = server.jobs()
        told = watch.newest()
        assert server.jobs() == own, "the rig: the server was not at rest"
        return told, own[0]

    assert counted()[0]["open"] == 0, "what was open before is not known"
    streams = [server.open("/job") for _ in range(CLIENTS)]
    server.settled(before + CLIENTS)
    told, own = counted()
    assert told["open"] == own - before == CLIENTS, (told, own)
    server.ask("/churn?100000")
    told, own = counted()
    assert told["open"] == own - before == CLIENTS, (told, own)
    assert re.search("since attach: %d opened$" % (CLIENTS + 100000), told["remark"]), told
    for stream in streams:
        stream.close()
    server.settled(before)
    assert counted()[0]["open"] == 0, counted()


def test_jobs_of_a_server_in_c():
    require_tailrace()
    with JobServer() as server:
        pair = accepted(server.pid, OPEN, CLOSE)
        older = [server.open("/job") for _ in range(3)]
        server.settled(3)
        with ProbeWatch(server.pid, *pair) as watch:
            check_counts(server, watch, 3)
            for stream in older:
                stream.close()
            server.settled(0)
            watch.newest()
            server.ask("/left")
            server.settled(1)
            told = watch.newest()
    # Three have closed that nobody saw open: there were three at least.
    assert told["open"] == 1 and "3 have closed that were open before" in told["remark"], told
    return "%s and %s" % pair


def file_offset(path, function):
    """Where the function is in the file, as nm and readelf say."""
    names = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    address = int(re.search(r"^([0-9a-f]+) T %s$" % function, names, re.M).group(1), 16)
    segments = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True, check=True).stdout
    for offset, begin, size in re.findall(r"LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+)", segments):
        if int(begin, 16) <= address < int(begin, 16) + int(size, 16):
            return address - int(begin, 16) + int(offset, 16)
    raise AssertionError("no segment has " + function)


def test_a_server_without_symbols_is_counted_by_places_in_its_file():
    require_tailrace()
    require_command("strip")
    with tempfile.TemporaryDirectory(prefix="tailrace-stripped-") as directory:
        path = os.path.join(directory, "stripped")
        subprocess.run(["strip", "-o", path, native("job_server")], check=True)
        places = ["exe:0x%x" % file_offset(native("job_server"), name) for name in ("job_open", "job_close")]
        with JobServer(path=path) as server:
            sentence = refusal(server.pid, OPEN, CLOSE)
            assert "is stripped and names no function" in sentence, sentence
            pair = accepted(server.pid, *places)
            with ProbeWatch(server.pid, *pair) as watch:
                check_counts(server, watch, 0)
    return "%s and %s" % pair


def test_a_server_in_a_container():
    """Its files are not those of this mount namespace."""
    require_tailrace()
    script = "mount -t tmpfs none /mnt && cp %s /mnt/inside && exec /mnt/inside" % native("job_server")
    with JobServer(prefix=("unshare", "--mount", "sh", "-c"), path=script) as server:
        assert not os.path.exists("/mnt/inside"), "the rig: the file is here too"
        for image in ("exe", "/mnt/inside", "inside"):
            pair = accepted(server.pid, image + ":job_open", image + ":job_close")
            with ProbeWatch(server.pid, *pair) as watch:
                check_counts(server, watch, 0)


def test_a_server_that_has_two_processes_is_counted_by_process():
    with JobServer() as server, JobServer() as other:
        pair = accepted(server.pid, OPEN, CLOSE)
        with ProbeWatch(server.pid, *pair) as watch:
            other.ask("/left")
            server.ask("/left")
            server.settled(1)
            other.settled(1)
            assert watch.newest()["open"] == 1


SWIFT = ("libswift_Concurrency:swift_task_create_common",
         "libswift_Concurrency:_ZL16completeTaskImplPN5swift9AsyncTaskEPNS_12AsyncContextEPNS_10SwiftErrorE")


def test_tasks_of_a_program_in_swift():
    """By the functions of the library that it has loaded."""
    require_tailrace()
    require_command("swiftc")
    with tempfile.TemporaryDirectory(prefix="tailrace-swift-") as directory:
        with SwiftProgram(directory) as program:
            pair = accepted(program.process.pid, *SWIFT)
            base, least = program.open, 0
            with ProbeWatch(program.process.pid, *pair) as watch:
                for state in STATES[1:]:
                    program.next()
                    assert program.state == state, program.state
                    # Tasks that were there when it was attached are known from when they close.
                    least = min(least, program.open - base)
                    told = watch.newest()
                    assert told["open"] == program.open - base - least, "%s: told %s, %d are open" % (state, told, program.open)
    return "%d states" % len(STATES[1:])


def test_functions_of_a_program_in_go():
    """Each begins with a look whether its stack has room, and begins again once it has: a hook there would count twice."""
    found = [release for release in releases() if release.root]
    if not found:
        raise Skip("needs a Go from 1.22 on (make go-versions): the functions of those before are others")
    with GoServer(build(found[-1])) as server:
        server.ask("/gc")
        pair = accepted(server.pid, "exe:runtime.newproc1", "exe:runtime.gdestroy")
        base = server.settled()
        with ProbeWatch(server.pid, *pair) as watch:
            for target, more in (("/spawn?n=1000", 1000), ("/churn?n=100000", 1000), ("/release", 0)):
                server.ask(target)
                assert server.settled() == base + more, "the rig: not %d more" % more
                assert watch.newest()["open"] == more, "%s: told %s, %d more are there" % (target, watch.newest(), more)
    return "%s and %s" % pair


ASYNCIO = """
import asyncio, _asyncio, sys

async def wait(gate):
    await gate.wait()

async def main():
    loop, gate, tasks = asyncio.get_running_loop(), asyncio.Event(), set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.startswith("open"):
            tasks |= {asyncio.create_task(wait(gate)) for _ in range(int(line.split()[1]))}
        elif line.startswith("churn"):
            for _ in range(int(line.split()[1])):
                await asyncio.create_task(asyncio.sleep(0))
        elif line.startswith("close"):
            gate.set()
            await asyncio.gather(*tasks)
            tasks = set()
            gate.clear()
        await asyncio.sleep(0)
        print(len(asyncio.all_tasks()), _asyncio.__file__, flush=True)

asyncio.run(main())
"""


def test_tasks_of_asyncio():
    require_tailrace()
    require_command("nm")
    with subprocess.Popen([sys.executable, "-c", ASYNCIO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                          preexec_fn=die_with_parent) as process:
        def step(line):
            process.stdin.write(line + "\n")
            count, path = process.stdout.readline().split(maxsplit=1)
            return int(count), path.strip()

        base, library = step("nothing")
        names = subprocess.run(["nm", library], capture_output=True, text=True).stdout
        wanted = ("_asyncio_Task___init__", "TaskObj_dealloc")
        if not all(" %s\n" % name in names for name in wanted):
            process.kill()
            raise Skip("%s has no symbols: this Python was built without, or stripped" % library)
        pair = accepted(process.pid, *("_asyncio:" + name for name in wanted))
        with ProbeWatch(process.pid, *pair) as watch:
            for line, expected in (("open 1000", 1000), ("open 500", 1500), ("churn 2000", 1500), ("close", 0)):
                own, _ = step(line)
                assert own - base == expected, "the rig: %d tasks after %s" % (own, line)
                told = watch.newest()
                assert told["open"] == expected, "%s: told %s, there are %d" % (line, told, own - base)
        process.kill()


def test_what_would_harm_or_slow_the_server_is_refused():
    with JobServer() as server:
        _, close_at = accepted(server.pid, "exe:job_stepped+7", CLOSE)
        good = ("exe:job_stepped+7", close_at)
        for place, words in {
            "exe:job_stepped": "executed in single steps, 10 us a call instead of 1; give exe:job_stepped+7, or --allow-slow-probe",
            "exe:job_stepped+4": "executed in single steps",
            "exe:job_stepped+5": "the middle of an instruction, and a probe there would break the program; give exe:job_stepped+7",
            "exe:job_close": "begins with LOCK or a segment; give exe:job_close+",
            "exe:job_stepped+1000": "beyond its end",
            "exe:job_ope": "named alike: job_open",
            "exe:jobopen": "has this name; `nm ",
            "exe:0x10": "that is no code",
            "libnone:malloc": "has not loaded it",
            "/none/at/all:malloc": "has not loaded it",
            close_at: "cannot open and close at the same place",
        }.items():
            sentence = refusal(server.pid, place, good[1])
            assert sentence and words in sentence, "%s: %s" % (place, sentence)
        sentence = refusal(server.pid, "exe:job_stepped", good[1], "--allow-slow-probe")
        assert sentence is None, sentence
        assert refusal(server.pid, "exe:job_stepped+5", good[1], "--allow-slow-probe"), "a probe inside of an instruction"
        for wrong in ("open=exe:a", "open=exe:a,open=exe:b", "x=exe:a,close=exe:b", "open=a,close=exe:b", "open=exe:a+x,close=exe:b"):
            done = run_to_end("tasks", server.pid, "--task-probe", wrong)
            assert done.returncode == 64 and b"--task-probe takes" in done.stderr, done
        twice = ["--task-probe", "open=exe:a,close=exe:b"] * 2
        assert b"can be given once; 2 were" in run_to_end("tasks", server.pid, *twice).stderr
        assert server.jobs() == (0, 0), "the server did something"


def hooked_bytes(pid, path, offset):
    """What is in the process's memory at that place of the file: a probe puts a breakpoint there."""
    with open("/proc/%d/maps" % pid) as maps:
        for line in maps:
            words = line.split()
            begin, end = (int(word, 16) for word in words[0].split("-"))
            start = int(words[2], 16)
            if words[-1] == path and start <= offset < start + end - begin:
                with open("/proc/%d/mem" % pid, "rb", 0) as memory:
                    memory.seek(begin + offset - start)
                    return memory.read(1)
    raise AssertionError("%s is not mapped there" % path)


def test_the_server_is_as_before_when_the_tracer_is_killed():
    require_command("nm")
    with JobServer() as server:
        pair = accepted(server.pid, OPEN, CLOSE)
        path = native("job_server")
        place = file_offset(path, "job_open") + int(pair[0].partition("+")[2] or 0)
        before = hooked_bytes(server.pid, path, place)
        with ProbeWatch(server.pid, *pair):
            during = hooked_bytes(server.pid, path, place)
        deadline = time.monotonic() + 10
        while hooked_bytes(server.pid, path, place) != before:
            assert time.monotonic() < deadline, "the breakpoint stays"
            time.sleep(0.05)
        assert during == b"\xcc", "the rig: no breakpoint was there"
        server.ask("/churn?1000")
        assert server.jobs() == (0, 1000)


def test_a_process_that_ends_or_becomes_another():
    for end in ("kill", "become_another"):
        with JobServer() as server:
            pair = accepted(server.pid, OPEN, CLOSE)
            with ProbeWatch(server.pid, *pair) as watch:
                if end == "kill":
                    server.process.kill()
                    server.process.wait()
                else:
                    server.become_another()
                _, errors = watch.process.communicate(timeout=20)
                code = watch.process.returncode
        assert code in ((0, 1) if end == "kill" else (1,)) and errors.count(b"\n") <= 1, (end, code, errors)
        if end != "kill":
            assert b"it has ended, or runs another program now" in errors, errors
