# SPDX-License-Identifier: MIT
"""What a newcomer runs first."""
import re
import subprocess

from tracer import BINARY, require_steady, require_tailrace

UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def seconds(text):
    if text == "0":
        return 0.0
    told = re.fullmatch(r"([\d.]+)(ns|us|ms|s)", text)
    assert told, "no duration: %s" % text
    number, unit = told.groups()
    return float(number) * UNITS[unit]


def run_demo(*arguments):
    require_tailrace()
    done = subprocess.run([str(BINARY), "demo", *arguments], capture_output=True, text=True, timeout=90,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, "exit code %d: %s" % (done.returncode, done.stderr)
    return done.stdout


def test_the_demo_names_where_each_client_lost_its_time():
    text = run_demo()
    picture = {path: shares for path, shares in re.findall(r"^/(\w+) .*\n  \[.*\n  (.*)$", text, re.M)}
    require_steady("accept" not in picture["think"], "the demo's server was starved: %s" % picture)
    assert re.match(r"app (9\d|100) %", picture["think"]), picture
    assert picture["tokens"].startswith("app "), picture
    held = r"(queue|blocked) \d+ %, (queue|blocked) \d+ %(, \w+ \d %)*; held by peer_window \((9\d|100) %\)"
    assert re.match(held, picture["download"]), picture
    assert "blocked" not in picture["fast"] and "queue" not in picture["fast"], picture
    return "; ".join("%s: %s" % item for item in picture.items())


def test_the_demo_shows_the_jump_above_128_kib_and_the_drain_rate_explains_it():
    text = run_demo("bursts")
    told = re.search(r"Up to 128 KiB a flush waits (\S+) on average, above (\S+)\. ", text)
    law = re.search(r"at this drain rate that is (\S+)\.$", text, re.M)
    require_steady(told and law, "too little was sent to tell it: " + text)
    below, above = told.groups()
    predicted = law.group(1)
    assert seconds(above) > 10 * seconds(below), text
    # The client reads 7.25 MB/s or, on a machine that is late to wake it, less; the law holds for either.
    require_steady(seconds(above) < 1, "the client was starved: " + text)
    difference = abs(seconds(predicted) / seconds(above) - 1)
    # A client that pauses for want of a processor has two drain rates. Three runs in a row never do.
    require_steady(difference < 0.15, "waited %s, predicted %s" % (above, predicted))
    return "%s below, %s above, predicted %s" % (below, above, predicted)
