"""Starting uv: found, set up with pip's mirrors, and ended with its children when nobody waits any more."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from matrix.environments.mirrors import UvSettings, uv_settings
from matrix.errors import MatrixError

_ASK_EVERY_S = 0.2
_NICENESS = 10
"""Cells may be running beside a build, and their pace is what we measure."""
_REASON_LIMIT = 400


class StoppedError(Exception):
    """uv was ended because ``should_stop`` said so."""


@dataclass(frozen=True)
class Answer:
    """What uv said."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def no_solution(self) -> bool:
        """Whether the resolver proved that the requirements can't be had together."""
        return "No solution found" in self.stderr

    @property
    def no_python(self) -> bool:
        """Whether there is no such Python here."""
        return "No interpreter found" in self.stderr

    @property
    def reason(self) -> str:
        """What went wrong, on one line, without the drawing around it."""
        text = re.sub(r"\x1b\[[0-9;]*m", "", self.stderr).strip()
        errors = text[text.find("error:") :] if "error:" in text else text
        if self.no_solution and "Because" in errors:
            errors = errors[errors.index("Because") :].split("\n\n")[0]
        plain = " ".join(re.sub(r"[×│╰─▶├]", " ", errors).split()).removeprefix("error: ")
        plain = re.sub(r",? we can conclude that your requirements are unsatisfiable\.?$", "", plain)
        return plain if len(plain) <= _REASON_LIMIT else plain[: _REASON_LIMIT - 1] + "…"


def find_uv() -> str:
    """
    The path of uv: the one installed beside FreezeLab, else the one on PATH.

    :raises MatrixError: there is none.
    """
    try:
        from uv import find_uv_bin

        return find_uv_bin()
    except (ImportError, FileNotFoundError):
        if found := shutil.which("uv"):
            return found
    raise MatrixError("uv: not found, and it is what builds the cells' environments; install it with: pip install uv")


@dataclass(frozen=True)
class Uv:
    """A uv that can be called."""

    path: str = field(default_factory=find_uv)
    settings: UvSettings = field(default_factory=uv_settings)

    def __call__(
        self, arguments: Sequence[str], stdin: str = "", should_stop: Callable[[], bool] = lambda: False
    ) -> Answer:
        """
        Runs uv and waits for it.

        :param arguments: without the program's name.
        :param should_stop: asked often; True ends uv.
        :raises StoppedError: it was ended.
        """
        # UV_SYSTEM_PYTHON contradicts the environment that we name.
        environ = {k: v for k, v in self.settings.environ.items() if k != "UV_SYSTEM_PYTHON"}
        # A session of its own: Ctrl-C reaches us only, and we decide.
        process = subprocess.Popen(
            [self.path, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environ,
            start_new_session=True,
        )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        waiting: str | None = stdin
        try:
            while True:
                try:
                    stdout, stderr = process.communicate(waiting, timeout=_ASK_EVERY_S)
                    return Answer(process.returncode, stdout, stderr)
                except subprocess.TimeoutExpired:
                    waiting = None  # communicate() remembers what it has not sent yet
                    if should_stop():
                        raise StoppedError from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
