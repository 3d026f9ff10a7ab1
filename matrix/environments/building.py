"""Building an environment with uv: complete, compiled and sealed, or not at all."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path

from matrix.environments import guard
from matrix.environments.interface import BuildError, Lock, ShouldStop, Unsatisfiable
from matrix.environments.layout import LOCK_TEXT, METADATA, python_of
from matrix.environments.resolving import interpreter
from matrix.environments.uv import Answer, Uv


def grow(uv: Uv, folder: Path, lock: Lock, should_stop: ShouldStop) -> Unsatisfiable | None:
    """
    Makes the environment of ``lock`` in ``folder``, which must not exist; it can be moved afterwards.

    :raises BuildError: it did not work this time.
    """
    answer = uv(["venv", "--relocatable", "--python", interpreter(lock.python), str(folder)], "", should_stop)
    if answer.no_python:
        return Unsatisfiable(answer.reason)
    _check(answer, f"making an environment with Python {lock.python}")
    (folder / LOCK_TEXT).write_text(lock.text, encoding="utf-8")
    answer = _install(uv, folder, lock, should_stop)
    if answer.no_solution or answer.unbuildable:
        return Unsatisfiable(answer.reason)
    _check(answer, "installing the locked packages")
    metadata = {
        "lock": lock.id,
        "python": lock.python,
        "created_at": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
    }
    (folder / METADATA).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    guard.seal(folder)
    return None


def forget(uv: Uv, packages: Sequence[str], should_stop: ShouldStop) -> None:
    """
    Has uv fetch ``packages`` afresh the next time: its copies can't be trusted.

    :raises BuildError: it did not work this time.
    """
    if packages:
        _check(uv(["cache", "clean", *packages], "", should_stop), f"removing {', '.join(packages)} from uv's cache")


def _install(uv: Uv, folder: Path, lock: Lock, should_stop: ShouldStop) -> Answer:
    """
    From uv's own cache if all is there, else with the network: what was installed once needs none.

    How files get from the cache into the environment is left to uv, which shares blocks where it can, else links.
    """
    # Compiled now, once: else the first cells would compile torch while their time is taken.
    command = ["pip", "install", "--no-deps", "--compile-bytecode", "--python", str(python_of(folder))]
    if lock.torch_backend:
        command += ["--torch-backend", lock.torch_backend]
    if uv.settings.environ.get("UV_LINK_MODE") == "symlink":
        command += ["--link-mode", "hardlink"]  # what is no file of the environment's can't be guarded
    command += ["-r", str(folder / LOCK_TEXT), *uv.settings.options]
    answer = uv([*command, "--offline"], "", should_stop)
    return answer if answer.returncode == 0 or answer.unbuildable else uv(command, "", should_stop)


def _check(answer: Answer, doing: str) -> None:
    if answer.returncode != 0:
        raise BuildError(f"{doing} failed: {answer.reason}")
