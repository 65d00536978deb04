#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Writes the manual pages from what the program says of itself, so that they cannot go stale.

    manual.py PROGRAM DIRECTORY [SHARE]

One page for tailrace, one for each command and one for the daemon's settings, in mdoc(7), in DIRECTORY/man1, man5 and man8.
Names, options and examples come from the program's own parser (--experimental-dump-help), stages and causes from `explain`,
settings from packaging/tailrace.conf; what none of them says is in man/*.mdoc.
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAN = ROOT / "man"
SETTINGS = ROOT / "packaging" / "tailrace.conf"
# Section of the manual, where it is not that of commands.
SECTIONS = {"tailrace-daemon": 8, "tailrace.conf": 5}


def ask(program, *arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def paragraphs(text):
    return "\n.Pp\n".join(plain(part) for part in re.split(r"\n\s*\n", text) if part.strip())


def plain(text):
    """Text that mdoc takes for nothing else; a line for each sentence."""
    text = re.sub(r"\s+", " ", text.replace("\\", "\\e")).strip()
    lines = re.sub(r"([.:]) (?=[A-Z])", r"\1\n", text).split("\n")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in lines)


def option_names(argument):
    """--port as mdoc's Fl wants it: without the first hyphen."""
    return [("-" if name["kind"] == "long" else "") + name["name"] for name in argument["names"]]


def shown(command):
    return [argument for argument in command.get("arguments", []) if argument["shouldDisplay"]]


def synopsis(command):
    for argument in shown(command):
        repeated = " ..." if argument["isRepeating"] else ""
        if argument["kind"] == "positional":
            terminator = "Fl - " if argument["parsingStrategy"] == "postTerminator" else ""
            text = "%sAr %s%s" % (terminator, argument["valueName"], repeated)
        elif argument["preferredName"]["name"] not in ("help", "version"):
            value = " Ar " + argument["valueName"] if argument["kind"] == "option" else ""
            text = "Fl %s%s%s" % (option_names(argument)[-1], value, repeated)
        else:
            continue
        yield ".Op " + text if argument["isOptional"] else "." + text


def option(argument):
    if argument["kind"] == "positional":
        yield ".It Ar " + argument["valueName"]
    else:
        value = " Ar " + argument["valueName"] if argument["kind"] == "option" else ""
        yield ".It " + " , ".join("Fl " + name for name in option_names(argument)) + value
    yield plain(argument.get("abstract", ""))
    if argument.get("allValues"):
        yield "One of %s." % ", ".join(argument["allValues"])
    if argument.get("defaultValue") is not None:
        yield "Default: %s." % argument["defaultValue"]


def options(command):
    yield ".Sh OPTIONS"
    yield ".Bl -tag -width Ds"
    for argument in shown(command):
        yield from option(argument)
    yield ".El"


def discussion(command):
    """(text, examples): a discussion may end with a block EXAMPLES."""
    text, _, examples = command.get("discussion", "").partition("EXAMPLES\n")
    return text.strip(), [line.strip() for line in examples.splitlines() if line.strip()]


def examples(lines):
    if lines:
        yield ".Sh EXAMPLES"
        yield ".Bd -literal -offset indent"
        yield from (line.replace("\\", "\\e") for line in lines)
        yield ".Ed"


def exit_status():
    return [line for line in (MAN / "exit-status.mdoc").read_text().splitlines() if not line.startswith(".\\\"")]


def lower_first(text):
    text = text.rstrip(".")
    return text[0].lower() + text[1:]


def section(page):
    return SECTIONS.get(page, 1)


def heading(name, about, date):
    page = name.replace(" ", "-")
    return [".\\\" Made by scripts/manual.py.", date, ".Dt %s %d" % (page.upper(), section(page)), ".Os Linux", ".Sh NAME", ".Nm %s" % page,
            ".Nd %s" % lower_first(about), ".Sh SYNOPSIS", ".Nm %s" % name]


def see_also(names):
    names = sorted(names)
    names.sort(key=section)
    return [".Sh SEE ALSO"] + [".Xr %s %d%s" % (name, section(name), " ," if name != names[-1] else "") for name in names]


def own_part(name):
    """What no option says of a page: the sections of man/NAME.mdoc, if there is one."""
    path = MAN / (name + ".mdoc")
    return [line for line in path.read_text().splitlines() if not line.startswith(".\\\"")] if path.exists() else []


def command_page(root, command, date, others):
    name = "%s %s" % (root["commandName"], command["commandName"])
    text, lines = discussion(command)
    page = heading(name, command["abstract"], date) + list(synopsis(command))
    page += [".Sh DESCRIPTION", plain(command["abstract"])] + ([".Pp", paragraphs(text)] if text else [])
    before, _, behind = "\n".join(own_part(name.replace(" ", "-"))).partition("@SEE_ALSO@")
    page += list(options(command)) + before.splitlines() + exit_status() + list(examples(lines))
    return page + see_also(others - {name.replace(" ", "-")}) + behind.strip().splitlines()


def settings():
    """Of the commented default settings: (key, default, sentences) of each."""
    for block in SETTINGS.read_text().split("\n\n")[1:]:
        *remarks, last = block.strip().splitlines()
        key, _, default = last.lstrip("#").partition("=")
        yield key.strip(), default.strip(), [remark.lstrip("# ") for remark in remarks]


def settings_page(date):
    page = heading("tailrace.conf", "settings of the tailrace daemon", date)[:-2]
    about, _, rest = "\n".join(own_part("tailrace.conf")).partition("@SETTINGS@")
    page += about.splitlines() + [".Bl -tag -width Ds"]
    for key, default, remarks in settings():
        meaning, expected = remarks
        page += [".It Cm " + key, plain(meaning), "Takes " + plain(expected)]
        page += ["Default: %s." % plain(default)] if default else []
    return page + [".El"] + rest.strip().splitlines()


def explained(program, title):
    """Words of one kind, as `explain` lists them: '  word   meaning', wrapped."""
    part = re.search(r"^%s[^\n]*\n(.*?)(?:\n\n|\Z)" % title, ask(program, "explain"), re.M | re.S).group(1)
    yield ".Bl -tag -width congestion_window -compact"
    for word, meaning in re.findall(r"^  (\S+) +(\S.*(?:\n {5,}.*)*)", part, re.M):
        yield ".It Cm " + word
        yield plain(meaning)
    yield ".El"


def page_name(root, command):
    return "%s-%s" % (root["commandName"], command["commandName"])


def root_page(program, root, commands, date, share):
    page = heading(root["commandName"], root["abstract"], date)
    page += [".Ar command", ".Op Ar options", ".Sh DESCRIPTION", plain(root["abstract"]), ".Bl -tag -width Ds"]
    for command in commands:
        page += [".It Cm " + command["commandName"], plain(command["abstract"]),
                 "See", ".Xr %s %d ." % (page_name(root, command), section(page_name(root, command)))]
    page += [".El"] + list(options(root))
    own = (MAN / "tailrace.mdoc").read_text().replace("@SHARE@", share)
    parts = {"@STAGES@": explained(program, "STAGES"), "@CAUSES@": explained(program, "CAUSES"),
             "@EXIT_STATUS@": exit_status(),
             "@SEE_ALSO@": see_also({page_name(root, command) for command in commands} | {"tailrace.conf"})}
    for mark, lines in parts.items():
        own = own.replace(mark, "\n".join(lines))
    return page + [line for line in own.splitlines() if not line.startswith((".\\\"", ".Dd"))]


def main():
    program, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    share = sys.argv[3] if len(sys.argv) > 3 else "/usr/local/share"
    root = json.loads(ask(program, "--experimental-dump-help"))["command"]
    commands = [command for command in root["subcommands"] if command["shouldDisplay"] and command["commandName"] != "help"]
    date = re.search(r"^\.Dd .*$", (MAN / "tailrace.mdoc").read_text(), re.M).group()
    names = {page_name(root, command) for command in commands} | {root["commandName"], "tailrace.conf"}
    pages = {root["commandName"]: root_page(program, root, commands, date, share), "tailrace.conf": settings_page(date)}
    for command in commands:
        pages[page_name(root, command)] = command_page(root, command, date, names)
    for name, lines in pages.items():
        path = directory / ("man%d" % section(name)) / ("%s.%d" % (name, section(name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
