"""Starting uv: found, set up with pip's mirrors, and ended with its children when nobody waits any more."""

from __future__ import annotations

import contextlib
import itertools
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
_BUILD_LINES = 3
_BACKEND_FAILED = "The build backend returned an error"


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
    def unbuildable(self) -> bool:
        """Whether a source distribution's own build failed; what it needs for building was there."""
        return _BACKEND_FAILED in self.stderr

    @property
    def no_python(self) -> bool:
        """Whether there is no such Python here."""
        return "No interpreter found" in self.stderr

    @property
    def reason(self) -> str:
        """What went wrong, on one line, without the drawing around it."""
        text = re.sub(r"\x1b\[[0-9;]*m", "", self.stderr).strip()
        if self.unbuildable:
            return _shortened(_build_failure(text))
        errors = text[text.find("error:") :] if "error:" in text else text
        if self.no_solution and "Because" in errors:
            errors = errors[errors.index("Because") :].split("\n\n")[0]
        plain = " ".join(re.sub(r"[×│╰─▶├]", " ", errors).split()).removeprefix("error: ")
        plain = re.sub(r",? we can conclude that your requirements are unsatisfiable\.?$", "", plain)
        return _shortened(plain)


def _build_failure(text: str) -> str:
    """
    ``broken==1.0 can't be built: RuntimeError: needs CUDA 9``: the last things that the build itself said on standard
    error, else on standard output; of a traceback its last line, as the frames are the build system's own.
    """
    package = re.search(r"Failed to build `([^`]+)`", text)
    said = _block(text, "[stderr]") or _block(text, "[stdout]") or ["it did not say why"]
    telling = [line for line in said if not line.startswith((" ", "Traceback (most recent call last)"))] or said
    name = package[1].partition(" @ ")[0] if package else "a package"
    return f"{name} can't be built: {'; '.join(line.strip() for line in telling[-_BUILD_LINES:])}"


def _block(text: str, heading: str) -> list[str]:
    """The lines below ``heading`` that are indented at least as far, without that indentation or empty lines."""
    found = re.search(rf"^( *){re.escape(heading)}\n((?:\1.*\n?| *\n)*)", text, re.MULTILINE)
    if found is None:
        return []
    lines = (line[len(found[1]) :].rstrip() for line in found[2].splitlines())
    return list(itertools.takewhile(lambda line: not re.fullmatch(r"\[std(out|err)\]", line), filter(None, lines)))


def _shortened(text: str) -> str:
    return text if len(text) <= _REASON_LIMIT else text[: _REASON_LIMIT - 1] + "…"


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
