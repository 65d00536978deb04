# SPDX-License-Identifier: MIT
"""No room for a recording: tracing goes on, what is dropped is counted to the record, and recording goes on when there is room."""
import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time

import recording_file
from load_client import Connection
from servers import TruthServer, wait_acknowledged
from test_completeness import drive_mixed
from test_recording import content
from tracer import Recorder, Skip, require_command, require_tailrace

DROPPED = re.compile(r"(\d+) records were dropped and are not in the recording")


@contextlib.contextmanager
def small_disk(*what):
    with tempfile.TemporaryDirectory(prefix="tailrace-disk-") as directory:
        done = subprocess.run(["mount", *what, directory], capture_output=True)
        if done.returncode:
            raise Skip("this cannot be mounted here: " + done.stderr.decode().strip())
        try:
            yield directory
        finally:
            subprocess.run(["umount", "-l", directory], check=True)


def tmpfs(size):
    return small_disk("-t", "tmpfs", "-o", "size=" + size, "tmpfs")


@contextlib.contextmanager
def ext2(kibibytes):
    """A file system that cannot keep room: a full disk shows in the middle of a write."""
    require_command("mkfs.ext2")
    with tempfile.TemporaryDirectory(prefix="tailrace-image-") as directory:
        image = os.path.join(directory, "image")
        subprocess.run(["mkfs.ext2", "-q", "-b", "1024", "-m", "0", image, str(kibibytes)], check=True, capture_output=True)
        with small_disk("-o", "loop", image) as mounted:
            yield mounted


def marked_requests(port, mark, count=53):
    """On a connection of its own, each with a path that no other has."""
    connection = Connection("127.0.0.1", port)
    for number in range(count):
        assert connection.request("/length/1x%d/mark=%s" % (number + 100, mark)).status == 200, "the server suffered"
    wait_acknowledged(port)
    connection.close()
    return {"/length/1x%d/mark=%s" % (number + 100, mark) for number in range(count)}


def said(recorder, words):
    return recorder.errors().decode().count(words)


def fill(server, recorder, words, seconds=60):
    """Requests until the recorder says that there is no room."""
    deadline = time.monotonic() + seconds
    while not said(recorder, words):
        assert time.monotonic() < deadline, "it never says %r: %s" % (words, recorder.errors())
        drive_mixed(server.port, count=401)
    drive_mixed(server.port, count=401)


def check_account(recorder, report, length):
    """The numbers agree: in the file, in the export, on stderr."""
    errors = recorder.errors().decode()
    found, count = recording_file.check(content(recorder.file))
    assert len(content(recorder.file)) <= length, "%d bytes" % len(content(recorder.file))
    match = DROPPED.search(errors)
    assert match, "it does not say how many were dropped: " + errors
    dropped, end = int(match.group(1)), report.objects[-1]
    assert dropped > 0 and end["recording"]["dropped"] == end["recording"]["missing_records"] == dropped, end
    assert end["loss"]["unrecorded"] == dropped and end["recording"]["records"] == count, end
    # The last block counts what came before it, written or not; the kernel side counts what it handed over.
    assert found[-1].before == count + dropped, "%d came, %d written, %d dropped" % (found[-1].before, count, dropped)
    assert count + dropped >= end["events"]["delivered"] == end["events"]["made"], end
    assert end["recording"]["ended"] == "clean" and not end["recording"]["missing_blocks"], end
    return "%d of %d records dropped" % (dropped, found[-1].before)


def told_exactly(report, targets):
    told = [item for item in report.ended if item["target"] in targets]
    assert {item["target"] for item in told} == targets and len(told) == len(targets), "%d of %d" % (
        len(told), len(targets))
    for item in told:
        assert item["status"] == 200 and not item["estimated"] and item["ended_by"] == "complete", item


def test_a_full_disk_drops_counts_and_goes_on():
    require_tailrace()
    with tmpfs("1m") as directory:
        return check_full_then_free(directory, 600 << 10)


def test_a_full_disk_that_is_noticed_late_leaves_no_torn_block():
    require_tailrace()
    with ext2(1024) as directory:
        return check_full_then_free(directory, 600 << 10)


def check_full_then_free(directory, ballast_bytes):
    with TruthServer() as server:
        ballast = os.path.join(directory, "ballast")
        with open(ballast, "wb") as file:
            file.write(bytes(ballast_bytes))
        with Recorder(server.port, file=os.path.join(directory, "r")) as recorder:
            before = marked_requests(server.port, "before")
            fill(server, recorder, "No space left on device")
            free = os.statvfs(directory)
            assert free.f_bavail * free.f_bsize < 300 << 10, "the disk is not full"
            os.unlink(ballast)
            deadline = time.monotonic() + 20
            while not said(recorder, "goes on;"):
                assert time.monotonic() < deadline, "it does not go on: %s" % recorder.errors()
                marked_requests(server.port, "wait")
                time.sleep(0.2)
            after = marked_requests(server.port, "after")
            report = recorder.stop()
            assert said(recorder, "cannot write") == said(recorder, "goes on;") == 1, recorder.errors()
            told_exactly(report, before | after)
            return check_account(recorder, report, 1 << 20)


def test_a_disk_that_stays_full_has_room_for_the_end():
    require_tailrace()
    with tmpfs("256k") as directory, TruthServer() as server:
        with Recorder(server.port, file=os.path.join(directory, "r")) as recorder:
            before = marked_requests(server.port, "before")
            fill(server, recorder, "No space left on device")
            # Others take what is left: only what the recorder keeps for itself is its own.
            with open(os.path.join(directory, "others"), "wb", buffering=0) as others, contextlib.suppress(OSError):
                while others.write(b"o" * 512):
                    pass
            report = recorder.stop()
            told_exactly(report, before)
            return check_account(recorder, report, 256 << 10)


def test_the_largest_size_is_never_passed():
    require_tailrace()
    for size in (64, 100):
        with TruthServer() as server, Recorder(server.port, record=("--max-size", "%dKiB" % size)) as recorder:
            before = marked_requests(server.port, "before")
            fill(server, recorder, "has reached its largest size")
            report = recorder.stop()
            assert said(recorder, "largest size") == 1, recorder.errors()
            told_exactly(report, before)
            note = check_account(recorder, report, size << 10)
            assert os.path.getsize(recorder.file) > size << 9, "half of it is not used"
    return note


def test_a_limit_of_the_file_size_is_no_end():
    require_tailrace()
    require_command("prlimit")
    with TruthServer() as server, Recorder(server.port) as recorder:
        before = marked_requests(server.port, "before")
        subprocess.run(["prlimit", "--pid", str(recorder.process.pid), "--fsize=%d" % (96 << 10)], check=True)
        fill(server, recorder, "File too large")
        report = recorder.stop()
        told_exactly(report, before)
        return check_account(recorder, report, 96 << 10)


def test_what_takes_nothing_is_said_and_tracing_goes_on():
    require_tailrace()
    with TruthServer() as server, Recorder(server.port, file="/dev/full") as recorder:
        drive_mixed(server.port, count=211)
        time.sleep(1.2)
        drive_mixed(server.port, count=211)
        assert recorder.process.poll() is None, "it ended: %s" % recorder.errors()
        code = recorder.end(signal.SIGINT)
        errors = recorder.errors().decode()
        # Not even the end could be written: this is no recording.
        assert code == 1, "exit code %d: %s" % (code, errors)
        assert errors.count("No space left") == 1, errors
        dropped, made = int(DROPPED.search(errors).group(1)), int(re.search(r"(\d+) events made", errors).group(1))
        assert made <= dropped <= made + 4 * 200 and errors.startswith("tailrace: cannot write"), errors
        return "%d records dropped, %d events" % (dropped, made)
