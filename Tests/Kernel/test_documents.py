# SPDX-License-Identifier: MIT
"""Manual pages, completions and explanations against the program itself. No tracing, no privilege."""
import os
import re
import shutil
import subprocess
import tempfile

from tracer import BINARY, CAUSES, ROOT, STAGES, Skip, require_command, run_to_end


def help_of(*command):
    done = run_to_end(*command, "--help")
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def commands():
    part = help_of().partition("SUBCOMMANDS:\n")[2]
    found = re.findall(r"^  (\w+)(?: \(default\))? {2,}\S", part, re.M)
    assert {"trace", "report", "doctor"} <= set(found), part
    return found


def options_in(text):
    """Options at the beginning of a line: those that a list explains, not those that a sentence mentions."""
    return sorted(set(re.findall(r"^ +(?:-\w, )?--([\w-]+)", text, re.M)))


class Documents:
    """What `make install-documents` puts into a directory of its own."""

    def __enter__(self):
        require_command("make")
        self.directory = tempfile.TemporaryDirectory(prefix="tailrace-documents-")
        done = subprocess.run(["make", "-s", "-C", str(ROOT), "install-documents", "PREFIX=/usr", "PROGRAM=%s" % BINARY.resolve(),
                               "DESTDIR=" + self.directory.name], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return self

    def path(self, *names):
        return os.path.join(self.directory.name, "usr", "share", *names)

    def __exit__(self, *_):
        self.directory.cleanup()


    def pages(self):
        """{name with its section: path}"""
        return {page: self.path("man", section, page) for section in sorted(os.listdir(self.path("man")))
                for page in sorted(os.listdir(self.path("man", section)))}


def rendered(page):
    text = subprocess.run(["mandoc", "-T", "ascii", page], capture_output=True, text=True, check=True).stdout
    return re.sub(".\b", "", text)


def test_each_command_has_a_manual_page_with_the_options_of_its_help():
    require_command("mandoc")
    with Documents() as documents:
        pages = documents.pages()
        of_command = {name: "tailrace-%s.%d" % (name, 8 if name == "daemon" else 1) for name in commands()}
        assert set(pages) == {"tailrace.1", "tailrace.conf.5", *of_command.values()}, pages
        for name, page in of_command.items():
            told = options_in(rendered(pages[page]))
            known = options_in(help_of(name))
            assert told == known, "%s: the page has %s, --help has %s" % (name, told, known)
        root = rendered(pages["tailrace.1"])
        assert options_in(root) == options_in(help_of()), root
        for word in (*STAGES, *CAUSES, *commands()):
            assert re.search(r"^ +%s( |$)" % word, root, re.M), "tailrace(1) has no %s" % word
        schema = re.search(r"\S+tailrace-1\.schema\.json", root).group()
        assert os.path.exists(documents.directory.name + schema), schema
    return "%d pages" % len(pages)


def test_manual_pages_are_clean():
    require_command("mandoc")
    require_command("man")
    with Documents() as documents:
        for path in documents.pages().values():
            lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True)
            assert lint.returncode == 0 and not lint.stdout, lint.stdout
            shown = subprocess.run(["man", "--warnings", "-l", path], capture_output=True, text=True,
                                   env=dict(os.environ, MANWIDTH="80", MANPAGER="cat", LC_ALL="C.UTF-8"))
            assert shown.returncode == 0 and not shown.stderr, shown.stderr


def test_the_settings_page_has_every_setting():
    require_command("mandoc")
    with open(ROOT / "packaging" / "tailrace.conf") as file:
        settings = dict(re.findall(r"^#([a-z][a-z-]*) = ?(.*)$", file.read(), re.M))
    assert len(settings) > 20, settings
    with Documents() as documents:
        page = rendered(documents.pages()["tailrace.conf.5"])
    part = page[page.index("\nSETTINGS"):page.index("\nFILES")]
    told = re.findall(r"^     ([a-z-]+)(?:  |$)", part, re.M)
    assert told == list(settings), "the page has %s, the file %s" % (told, list(settings))
    joined = re.sub(r"\s+", " ", part)
    missing = [key for key, default in settings.items() if default and "Default: %s." % default not in joined]
    assert not missing, "no default of %s" % missing


def test_completions_complete():
    """Each shell with its own file: commands after `tailrace rep`, an option's values, the words of `explain`."""
    missing = [shell for shell in ("bash", "zsh", "fish") if not shutil.which(shell)]
    if missing:
        raise Skip("needs " + ", ".join(missing))
    with Documents() as documents:
        def bash(*words):
            script = ("source %s; COMP_LINE='%s'; COMP_POINT=%d; COMP_WORDS=(%s); COMP_CWORD=%d; "
                      "_tailrace tailrace %s %s; printf '%%s\\n' \"${COMPREPLY[@]}\"") % (
                documents.path("bash-completion", "completions", "tailrace"), " ".join(words), len(" ".join(words)),
                " ".join(words), len(words) - 1, words[-1], words[-2])
            return subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout.split()

        def fish(line):
            script = "source %s; complete -C %r" % (documents.path("fish", "vendor_completions.d", "tailrace.fish"), line)
            found = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True,
                                   env=dict(os.environ, PATH="%s:%s" % (BINARY.resolve().parent, os.environ["PATH"])))
            return [row.split("\t")[0] for row in found.stdout.splitlines()]

        assert bash("tailrace", "rep") == ["report"], bash("tailrace", "rep")
        assert bash("tailrace", "report", "--format", "j") == ["json"], bash("tailrace", "report", "--format", "j")
        assert "--max-connections" in bash("tailrace", "trace", "--m")
        assert "slow-consumer" in bash("tailrace", "explain", "slow")
        assert fish("tailrace rep") == ["report"], fish("tailrace rep")
        assert fish("tailrace report --format j") == ["json"], fish("tailrace report --format j")
        zsh = documents.path("zsh", "site-functions", "_tailrace")
        checked = subprocess.run(["zsh", "-n", zsh], capture_output=True, text=True)
        assert checked.returncode == 0 and not checked.stderr, checked.stderr
        with open(zsh) as file:
            text = file.read()
        assert text.startswith("#compdef tailrace\n") and "--max-connections" in text, text[:100]


def test_explain_explains_every_word_that_it_lists():
    listed = run_to_end("explain")
    assert listed.returncode == 0, listed.stderr
    words = re.findall(r"^  (\S+(?: \S+)*?)(?: {2,}|$)", listed.stdout.decode(), re.M)
    assert {*STAGES, *CAUSES, "slow-consumer", "ttff", "loss"} <= set(words), words
    for word in words:
        done = run_to_end("explain", *word.split(" "))
        text = done.stdout.decode()
        assert done.returncode == 0 and text.startswith("%s (" % word), "%s: %s" % (word, done.stderr)
        assert "\nHow it is measured\n" in text and "\nWhat to do about it\n" in text, text
        assert max(map(len, text.splitlines())) <= 80, text
    return "%d words" % len(words)


def test_explain_offers_what_is_near_an_unknown_word():
    done = run_to_end("explain", "qeue")
    assert done.returncode == 64 and not done.stdout, done
    assert b"near it: queue" in done.stderr, done.stderr
    hostile = run_to_end("explain", "\x1b]0;owned\x07")
    assert hostile.returncode == 64 and b"\x1b" not in hostile.stderr and b"\x07" not in hostile.stderr, hostile.stderr
