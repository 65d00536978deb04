# SPDX-License-Identifier: MIT
"""README's table kernel x stage x backend: made from what the guests' runs told, and compared with what README says."""
import re

import image

README = image.ROOT / "README.md"
BEGIN, END = "<!-- make kernel-table writes this -->\n", "<!-- to here -->\n"
STAGES = ("accept", "read", "app", "send", "blocked", "queue", "qdisc", "driver", "network")


def cell(times):
    """One stage in all runs of a backend on a kernel: nanoseconds, or None where a run did not know it."""
    if any(time is None for time in times):
        return "`null`"
    return "yes" if any(times) else "0"


def release_of(kernel):
    return ".".join(kernel.version.split(".")[:2])


def rows(kernels, told):
    """{(kernel, backend): line}; `told`: {kernel's name: what its runs told}."""
    lines = {}
    for name, kernel in kernels.items():
        release = release_of(kernel)
        found = {}
        for row in told.get(name, ()):
            if "stages" in row:
                found.setdefault(row["backend"], []).append(row["stages"])
            elif "too_old" in row:
                lines[release, "none"] = "| %s | none: %s |%s" % (release, row["too_old"], " |" * len(STAGES))
        for backend, runs in sorted(found.items()):
            cells = [cell([run[stage] for run in runs]) for stage in STAGES]
            lines[release, backend] = "| %s | `%s` | %s |" % (release, backend, " | ".join(cells))
    return lines


def text(lines):
    head = "| Linux | backend | %s |\n|%s\n" % (" | ".join("`%s`" % stage for stage in STAGES), "---|" * (len(STAGES) + 2))
    order = sorted(lines, key=lambda key: ([int(part) for part in key[0].split(".")], key[1]))
    return head + "".join(lines[key] + "\n" for key in order)


def in_readme():
    """(text before, {(kernel, backend): line}, text behind)."""
    before, rest = README.read_text().split(BEGIN)
    table, behind = rest.split(END)
    found = re.findall(r"^(\| ([0-9.]+) \| (?:`(\w+)`|(none)).*)$", table, re.M)
    return before, {(release, backend or none): line for line, release, backend, none in found}, behind


def settle(kernels, verdicts, is_written):
    """Writes the table, or compares: a kernel that README does not know (an optional one that moved on) is a notice."""
    found = rows(kernels, verdicts.rows)
    before, known, behind = in_readme()
    if is_written:
        README.write_text(before + BEGIN + text({**known, **found}) + END + behind)
        return
    of_release = {release_of(kernel): kernel for kernel in kernels.values()}
    gone = [key for key in known if key not in found and any(key[0] == release for release, _ in found)]
    for key in gone:
        verdicts.fail(of_release[key[0]], "README's table knows Linux %s, %s: this run does not" % key)
    for key, line in sorted(found.items()):
        if key not in known and not any(release == key[0] for release, _ in known):
            print("README's table does not know Linux %s; make kernel-table adds it" % key[0])
        elif known.get(key) != line:
            verdicts.fail(of_release[key[0]], "README's table says %r, this run says %r; make kernel-table writes it" % (
                known.get(key), line))
        else:
            verdicts.count("ok", "README's table: Linux %s, %s" % key)
