# SPDX-License-Identifier: MIT
"""
What scipy makes of some data, for the tests of TailraceAnalysis/Statistics:

    python3 Tests/Fixtures/make_statistics.py > Tests/Fixtures/statistics.json

python3-scipy (Debian) or scipy (PyPI), 1.10 or newer, kneed (PyPI), which is Kneedle by itself, and ruptures (PyPI) for
several changes at once. Seeded: the same data each time.
"""
import json
import math

import kneed
import numpy
import ruptures
from scipy import stats

# The Nile's yearly flow at Aswan, 1871-1970 (Cobb 1978), 10^8 m^3: the classic change of level, in 1899.
NILE = [1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140, 1100,
        1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969, 831, 726, 456,
        824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845, 944, 984, 897,
        822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050, 918, 986, 797, 923, 975,
        815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740]
# Goroutines of a Go server that leaks one for each tenth request, counted once a second, and its responses in flight.
LEAK = [12, 14, 12, 16, 15, 17, 22, 17, 20, 19, 23, 21, 22, 26, 24, 25, 29, 26, 28, 31, 29, 30, 34, 31, 33, 36, 34, 35, 39, 36]
IN_FLIGHT = [2, 3, 1, 3, 2, 3, 5, 2, 3, 2, 4, 2, 2, 4, 2, 2, 4, 2, 2, 3, 2, 1, 3, 1, 2, 3, 1, 1, 3, 1]


def known(value):
    value = float(value)
    return value if math.isfinite(value) else None


def spearman(x, y):
    if len(x) < 3 or len(set(x)) == 1 or len(set(y)) == 1:
        return None
    result = stats.spearmanr(x, y)
    return {"rho": known(result.statistic), "p": known(result.pvalue)}


def trend(series):
    """Mann (1945), Kendall (1975): the variance with ties, and a continuity correction."""
    n = len(series)
    if n < 3 or len(set(series)) == 1:
        return None
    score = sum(numpy.sign(series[j] - series[i]) for i in range(n) for j in range(i + 1, n))
    _, counts = numpy.unique(series, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - sum(int(t) * (int(t) - 1) * (2 * int(t) + 5) for t in counts)) / 18
    z = (score - numpy.sign(score)) / math.sqrt(variance)
    return {"score": known(score), "tau": known(stats.kendalltau(range(n), series).statistic), "p": known(2 * stats.norm.sf(abs(z)))}


def line(x, y):
    if len(set(x)) < 2:
        return None
    result = stats.theilslopes(y, x, 0.95)
    return {"slope": known(result[0]), "intercept": known(result[1]), "low": known(result[2]), "high": known(result[3])}


def change(series):
    """Pettitt (1979), from scipy's ranks."""
    n = len(series)
    if n < 4 or len(set(series)) == 1:
        return None
    ranks = stats.rankdata(series)
    distance = [abs(2 * ranks[:t].sum() - t * (n + 1)) for t in range(1, n)]
    largest = max(distance)
    return {"index": distance.index(largest) + 1, "p": min(1.0, 2 * math.exp(-6 * largest ** 2 / (n ** 3 + n ** 2)))}


def case(name, x, y):
    x, y = [float(value) for value in x], [float(value) for value in y]
    return {"name": name, "x": x, "y": y, "spearman": spearman(x, y), "trend": trend(y), "line": line(x, y), "change": change(y)}


def cases():
    random = numpy.random.default_rng(20261123)
    yield case("Nile", range(1871, 1971), NILE)
    yield case("leak by time", range(len(LEAK)), LEAK)
    yield case("leak by in flight", IN_FLIGHT, LEAK)
    for count in (3, 4, 5, 10, 30, 100, 300):
        yield case("independent %d" % count, random.normal(size=count), random.normal(size=count))
        x = random.uniform(0, 100, count)
        yield case("linear %d" % count, x, 3 * x + random.normal(0, 20, count))
        x = random.integers(1, 6, count)
        yield case("ties %d" % count, x, x + random.integers(0, 4, count))
        yield case("heavy tail %d" % count, range(count), random.pareto(0.8, count) * 1e6 + numpy.arange(count) * 1e4)
    yield case("few high values", range(40), [5] * 37 + [9] * 3)
    yield case("falling exactly", range(12), range(12, 0, -1))
    yield case("rising exactly", range(12), [value ** 3 for value in range(12)])
    yield case("constant y", range(20), [7] * 20)
    yield case("constant x", [7] * 20, range(20))
    yield case("both constant", [1] * 9, [2] * 9)
    yield case("one point", [1], [1])
    yield case("two points", [1, 2], [5, 3])
    yield case("three points", [1, 2, 3], [5, 3, 4])
    yield case("large and close", 1e15 + numpy.arange(25), 1e15 + random.integers(0, 9, 25))
    yield case("a third of it is wild", range(60), [value if value % 4 else 1e9 for value in range(60)])
    yield case("step", range(60), numpy.concatenate([random.normal(10, 1, 25), random.normal(14, 1, 35)]))


def knee(name, x, y):
    x, y = [float(value) for value in x], [float(value) for value in y]
    found = kneed.KneeLocator(x, y, S=1.0, curve="convex", direction="increasing").knee
    return {"name": name, "x": x, "y": y, "knee": None if found is None else x.index(found)}


def knees():
    tasks = numpy.arange(1, 25)
    yield knee("hockey stick", tasks, numpy.maximum(10.0, 10.0 + 8 * (tasks - 15)))
    yield knee("early bend", tasks, numpy.maximum(10.0, 10.0 + 8 * (tasks - 5)))
    yield knee("M/M/1 wait", tasks, 1 / (25.0 - tasks))
    yield knee("exponential", tasks, numpy.exp(tasks / 4.0))
    yield knee("straight", tasks, 3.0 * tasks)
    random = numpy.random.default_rng(7)
    yield knee("noisy stick", tasks, numpy.maximum(100.0, 100.0 + 60 * (tasks - 12)) + random.normal(0, 4, 24))
    yield knee("uneven steps", numpy.cumsum(random.integers(1, 9, 20)), numpy.maximum(0, numpy.arange(20) - 13.0) ** 2)


def steps():
    """Where ruptures divides a series in two by ranks, again and again, as often as it was made to change."""
    random = numpy.random.default_rng(20261124)
    for name, levels, length in (("one up", (20, 62), 40), ("one down", (90, 30), 25), ("up and back", (10, 50, 20), 30),
                                 ("stairs", (10, 20, 40, 80), 30), ("none", (25,), 80), ("short", (10, 30), 9)):
        series = numpy.concatenate([random.lognormal(math.log(level), 0.12, length) for level in levels])
        found = []
        if len(levels) > 1:
            found = ruptures.Binseg(model="rank", min_size=5, jump=1).fit(series).predict(n_bkps=len(levels) - 1)[:-1]
        yield {"name": name, "series": [float(value) for value in series], "changes": found}


print(json.dumps({"steps": list(steps()), "knees": list(knees()), "cases": list(cases()),
                  "student": [[t, freedom, 2 * stats.t.sf(abs(t), freedom)]
                              for freedom in (1, 2, 3, 8, 30, 298, 5000) for t in (0.0, 0.01, 0.5, 1.0, 2.5, -4.0, 12.0, 60.0)],
                  "normal": [[z, 2 * stats.norm.sf(abs(z))] for z in (0.0, 0.3, -1.0, 1.96, 4.0, 8.0)]}, indent=None))
