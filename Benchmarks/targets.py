# SPDX-License-Identifier: MIT
"""The targets T1-T12, each with what was measured of it. What was not measured is said to be so."""
from alternation import Estimate, against_neighbours, difference


class Line:
    """One target. `met` is None where it was not measured."""

    def __init__(self, number, target, measured, met=None, crosses=False):
        self.number, self.target, self.measured, self.met, self.crosses = number, target, measured, met, crosses

    @property
    def verdict(self):
        if self.met is None:
            return "not measured"
        return ("met" if self.met else "not met") + (" (the limit lies in the interval)" if self.crosses else "")


def at_least(number, target, estimate, limit, text):
    if estimate is None:
        return Line(number, target, text)
    return Line(number, target, text, estimate.value >= limit, estimate.low < limit <= estimate.high)


def at_most(number, target, estimate, limit, text):
    if estimate is None:
        return Line(number, target, text)
    return Line(number, target, text, estimate.value <= limit, estimate.low <= limit < estimate.high)


def rate_ratio(windows, variant, what="responses"):
    return against_neighbours(windows, variant, lambda window: window.rate(what))


def cpu_ratio(windows, variant, what="responses"):
    return against_neighbours(windows, variant, lambda window: window.cpu(what))


def per_unit(windows, variant, what, field):
    """Runs (0) or time (1) of all programs for each response or chunk, one value a window."""
    return [sum(values[field] for values in window.programs.values()) / max(1, window.delta[what])
            for window in windows if window.variant == variant]


def saturated(results):
    windows = results.get("small")
    target = "small responses: >= 0.93 x bare (stretch 0.945)"
    if not windows:
        return Line("T1", target, results.why("small"))
    full, cpu = Estimate.of(rate_ratio(windows, "full")), Estimate.of(cpu_ratio(windows, "full"))
    kernel, twin = (Estimate.of(rate_ratio(windows, name)) for name in ("kernel", "twin"))
    return at_least("T1", target, full, 0.93, f"{full.text()} x req/s, {cpu.text()} x CPU; without the correlator "
                    f"{kernel.text()} x; empty twin {twin.text()} x")


def aggregates(_):
    return Line("T2", "aggregates only: >= 0.945 x bare", "there is no mode without records")


def bpftrace(results):
    target = ">= 1.8 x the req/s under bpftrace, <= 1/8 of its added CPU"
    windows = results.get("peers") or []
    ours, theirs = rate_ratio(windows, "full"), rate_ratio(windows, "bpftrace")
    if not ours or not theirs:
        return Line("T3", target, results.why("peers", "bpftrace is not installed"))
    speed = Estimate.of(ours, theirs, combine=lambda a, b: a / b)
    added = Estimate.of(cpu_ratio(windows, "full"), cpu_ratio(windows, "bpftrace"), combine=lambda a, b: (a - 1) / (b - 1))
    text = f"{speed.text(2)} x its req/s, {added.text()} of its added CPU (bpftrace: {Estimate.of(theirs).text()} x bare)"
    return Line("T3", target, text, speed.value >= 1.8 and added.value <= 0.125,
                speed.low < 1.8 <= speed.high or added.low <= 0.125 < added.high)


def tcpdump(results):
    target = ">= 1.08 x the req/s under tcpdump"
    windows = results.get("peers") or []
    ours, theirs = rate_ratio(windows, "full"), rate_ratio(windows, "tcpdump")
    if not ours or not theirs:
        return Line("T4", target, results.why("peers", "tcpdump is not installed"))
    speed = Estimate.of(ours, theirs, combine=lambda a, b: a / b)
    return at_least("T4", target, speed, 1.08, f"{speed.text(3)} x (tcpdump: {Estimate.of(theirs).text()} x bare)")


def chunks(results):
    target = "streams: <= 1.2 us added a chunk (both ends), <= 1.08 x CPU"
    windows = results.get("stream")
    if not windows:
        return Line("T5", target, results.why("stream"))
    added = Estimate.of([ns / 1000 for ns in against_neighbours(
        windows, "full", lambda window: window.cpu("chunks"), difference)])
    twin = Estimate.of([ns / 1000 for ns in against_neighbours(
        windows, "twin", lambda window: window.cpu("chunks"), difference)])
    cpu, rate = Estimate.of(cpu_ratio(windows, "full", "chunks")), Estimate.of(rate_ratio(windows, "full", "chunks"))
    bare = Estimate.of([window.rate("chunks") / 1000 for window in windows if window.variant == "bare"])
    # A client that gets its processor less often reads more at once, which hides cost: the programs' own time counts too.
    programs = sum(runs * ns for _, runs, ns in hook_costs(results.get("stream_statistics") or [], "chunks")) / 1000
    return Line("T5", target, f"{added.text(2, ' us')} added, {cpu.text()} x CPU, {rate.text()} x chunks/s "
                f"(bare {bare.value:.0f} k/s; empty twin {twin.text(2, ' us')}; programs alone {programs:.2f} us)",
                max(added.value, programs) <= 1.2 and cpu.value <= 1.08,
                added.low <= 1.2 < added.high or cpu.low <= 1.08 < cpu.high)


def paced(results):
    target = "20 k tokens/s, paced: server CPU <= 1.03 x, <= 1 % of a core"
    windows = results.get("paced")
    if not windows:
        return Line("T6", target, results.why("paced"))
    server = Estimate.of(against_neighbours(windows, "full", lambda window: window.share("server_ns")))
    added = Estimate.of([100 * share for share in against_neighbours(
        windows, "full", lambda window: window.share("server_ns") + window.share("client_ns"), difference)])
    rate = Estimate.of([window.rate("chunks") / 1000 for window in windows])
    daemon_share = Estimate.of([100 * window.share("cpu_ns") for window in windows if window.variant == "full"])
    return Line("T6", target, f"{server.text()} x server CPU, {added.text(2, ' %')} of a core more for both ends "
                f"(and {daemon_share.value:.1f} % for the daemon), at {rate.value:.1f} k chunks/s", server.value <= 1.03 and added.value <= 1.0,
                server.low <= 1.03 < server.high or added.low <= 1.0 < added.high)


def hook_costs(windows, what="responses"):
    """[(program, runs for each unit, ns a run net of the empty twin)]."""
    sums = {}
    for window in windows:
        for name, (runs, nanoseconds) in window.programs.items():
            entry = sums.setdefault(name, {}).setdefault(window.variant, [0, 0, 0])
            entry[0] += runs
            entry[1] += nanoseconds
            entry[2] += window.delta[what]
    costs = []
    for name, entry in sums.items():
        full, twin = entry.get("full"), entry.get("twin")
        if full and twin and full[0] and twin[0]:
            costs.append((name, full[0] / max(1, full[2]), full[1] / full[0] - twin[1] / twin[0]))
    return costs


def program_time(results):
    target = "programs <= 800 ns a response net of the empty twin, no hook > 100 ns"
    windows = results.get("small_statistics")
    if not windows:
        return Line("T7", target, results.why("small"))
    net = Estimate.of(per_unit(windows, "full", "responses", 1), per_unit(windows, "twin", "responses", 1),
                      combine=lambda full, twin: full - twin)
    # A hook fires once a response at the server's end; at the client's it stops at the port filter.
    worst, name = max((runs * ns, name) for name, runs, ns in hook_costs(windows))
    return Line("T7", target, f"{net.text(0, ' ns')}; dearest {name} {worst:.0f} ns a response",
                net.value <= 800 and worst <= 100, net.low <= 800 < net.high)


def hooks(results):
    target = "<= 5 hooks a response, <= 4 a chunk, <= 100 wake-ups/s"
    small, stream, plain = (results.get(name) for name in ("small_statistics", "stream_statistics", "small"))
    if not small or not stream or not plain:
        return Line("T8", target, results.why("small" if "small" in results.failures else "stream"))
    response = Estimate.of(per_unit(small, "full", "responses", 0))
    chunk = Estimate.of(per_unit(stream, "full", "chunks", 0))
    wakeups = Estimate.of([window.rate("switches") for window in plain if window.variant == "full"])
    return Line("T8", target, f"{response.value:.2f} a response, {chunk.value:.2f} a chunk, both ends (a server alone: about "
                f"half); {wakeups.value:.0f} wake-ups/s",
                round(response.value / 2, 1) <= 5 and chunk.value / 2 <= 4 and wakeups.value <= 100,
                wakeups.low <= 100 < wakeups.high)


def untraced(results):
    target = "untraced sockets: >= 0.95 x bare (by cgroup scope 0.99)"
    if not results.get("small"):
        return Line("T9", target, results.why("small"))
    ratios = Estimate.of(rate_ratio(results["small"], "untraced"))
    return at_least("T9", target, ratios, 0.95, f"{ratios.text()} x with the port filter; cgroup scope: not there")


def ingest(results):
    target = "correlator: >= 12 M records/s a core"
    said = results.get("ingest")
    if not said:
        return Line("T10", target, results.why("ingest"))
    net = said["ns_per_record"] - said["making_ns_per_record"]
    return Line("T10", target, f"{1000 / net:.2f} M/s ({net:.0f} ns a record; decoding not included)", 1000 / net >= 12)


def daemon(results):
    target = "at 100 k responses/s: <= 1.5 % of a core, 0 lost, 400 ms stall, RSS <= 50 MB"
    windows, stall = results.get("small"), results.get("stall")
    if not windows or not stall:
        return Line("T11", target, results.why("small"))
    full = [window for window in windows if window.variant == "full"]
    share = Estimate.of([window.delta["cpu_ns"] / max(1, window.delta["responses"]) * 1e5 / 1e7 for window in full])
    # Where nothing but the one variant is loaded: here every variant has a ring of its own.
    alone = [window for window in results.get("peers") or windows if window.variant == "full"]
    lost, rss = sum(window.delta["lost"] for window in full), max(window.rss_bytes for window in alone) / 1e6
    return Line("T11", target, f"{share.text(2, ' %')} of a core for each 100 k/s (no output), {lost} lost, stall: "
                f"{stall['lost']} of {stall['made']} lost, RSS {rss:.0f} MB",
                share.value <= 1.5 and lost == 0 and stall["lost"] == 0 and rss <= 50)


def loading(results):
    target = "load + attach <= 150 ms, attach <= 5 ms, detach leaves 1.00 +-0.01"
    times, windows = results.get("loading"), results.get("detached")
    if not times or not windows:
        return Line("T12", target, results.why("loading"))
    load, attach, detach = (Estimate.of([time[key] / 1e6 for time in times]) for key in ("load_ns", "attach_ns", "detach_ns"))
    after = Estimate.of(rate_ratio(windows, "detached"))
    return Line("T12", target, f"load {load.text(1, ' ms')}, attach {attach.text(1, ' ms')}, detach {detach.text(1, ' ms')}, "
                f"afterwards {after.text()} x", load.value + attach.value <= 150 and attach.value <= 5
                and abs(after.value - 1) <= 0.01, after.low < 0.99 or after.high > 1.01)


ALL = [saturated, aggregates, bpftrace, tcpdump, chunks, paced, program_time, hooks, untraced, ingest, daemon, loading]
