# SPDX-License-Identifier: MIT
"""What `tailrace record` kept of real traffic, and what `tailrace export` tells of it: against the server's own log."""
import csv
import io
import json
import os
import re
import signal
import subprocess
import tempfile
import time

import recording_file
from load_client import Connection
from servers import TruthServer, scenario, send_queues
from test_completeness import REQUESTS, check_all, drive_mixed
from test_edges import NOBODY, one_sentence
from test_hostile_text import hostile_server, hostile_traffic, line_traffic, secret_traffic
from tracer import BINARY, Recorder, Skip, Tracer, remote, require_command, require_tailrace, run_to_end


def export(file, *options, prefix=()):
    done = run_to_end("export", file, *options, prefix=prefix)
    assert done.returncode == 0, "exit code %d: %s" % (done.returncode, done.stderr[-500:])
    return done.stdout


def content(file):
    with open(file, "rb") as stream:
        return stream.read()


def check_recorded(server, recorder):
    drive_mixed(server.port)
    report = recorder.stop()
    found, count = recording_file.check(content(recorder.file))
    end = report.objects[-1]
    assert end["recording"]["ended"] == "clean" and end["recording"]["records"] == count, end
    assert count >= end["events"]["delivered"] == end["events"]["made"], "%d records, %s" % (count, end["events"])
    return report, found


def test_every_response_of_a_recording_is_exact():
    require_tailrace()
    with TruthServer() as server, Recorder(server.port) as recorder:
        report, found = check_recorded(server, recorder)
        size = os.path.getsize(recorder.file)
        records = sum(block.count for block in found)
        raw = sum(len(block.payload) for block in found if block.kind == "records")
        records_log = server.log()
        assert len(records_log) == REQUESTS, "the rig served %d" % len(records_log)
        note = check_all(report, records_log, server.pid)
        assert os.stat(recorder.file).st_mode & 0o777 == 0o600, "others may read it"
        return "%s; %d bytes for %d records, %.1f times smaller" % (note, size, records, raw / size)


def test_a_recording_tells_what_a_live_trace_told():
    """Both at once: what is not a measured time is the same."""
    require_tailrace()
    with TruthServer() as server, Tracer(server.port, "--flushes") as tracer, \
            Recorder(server.port, "--flushes") as recorder:
        drive_mixed(server.port, count=307)
        live, recorded = tracer.stop(), recorder.stop()
        server.end()
    names = ("id", "state", "server", "connection", "protocol", "method", "target", "status", "content_type", "streaming",
             "ended_by", "request_bytes", "response_bytes", "backend", "adopted")

    def words(report):
        return sorted(json.dumps([item[name] for name in names]) for item in report.responses)

    # A cookie is given once, so the ids are the same for both.
    assert words(live) == words(recorded), "they differ"
    for name in ("bytes", "writes"):
        told = [sum(flush[name] for flush in report.of_type("flush")) for report in (live, recorded)]
        assert told[0] == told[1], "%s of all flushes: %s" % (name, told)
    assert [item["type"] for item in recorded.objects[:1]] == ["meta"]
    assert {**live.objects[0], "clock": 0} == {**recorded.objects[0], "clock": 0}, "meta differs"
    return "%d responses" % len(live.responses)


def test_an_export_is_the_same_twice_for_anybody_and_on_another_machine():
    require_tailrace()
    require_command("setpriv")
    require_command("unshare")
    with TruthServer() as server, Recorder(server.port) as recorder, tempfile.TemporaryDirectory() as directory:
        drive_mixed(server.port, count=211)
        recorder.stop()
        server.end()  # its process is gone: its names are in the recording
        os.chmod(directory, 0o755)
        copy = os.path.join(directory, "recording")
        with open(copy, "wb") as stream:
            stream.write(content(recorder.file))
        os.chmod(copy, 0o644)
        binary = os.path.join(directory, "tailrace")
        with open(binary, "wb") as stream:
            stream.write(content(BINARY))
        os.chmod(binary, 0o755)
        # With other processes and another name, it is a machine that knows nothing of this one.
        elsewhere = ["unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "sh", "-c",
                     "hostname elsewhere && exec \"$@\"", "sh"]
        for options in ((), ("--flushes",), ("--format", "json"), ("--format", "csv")):
            once = export(recorder.file, *options)
            assert once == export(recorder.file, *options), "not the same twice: %s" % (options,)
            assert once == export(copy, *options, prefix=elsewhere), "not the same elsewhere: %s" % (options,)
            done = run_to_end("export", copy, *options, prefix=NOBODY, binary=binary)
            if done.returncode and b"libraries" in done.stderr:
                raise Skip("the binary's libraries are not readable by all")
            assert once == done.stdout, "not the same for nobody: %s" % done.stderr[-300:]
            assert b"elsewhere" not in once and b"python" in once, "it asked this machine"
        return "%d bytes" % len(once)


def test_the_formats_tell_the_same_responses():
    require_tailrace()
    with hostile_server() as server, Recorder(server.port, "--flushes") as recorder:
        hostile_traffic(server.port)
        drive_mixed(server.port, count=101)
        report = recorder.stop()
        server.end()
        objects = json.loads(export(recorder.file, "--format", "json", "--flushes"))
        assert objects == report.objects, "json is not the list of the same objects"
        text = export(recorder.file, "--format", "csv")
        assert text.endswith(b"\r\n") and text.count(b"\n") == text.count(b"\r\n"), "line ends"
        rows = list(csv.DictReader(io.StringIO(text.decode("utf-8"), newline="")))
    assert [row["id"] for row in rows] == [item["id"] for item in report.responses], "not the same responses"
    for row, item in zip(rows, report.responses):
        for name in ("begin", "end", "target", "method", "content_type", "ended_by", "protocol"):
            told = item[name] or ""
            assert row[name] in (told, "'" + told) or "\\u" in json.dumps(told), "%s: %r, %r" % (name, row[name], told)
        for name, value in item["timeline_ns"].items():
            assert row["timeline_%s_ns" % name] == ("" if value is None else str(value)), name
        for name in ("status", "response_bytes", "flushes", "duration_ns", "ttff_ns"):
            assert row[name] == ("" if item[name] is None else str(item[name])), name
        for name in ("adopted", "estimated", "streaming"):
            assert row[name] == str(item[name]).lower(), name
        assert row["connection_remote"] == item["connection"]["remote"] and row["server_pid"] == str(item["server"]["pid"])
    return "%d responses, %d columns" % (len(rows), len(rows[0]))


def test_an_open_response_is_told_as_open():
    require_tailrace()
    with TruthServer() as server, Recorder(server.port) as recorder:
        connection = Connection("127.0.0.1", server.port)
        connection.request("/length/1x10")
        connection.send("/sse/400x100/gap=50")
        connection.read_head()
        time.sleep(0.4)
        report = recorder.stop()
        connection.close()
    assert len(report.ended) == 1 and len(report.open) == 1, [item["state"] for item in report.responses]
    assert report.open[0]["target"] == "/sse/400x100/gap=50" and report.open[0]["flushes"] > 1, report.open[0]
    assert report.objects[-1]["counts"] | {"open": 1} == report.objects[-1]["counts"], report.objects[-1]["counts"]


def test_what_is_still_on_its_way_is_recorded():
    """Of a response that nobody reads, the flushes that were never acknowledged are told by the last look at its socket."""
    require_tailrace()
    with TruthServer() as server, Tracer(server.port) as tracer, Recorder(server.port) as recorder:
        connection = Connection("127.0.0.1", server.port)
        connection.send("/length/200x200000")
        queue = []
        while len(queue) < 3 or len(set(queue[-3:])) > 1 or not queue[-1]:  # until the server is stuck
            time.sleep(0.3)
            queue.append(sum(send_queues(server.port)))
        live, recorded = tracer.stop(), recorder.stop()
        connection.close()
    for report in (live, recorded):
        assert len(report.open) == 1 and not report.ended, [item["state"] for item in report.responses]
    names = ("id", "response_bytes", "flushes", "status")
    told = [{name: report.open[0][name] for name in names} for report in (live, recorded)]
    assert told[0] == told[1] and told[0]["response_bytes"] >= queue[-1] > 0, (told, queue[-1])
    blocked = [report.open[0]["timeline_ns"]["blocked"] + report.open[0]["timeline_ns"]["queue"] for report in (live, recorded)]
    assert min(blocked) > 0.2 * max(item["duration_ns"] for item in (live.open[0], recorded.open[0])), blocked
    return "%d bytes, %d not acknowledged" % (told[0]["response_bytes"], queue[-1])


def check_secret_is_not_in(secret, data, what):
    pieces = {secret[at:at + 10].encode() for at in range(len(secret) - 9)}
    leaked = [piece for piece in pieces if piece in data]
    assert not leaked, "%s of the secret is in %s" % (leaked[:2], what)


def test_no_secret_of_the_payload_is_in_the_file():
    require_tailrace()
    for traffic in (secret_traffic, line_traffic):
        secret = os.urandom(32).hex()
        with TruthServer() as server, Recorder(server.port) as recorder:
            count = traffic(server.port, secret)
            report = recorder.stop()
            data = content(recorder.file)
        check_secret_is_not_in(secret, data, "the file")
        inflated = b"".join(block.payload for block in recording_file.blocks(data))
        check_secret_is_not_in(secret, inflated, "the records")
        assert len(report.responses) == count, "%d responses of %d" % (len(report.responses), count)
        assert b"session=" not in inflated and b"Bearer" not in inflated, "headers are in the records"


def kill_while_recording(server, seconds):
    """(Recorder's export, its file's content) after SIGKILL in the middle of requests."""
    with Recorder(server.port) as recorder:
        connection = Connection("127.0.0.1", server.port)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert connection.request("/length/2x3000").status == 200, "the server suffered"
        recorder.end(signal.SIGKILL)
        assert connection.request("/length/1x1").status == 200, "the server suffered"
        connection.close()
        return recorder.export(), content(recorder.file)


def test_kill_9_leaves_a_recording_that_reads():
    require_tailrace()
    told = 0
    with TruthServer() as server:
        for seconds in (0.0, 0.7, 1.3, 2.2, 3.1):
            report, data = kill_while_recording(server, seconds)
            end = report.objects[-1]["recording"]
            found = recording_file.blocks(data)
            assert "end" not in [block.kind for block in found], "it has an end"
            assert end["ended"] == "cut" and end["cut_at_bytes"] == found[-1].offset + found[-1].length, end
            assert "no end" in report.errors.decode(), report.errors
            told += len(report.ended)
            for response in report.ended:
                assert (response["status"], response["target"], response["response_bytes"] > 6000) == (
                    200, "/length/2x3000", True), response
            if seconds > 3:
                # Blocks are written once a second.
                assert len(report.ended) > 20, "only %d responses of %.1f s" % (len(report.ended), seconds)
    return "%d responses" % told


def test_any_cut_of_a_real_recording_reads():
    require_tailrace()
    with TruthServer() as server, Recorder(server.port) as recorder:
        drive_mixed(server.port, count=101)
        whole = [item["id"] for item in recorder.stop().ended]
        pid, log = server.pid, server.log()
        data = content(recorder.file)
        ends = [block.offset + block.length for block in recording_file.blocks(data)]
        for cut in sorted({*ends, *(end - 1 for end in ends), *range(500, len(data), len(data) // 20)}):
            with open(recorder.path("cut"), "wb") as stream:
                stream.write(data[:cut])
            done = run_to_end("export", recorder.path("cut"))
            if cut < ends[0]:
                assert done.returncode == 65, "exit code %d" % done.returncode
                continue
            assert done.returncode == 0, done.stderr
            end = json.loads(done.stdout.splitlines()[-1])["recording"]
            expected = ("clean", None) if cut == len(data) else ("cut", max(end for end in ends if end <= cut))
            assert (end["ended"], end["cut_at_bytes"]) == expected, (cut, end)
            told = [json.loads(line) for line in done.stdout.splitlines() if b'"type":"response"' in line[:40]]
            told = [item for item in told if item["state"] == "ended"]
            assert [item["id"] for item in told] == whole[:len(told)], "other responses than the whole has"
        served = {(tuple(record["remote"])): record for record in log}
        assert all(remote(item) in served and item["server"]["pid"] == pid for item in told), "not of this server"


def test_without_a_block_what_is_told_is_true_or_marked():
    require_tailrace()
    with TruthServer() as server, Recorder(server.port) as recorder:
        for _ in range(4):
            drive_mixed(server.port, count=307, connections=11)
            time.sleep(1.1)  # a block more
        whole = recorder.stop()
        server.end()
        data = content(recorder.file)
        found = [block for block in recording_file.blocks(data) if block.kind == "records"]
        assert len(found) > 4, "%d blocks with records" % len(found)
        names = ("method", "target", "status", "request_bytes", "response_bytes", "ended_by", "flushes", "end")
        true = {(remote(item), item["begin"]): [item[name] for name in names] for item in whole.responses}
        told = marked = 0
        for block in found:
            with open(recorder.path("part"), "wb") as stream:
                stream.write(data[:block.offset] + data[block.offset + block.length:])
            objects = [json.loads(line) for line in export(recorder.path("part")).splitlines()]
            assert objects[-1]["recording"]["missing_records"] == block.count, objects[-1]
            for item in objects:
                if item["type"] != "response":
                    continue
                told += 1
                marked += item["estimated"]
                if item["state"] == "ended" and not item["estimated"]:
                    assert true.get((remote(item), item["begin"])) == [item[name] for name in names], (
                        "not so: %s" % json.dumps(item)[:600])
        return "%d responses told without one of %d blocks, %d of them marked" % (told, len(found), marked)


def test_what_is_no_recording_is_65():
    require_tailrace()
    with tempfile.TemporaryDirectory() as directory:
        text, empty = os.path.join(directory, "text"), os.path.join(directory, "empty")
        for file, data in ((text, b"hello\n" * 1000), (empty, b"")):
            with open(file, "wb") as stream:
                stream.write(data)
        for file in (text, empty, directory, os.path.join(directory, "none"), "/dev/null"):
            sentence = one_sentence(run_to_end("export", file), 65)
            assert file in sentence and "tailrace record" in sentence, sentence
        return sentence


def test_an_export_that_cannot_be_written_is_1():
    require_tailrace()
    with TruthServer() as server, Recorder(server.port) as recorder:
        drive_mixed(server.port, count=101)
        recorder.stop()
        for form in ("ndjson", "json", "csv"):
            done = run_to_end("export", recorder.file, "--format", form, "-o", "/dev/full")
            assert done.returncode == 1 and b"No space left" in done.stderr, (form, done.returncode, done.stderr)
            with open("/dev/full", "wb") as full:
                done = subprocess.run([BINARY, "export", recorder.file, "--format", form], stdout=full,
                                      stderr=subprocess.PIPE, timeout=30)
            assert done.returncode == 1 and done.stderr.count(b"\n") == 1, (form, done.returncode, done.stderr)
        done = run_to_end("export", recorder.file, "-o", os.path.join(recorder.directory.name, "no", "such"))
        assert done.returncode == 1 and b"cannot create" in done.stderr, done.stderr
        done = run_to_end("export", recorder.file, "-o", recorder.path("out"))
        assert done.returncode == 0 and not done.stdout and content(recorder.path("out")) == export(recorder.file)


def test_an_export_onto_its_own_recording_is_refused():
    """It would be emptied before it is read."""
    require_tailrace()
    with TruthServer() as server, Recorder(server.port) as recorder:
        recorder.stop()
        with open(recorder.file, "rb") as file:
            before = file.read()
        link = recorder.path("link")
        os.symlink(recorder.file, link)
        for output in (recorder.file, link):
            done = run_to_end("export", recorder.file, "-o", output)
            assert done.returncode == 1 and not done.stdout, done
            assert re.fullmatch(rb"tailrace: .*recording itself; give another file.*\n", done.stderr), done.stderr
        with open(recorder.file, "rb") as file:
            assert file.read() == before, "the recording is not what it was"


def test_wrong_usage_of_record_and_export_is_64():
    require_tailrace()
    for arguments in (("record",), ("record", "-o", "/tmp/x", "--for", "30"), ("record", "-o", "/tmp/x", "--for", "0s"),
                      ("record", "-o", "/tmp/x", "--max-size", "1KiB"), ("export",), ("export", "x", "--format", "xml"),
                      ("export", "x", "--format", "csv", "--flushes")):
        done = run_to_end(*arguments)
        assert done.returncode == 64 and done.stderr and not done.stdout, (arguments, done.returncode)


def test_where_it_may_not_be_written_is_told_in_one_line():
    require_tailrace()
    with TruthServer() as server, tempfile.TemporaryDirectory() as directory:
        target = os.path.join(directory, "target")
        with open(target, "w") as stream:
            stream.write("precious")
        link, pipe = os.path.join(directory, "link"), os.path.join(directory, "pipe")
        os.symlink(target, link)
        os.mkfifo(pipe)
        for file in (directory, link, pipe, os.path.join(directory, "no", "such")):
            sentence = one_sentence(run_to_end("record", "--port", server.port, "-o", file, "--for", "5s"), 1)
            assert file in sentence, sentence
        assert content(target) == b"precious", "it was written through the link"
        done = run_to_end("record", "--port", server.port, "-o", target, "--for", "200ms")
        assert done.returncode == 0, done.stderr
        assert content(target + ".old") == b"precious", "what was there is gone"
        recording_file.check(content(target))


def test_for_ends_it():
    require_tailrace()
    with TruthServer() as server, tempfile.TemporaryDirectory() as directory:
        file, begin = os.path.join(directory, "r"), time.monotonic()
        done = run_to_end("record", "--port", server.port, "-o", file, "--for", "1500ms")
        taken = time.monotonic() - begin
        assert done.returncode == 0 and not done.stdout, done.stderr
        assert 1.5 <= taken, "after %.1f s" % taken
        recording_file.check(content(file))
        assert re.search(rb"\d+ records in .*none lost\n$", done.stderr), done.stderr


def client(port, target, count=7):
    return scenario("load_client.py", "--port", port, "--target", target, "--requests", count)


def recorded_command(server, *command, options=()):
    """(exit code, stdout, stderr, Report of the export or None)"""
    with tempfile.TemporaryDirectory() as directory:
        file = os.path.join(directory, "r")
        done = run_to_end("record", "--port", server.port, "-o", file, *options, "--", *command)
        exported = run_to_end("export", file)
        told = [json.loads(line) for line in exported.stdout.splitlines()]
        return done, [item for item in told if item["type"] == "response"]


def test_a_command_is_recorded_for_as_long_as_it_runs():
    require_tailrace()
    with TruthServer() as server:
        done, responses = recorded_command(server, *client(server.port, "/length/1x100"))
        assert done.returncode == 0, done.stderr
        results = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(results) == 7, "the command's own output: %r" % done.stdout
        assert [item["target"] for item in responses] == ["/length/1x100"] * 7, "%d responses" % len(responses)


def test_a_command_hands_on_its_exit_code():
    require_tailrace()
    with TruthServer() as server:
        for script, code in (("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)):
            done, _ = recorded_command(server, "sh", "-c", script)
            assert done.returncode == code, "%s: exit code %d: %s" % (script, done.returncode, done.stderr)
        done, _ = recorded_command(server, "/no/such/command")
        assert done.returncode == 127 and b"/no/such/command" in done.stderr, done.stderr
        done, _ = recorded_command(server, "/etc/passwd")
        assert done.returncode == 126, done.stderr
        # It has the signals that a shell would give it.
        done, _ = recorded_command(server, "sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status")
        masks = [int(line.split()[1], 16) for line in done.stdout.splitlines()]
        assert not any(mask & sum(1 << (how - 1) for how in (2, 13, 15, 25)) for mask in masks), done.stdout


def test_the_end_of_the_time_ends_the_command():
    require_tailrace()
    with TruthServer() as server:
        done, _ = recorded_command(server, "sleep", "60", options=("--for", "300ms"))
        assert done.returncode == 0, "exit code %d: %s" % (done.returncode, done.stderr)


def test_an_interrupt_ends_the_command_and_then_the_recording():
    require_tailrace()
    with TruthServer() as server:
        script = "trap 'sleep 0.3; exit 5' TERM; while :; do sleep 0.05; done"
        with Recorder(server.port, command=("sh", "-c", script)) as recorder:
            time.sleep(0.3)
            code = recorder.end(signal.SIGINT)
            assert code == 5, "exit code %d: %s" % (code, recorder.errors())
            recording_file.check(content(recorder.file))
        with Recorder(server.port, command=("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")) as recorder:
            time.sleep(0.3)
            recorder.process.send_signal(signal.SIGINT)
            time.sleep(0.3)
            assert recorder.process.poll() is None, "it did not wait for its command"
            code = recorder.end(signal.SIGINT)
            assert code in (0, 137, -signal.SIGINT), "exit code %d: %s" % (code, recorder.errors())
