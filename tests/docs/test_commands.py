"""Every command that the handbook and the README show is one."""

from __future__ import annotations

import re

import pytest

import freezelab
from tests.docs.handbook import PAGES, PROGRAM, Page, commands

_LANGUAGES = ("sh", "console", "mermaid")
_UNFINISHED = "the following arguments are required"


def shown(page: Page) -> list[str]:
    """The lines that call us, of blocks to be typed."""
    lines: list[str] = []
    for block in page.blocks():
        text = re.sub(r"\\\n\s*", "", block.text)
        if block.language == "mermaid":
            lines += (found for found in re.findall(r'"([^"]*)"', text) if found.startswith(f"{PROGRAM} "))
        elif block.language in _LANGUAGES:
            lines += (line for line in text.splitlines() if block.language == "sh" or line.startswith("$ "))
        elif block.language == "text":
            # Of a help's examples, what stands far behind a command is a word about it.
            said = (re.split(r"(?<=\S) {2,}", line.removeprefix("  "))[0] for line in text.splitlines())
            lines += (line for line in said if line.startswith(f"{PROGRAM} "))
    return lines


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What the command line has against it; empty if nothing."""
    # Placeholders of ours: a bracket is what may be left out, a number stands for PID.
    words = [re.sub(r"\[[^\]]*\]|…$", "", word) or "…" for word in words]
    words = ["4711" if word == "PID" or word.startswith("$") else word for word in words]
    words = freezelab._words(words)
    try:
        freezelab._parser(words).parse_args(words)
    except SystemExit as ended:
        said = capsys.readouterr().err.strip().splitlines()
        return said[-1] if ended.code and said else ""
    return ""


@pytest.mark.parametrize("page", [Page(path) for path in PAGES], ids=lambda page: page.name)
def test_every_command_is_accepted_by_the_command_line(page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    bad = {
        f"{PROGRAM} {' '.join(words)}": why
        for line in shown(page)
        for words in commands(line)
        if (why := refused(words, capsys))
    }
    assert not bad, f"{page.name}: {bad}"


@pytest.mark.parametrize("page", [Page(path) for path in PAGES], ids=lambda page: page.name)
def test_every_command_in_the_text_is_one(page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    """In running text what has to follow may be left out."""
    bad = {
        code: why
        for code in page.inline_code()
        if code.startswith(f"{PROGRAM} ") and " | " not in code
        for words in commands(code)
        if (why := refused(words, capsys)) and _UNFINISHED not in why
    }
    assert not bad, f"{page.name}: {bad}"


def test_what_is_no_command_is_found_out(capsys: pytest.CaptureFixture[str]) -> None:
    (wrong,) = commands("sudo /opt/bin/freezelab run --ou runs/x --remedie y -- python a.py | tee log")
    assert wrong == ["run", "--ou", "runs/x", "--remedie", "y", "--", "python", "a.py"]
    assert refused(["attach", "--no-such", "PID"], capsys)
    assert refused(["frobnicate"], capsys)
    assert not refused(["attach", "PID"], capsys)
