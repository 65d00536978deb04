# SPDX-License-Identifier: MIT
"""Windows with and without a tracer in turn, and what their ratios say. Neighbours share the machine's mood."""
import random
import statistics
import time

from load import processor_ns

STATISTICS_SWITCH = "/proc/sys/kernel/bpf_stats_enabled"


def set_kernel_statistics(value):
    with open(STATISTICS_SWITCH, "w") as file:
        file.write(str(value))


def kernel_statistics():
    with open(STATISTICS_SWITCH) as file:
        return int(file.read())


class Window:
    """Counts and processor times over one stretch of time."""

    def __init__(self, variant, before, after):
        self.variant = variant
        self.seconds = after["time"] - before["time"]
        self.delta = {key: after[key] - before[key] for key in before if key not in ("time", "programs")}
        self.programs = {name: [now - then for now, then in zip(after["programs"][name], before["programs"][name])]
                         for name in after.get("programs", {})}
        self.rss_bytes = after.get("rss_bytes", 0)

    def rate(self, what="responses"):
        return self.delta[what] / self.seconds

    def cpu(self, what="responses"):
        """Processor time of server and client for each of `what`, ns: the kernel's work for them is in it."""
        return (self.delta["server_ns"] + self.delta["client_ns"]) / max(1, self.delta[what])

    def share(self, who):
        """Processor time of `server_ns`, `client_ns` or `cpu_ns` (the tracer), as a share of one processor."""
        return self.delta[who] / self.seconds / 1e9

    def as_json(self, phase):
        return {"phase": phase, "variant": self.variant, "seconds": round(self.seconds, 6), **self.delta,
                "programs": self.programs, "rss_bytes": self.rss_bytes}


class Alternation:
    """Runs the windows of one load."""

    def __init__(self, server, client, seed):
        self.server, self.client = server, client
        self.random = random.Random(seed)

    def _reading(self, tracer):
        reading = tracer.statistics() if tracer else {}
        if reading:
            reading["tracer_responses"] = reading.pop("responses")
        reading |= self.server.counts()
        reading["time"] = time.monotonic()
        reading["server_ns"] = processor_ns(self.server.server)
        reading["client_ns"] = processor_ns(self.client.path)
        return reading

    def window(self, tracer, seconds, settle=0.015, with_statistics=False):
        """One window; the tracer is attached before and detached after it, also when the window fails."""
        if tracer:
            tracer.attach()
        try:
            if with_statistics:
                set_kernel_statistics(1)
            time.sleep(settle)
            before = self._reading(tracer)
            time.sleep(seconds)
            after = self._reading(tracer)
        finally:
            if with_statistics:
                set_kernel_statistics(0)
            if tracer:
                tracer.detach()
        return Window(tracer.name if tracer else "bare", before, after)

    def run(self, tracers, windows, seconds, **options):
        """`windows` of each tracer in random order, a bare one before, between and after them."""
        result = [self.window(None, seconds, **options)]
        for _ in range(windows):
            for tracer in self.random.sample(tracers, len(tracers)):
                result.append(self.window(tracer, seconds, **options))
                result.append(self.window(None, seconds, **options))
        return result


def ratio(value, bare):
    return value / bare


def difference(value, bare):
    return value - bare


def against_neighbours(windows, variant, measure, compare=ratio):
    """measure(window) against the mean of the two bare windows beside it, for each window of `variant`."""
    compared = []
    for index, window in enumerate(windows):
        if window.variant != variant:
            continue
        if any(runs for runs, _ in window.programs.values()):
            continue  # somebody else had the kernel's BPF statistics on: they cost time of their own
        bare = (measure(windows[index - 1]) + measure(windows[index + 1])) / 2
        compared.append(compare(measure(window), bare))
    return compared


def null_ratios(windows, measure):
    """Bare against bare, in the same manner: what the method shows where there is nothing to show."""
    bare = [measure(window) for window in windows if window.variant == "bare"]
    return [b / ((a + c) / 2) for a, b, c in zip(bare, bare[1:], bare[2:])]


class Estimate:
    """A median with its 95 % bootstrap interval."""

    def __init__(self, value, low, high, count):
        self.value, self.low, self.high, self.count = value, low, high, count

    @classmethod
    def of(cls, *samples, combine=lambda median: median, rounds=1000, seed=1):
        """combine(median of each sample): of one list by default, of several for a ratio of medians."""
        if not samples or not all(samples):
            return None
        source = random.Random(seed)
        draws = sorted(combine(*(statistics.median(source.choices(sample, k=len(sample))) for sample in samples))
                       for _ in range(rounds))
        return cls(combine(*map(statistics.median, samples)), draws[int(0.025 * rounds)], draws[int(0.975 * rounds)],
                   min(map(len, samples)))

    def text(self, digits=3, unit=""):
        return f"{self.value:.{digits}f}{unit} [{self.low:.{digits}f}-{self.high:.{digits}f}]"
