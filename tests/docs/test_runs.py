"""What stands in ``console`` blocks is what really happens; see docs/README.md."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.handbook import PAGES, ROOT, Block, Page

_LIMIT_S = 60.0
_RUNNABLE = "console"
WITH_RUNS = [page for page in map(Page, PAGES) if any(block.language == _RUNNABLE for block in page.blocks())]


@pytest.mark.parametrize("page", WITH_RUNS, ids=lambda page: page.name)
def test_what_a_page_shows_is_what_happens(page: Page, tmp_path: Path) -> None:
    with shell(tmp_path) as ours:
        for block in page.blocks():
            if block.file is not None:
                (tmp_path / block.file).write_text(block.text, encoding="utf-8")
            for command, expected in steps(block):
                said = ours.run(command)
                assert matches(expected, said), (
                    f"{page.name}:{block.line}: {command}\nsaid:\n{said}\nshown:\n{expected}"
                )


def steps(block: Block) -> Iterator[tuple[str, str]]:
    """Each command of a block and what it prints."""
    if block.language == _RUNNABLE:
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            yield command, expected


def matches(expected: str, said: str) -> bool:
    """Whether the output is as shown; ``…`` is any text, over lines too, and lines end where they end."""
    pattern = "(?s:.*?)".join(re.escape(piece) for piece in expected.strip().split("…"))
    plain = "\n".join(line.rstrip() for line in said.splitlines())
    return re.fullmatch(pattern, plain.strip()) is not None


class Shell:
    """As much of a shell as the handbook needs, without one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.background: list[subprocess.Popen[bytes]] = []
        self.status = 0

    def run(self, line: str) -> str:
        """What is printed, errors included."""
        command, separator, _ = line.partition(" &")
        words = [self._filled(word) for word in shlex.split(command)]
        if words[0] == "echo":
            return " ".join(words[1:]) + "\n"
        if words[0] == "sleep":
            self._wait(float(words[1]))
            return ""
        if words[0] == "cat":
            return (self.folder / words[1]).read_text(encoding="utf-8")
        programs = {"python": [sys.executable], "freezelab": [sys.executable, str(ROOT / "freezelab.py")]}
        arguments = [*programs[words[0]], *words[1:]]
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        if separator:
            self.background.append(
                subprocess.Popen(
                    arguments, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
                )
            )
            return ""
        done = subprocess.run(
            arguments,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        self.status = done.returncode
        return done.stdout

    def _wait(self, least_s: float) -> None:
        """As long as that, and on a busy machine until what runs in the background has come to where it stands."""
        time.sleep(least_s)
        for process in self.background:
            ends, before = time.monotonic() + _LIMIT_S, -1
            while before != (before := cpu_ticks(process.pid)) and time.monotonic() < ends:
                time.sleep(1)

    def _filled(self, word: str) -> str:
        return {"$?": str(self.status), "$!": str(self.background[-1].pid) if self.background else ""}.get(word, word)


def cpu_ticks(pid: int) -> int:
    """Of CPU time that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """Ends what was started in the background."""
    made = Shell(folder)
    try:
        yield made
    finally:
        for process in made.background:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_the_wildcard_stands_for_anything_but_no_more() -> None:
    assert matches("a …b\n…", "a x\nb\nrest")
    assert not matches("a … b", "a x b\nrest")
    assert matches("plain", "plain  \n\n")
