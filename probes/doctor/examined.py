"""The Python that will train: asked for its version and paths, and looked at by py-spy while it answers."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from probes import stacks
from probes.errors import InputError

_PATIENCE_S = 20.0
# It then waits, so that there is a living process of this very Python to take a stack of. PR_SET_PTRACER lets us
# where Yama restricts it. Isolated: nothing of the environment's own is imported.
_ASK = """
import json, site, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(0x59616D61, int(sys.argv[1]), 0, 0, 0)
except Exception:
    pass
sites = list(site.getsitepackages())
if sys.prefix == sys.base_prefix:
    sites.append(site.getusersitepackages())
print(json.dumps({"version": list(sys.version_info[:3]), "implementation": sys.implementation.name, "sites": sites}))
sys.stdout.flush()
sys.stdin.readline()
"""


class NotAPythonError(InputError):
    """The path given is no Python that runs; the text says what would be right."""


@dataclass(frozen=True)
class Examined:
    """A Python and the environment around it."""

    python: Path
    version: tuple[int, int, int]
    implementation: str
    sites: tuple[Path, ...]
    """Its site-packages folders."""
    trace_problem: str | None
    """Why py-spy could not take a stack of it; None if it could."""
    native_problem: str | None
    """The same for a stack with native frames."""


def find_python(path: Path | None) -> Path:
    """
    The interpreter of an environment; without one, the one that ``python`` starts.

    :raises NotAPythonError: there is none.
    """
    if path is None:
        found = shutil.which("python") or shutil.which("python3")
        return Path(found or sys.executable)
    candidates = [path / "bin" / "python", path / "bin" / "python3"] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise NotAPythonError(
        f"{path}: no environment (a folder with bin/python) and no Python; give --env the one that trains"
    )


def examine(python: Path) -> Examined:
    """
    Starts a Python, isolated, and asks it.

    :raises NotAPythonError: it does not start or gives no answer.
    """
    try:
        process = subprocess.Popen(
            [str(python), "-I", "-c", _ASK, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError as error:
        raise NotAPythonError(f"{python}: cannot be started: {error.strerror or error}") from error
    try:
        # What never answers is no Python; what closes its output answers at once.
        answer = _first_line(process)
        try:
            told = json.loads(answer)
            version = tuple(int(part) for part in told["version"])
            sites = tuple(Path(site) for site in dict.fromkeys(told["sites"]) if Path(site).is_dir())
            implementation = str(told["implementation"])
        except (ValueError, KeyError, TypeError) as error:
            raise NotAPythonError(f"{python}: does not answer as a Python does") from error
        return Examined(
            python=python,
            version=(version[0], version[1], version[2]),
            implementation=implementation,
            sites=sites,
            trace_problem=_problem(process.pid, native=False),
            native_problem=_problem(process.pid, native=True),
        )
    finally:
        process.kill()
        process.communicate()


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(_PATIENCE_S):
            return ""
    return process.stdout.readline()


def _problem(pid: int, *, native: bool) -> str | None:
    try:
        stacks.dump(pid, 0, native=native)
    except stacks.StackError as error:
        return str(error)
    return None
