# SPDX-License-Identifier: MIT
"""The edges of a run: rights, targets that are not there, usage, pipes and signals."""
import os
import shutil
import signal
import subprocess
import tempfile
import time

from load_client import Connection
from nginx_site import free_port
from servers import TruthServer, wait_acknowledged
from tracer import BINARY, Report, Skip, Tracer, require_command, require_tailrace, run_to_end

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]


def one_sentence(done, code):
    errors = done.stderr.decode("utf-8")
    assert done.returncode == code, "exit code %d, stderr: %s" % (done.returncode, errors[-500:])
    assert errors.endswith("\n") and errors.count("\n") == 1, "not one line: %r" % errors
    assert len(errors) > 20, "it says nothing: %r" % errors
    assert not done.stdout, "stdout: %r" % done.stdout[:200]
    return errors.strip()


def test_who_is_not_root_is_told_so_in_one_line():
    require_tailrace()
    require_command("setpriv")
    with TruthServer() as server, tempfile.TemporaryDirectory(prefix="tailrace-nobody-") as directory:
        os.chmod(directory, 0o755)
        copy = shutil.copy(BINARY, directory)  # the checkout need not be readable by all
        os.chmod(copy, 0o755)
        if subprocess.run([*NOBODY, copy, "--version"], capture_output=True, cwd="/").returncode:
            raise Skip("the binary's libraries are not readable by all")
        return one_sentence(run_to_end("trace", "--port", server.port, prefix=NOBODY, binary=copy), 77)


def test_a_pid_that_is_not_there_is_told_in_one_line():
    gone = subprocess.Popen(["true"])
    gone.wait()
    text = one_sentence(run_to_end("trace", "--pid", gone.pid), 1)
    assert str(gone.pid) in text, "it does not say which: " + text
    return text


def test_a_port_without_a_listener_is_told_after_a_grace():
    port, begin = free_port(), time.monotonic()
    done = run_to_end("trace", "--port", port, "--json")
    taken = time.monotonic() - begin
    errors = done.stderr.decode("utf-8")
    assert done.returncode == 1, "exit code %d: %s" % (done.returncode, errors)
    assert errors.count("\n") == 1 and str(port) in errors, "not one sentence with the port: %r" % errors
    assert 4 <= taken <= 15, "after %.1f s, the grace is 5" % taken
    return errors.strip()


def test_wrong_usage_is_64():
    for arguments in (("--port", "99999"), ("--port", "http"), ("--port", "-1"), ("--pid", "zero"), ("--nonsense",), ("--comm", ""),
                      ("--max-connections", "0")):
        done = run_to_end("trace", *arguments)
        assert done.returncode == 64, "%s: exit code %d" % (arguments, done.returncode)
        assert done.stderr and not done.stdout, "%s: the message belongs on stderr" % (arguments,)
    assert run_to_end("nonsense").returncode == 64, "an unknown command"


def test_a_closed_pipe_ends_it_quietly():
    """As in `tailrace trace --json | head -n1`."""
    require_tailrace()
    own, other = os.pipe()
    with TruthServer() as server:
        with Tracer(server.port, stdout=other) as tracer:
            os.close(other)
            with os.fdopen(own, "rb") as pipe:
                assert b'"meta"' in pipe.readline(), "meta is not first"
            connection = Connection("127.0.0.1", server.port)
            deadline = time.monotonic() + 10
            while tracer.process.poll() is None:
                assert time.monotonic() < deadline, "it runs on with nobody reading"
                connection.request("/length/1x100")
                time.sleep(0.02)
            connection.close()
            assert tracer.process.returncode == 0, "exit code %d: %s" % (tracer.process.returncode, tracer.errors())
            errors = tracer.errors().decode("utf-8")
            assert errors.count("\n") <= 1 and "rror" not in errors and "pipe" not in errors, "not quiet: %r" % errors


def busy_run(server, signals):
    """(exit code, Report) of a run that gets these signals while requests go on."""
    with Tracer(server.port) as tracer:
        connection = Connection("127.0.0.1", server.port)
        for number in range(50):
            connection.request("/length/1x%d" % (number + 1))
        wait_acknowledged(server.port)
        for how in signals[:-1]:
            tracer.process.send_signal(how)
        code = tracer.end(signals[-1])
        connection.close()
        return code, tracer.output(), tracer.errors()


def test_one_signal_ends_in_order():
    require_tailrace()
    # Under nohup a hangup is ignored, and is to be.
    is_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    for how in (signal.SIGINT, signal.SIGTERM, *([] if is_ignored else [signal.SIGHUP])):
        with TruthServer() as server:
            code, output, errors = busy_run(server, [how])
            report = Report(output, errors, code)
            report.check_frame()
            assert len(report.ended) == 50, "%d responses of 50, signal %d" % (len(report.ended), how)
            assert report.objects[-1]["counts"]["response"] == 50, report.objects[-1]
            assert errors.strip(), "no summary on stderr"


def test_two_signals_end_it_too():
    require_tailrace()
    with TruthServer() as server:
        code, output, errors = busy_run(server, [signal.SIGINT, signal.SIGINT])
        # The second may cut it short: then by that signal, and with whole lines.
        assert code in (0, 130, -signal.SIGINT), "exit code %d: %s" % (code, errors)
        assert not output or output.endswith(b"\n"), "a torn line: %r" % output[-100:]
    return "exit code %d" % code
