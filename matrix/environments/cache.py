"""The environment a cell trains in: locked, built once, shared by hard links, never used half-built."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from matrix.environments.uv import Answer, StoppedError, Uv
from matrix.plan.cells import VersionSet, digest

METADATA = "freezelab.json"
"""In the environment's folder; its modification time is when the environment was last used."""
_LOCK_POLL_S = 0.2

ShouldStop = Callable[[], bool]


class BuildError(Exception):
    """An environment could not be made for a reason that may pass: no network, no space left."""


@dataclass(frozen=True)
class Lock:
    """Exactly which releases an environment holds."""

    python: str
    text: str
    """A requirements file with every package pinned."""

    @cached_property
    def id(self) -> str:
        """Two library sets that resolve to the same releases share an environment."""
        return digest([self.python, sorted(self.text.split("\n"))])


@dataclass(frozen=True)
class CellEnvironment:
    """An environment that is complete."""

    python: Path
    """The interpreter to start the training program with."""
    lock: Lock


@dataclass(frozen=True)
class Unsatisfiable:
    """The libraries can't be had together; a result, not an error."""

    reason: str


class Environments(Protocol):
    """Provides environments; safe to call from several threads and processes at once."""

    def provide(
        self, versions: VersionSet, known: Lock | None, should_stop: ShouldStop
    ) -> CellEnvironment | Unsatisfiable:
        """
        Resolves and builds, or finds what was built before.

        :param known: what ``versions`` resolved to earlier in the same sweep; kept, so that it stays comparable.
        :param should_stop: asked often; True gives up.
        :raises BuildError: it did not work this time.
        :raises StoppedError: ``should_stop`` said so.
        """
        ...


def default_cache(environ: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_CACHE_HOME/freezelab/envs``, by the XDG Base Directory Specification."""
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "freezelab" / "envs"


class UvEnvironments:
    """Environments made by uv in a cache that all sweeps of a user share."""

    def __init__(self, uv: Uv, cache: Path) -> None:
        """
        :param cache: on the file system of uv's own cache, packages are shared by hard links; else copied.
        """
        self._uv = uv
        self._cache = cache

    def provide(
        self, versions: VersionSet, known: Lock | None, should_stop: ShouldStop
    ) -> CellEnvironment | Unsatisfiable:
        """See :meth:`Environments.provide`."""
        lock = known or self.resolve(versions, should_stop)
        return lock if isinstance(lock, Unsatisfiable) else self.build(lock, should_stop)

    def resolve(self, versions: VersionSet, should_stop: ShouldStop) -> Lock | Unsatisfiable:
        """
        Pins every package that ``versions`` needs, without building anything.

        :raises BuildError: the resolver could not ask its indexes.
        """
        command = ["pip", "compile", "-", "--python-version", versions.python, "--no-annotate", "--no-header"]
        command += ["--python", _interpreter(versions.python)]
        if versions.exclude_newer:
            command += ["--exclude-newer", versions.exclude_newer]
        requirements = "\n".join(versions.requirements) + "\n"
        answer = self._uv([*command, *self._uv.settings.options], requirements, should_stop)
        if answer.no_solution:
            return Unsatisfiable(answer.reason)
        _check(answer, f"resolving {', '.join(versions.requirements)}")
        return Lock(versions.python, answer.stdout)

    def build(self, lock: Lock, should_stop: ShouldStop) -> CellEnvironment | Unsatisfiable:
        """
        The environment of ``lock``, built unless it is in the cache.

        It grows under a temporary name and gets its own by one rename, so that it is complete or not there,
        whatever kills the builder.
        """
        folder = self._cache / lock.id
        self._cache.mkdir(parents=True, exist_ok=True)
        with _held(FileLock(self._cache / f"{lock.id}.lock"), should_stop):
            if not _is_complete(folder):
                for leftover in [folder, *self._cache.glob(f".{lock.id}-*")]:
                    shutil.rmtree(leftover, ignore_errors=True)
                growing = Path(tempfile.mkdtemp(prefix=f".{lock.id}-", dir=self._cache))
                try:
                    if unsatisfiable := self._grow(growing / "env", lock, should_stop):
                        return unsatisfiable
                    (growing / "env").replace(folder)
                finally:
                    shutil.rmtree(growing, ignore_errors=True)
            (folder / METADATA).touch()
        return CellEnvironment(_python(folder), lock)

    def _grow(self, folder: Path, lock: Lock, should_stop: ShouldStop) -> Unsatisfiable | None:
        answer = self._uv(
            ["venv", "--relocatable", "--python", _interpreter(lock.python), str(folder)], "", should_stop
        )
        if answer.no_python:
            return Unsatisfiable(answer.reason)
        _check(answer, f"making an environment with Python {lock.python}")
        pinned = folder / "lock.txt"
        pinned.write_text(lock.text, encoding="utf-8")
        # Compiled now, once: else the first cells would compile torch while their time is taken.
        command = ["pip", "install", "--no-deps", "--compile-bytecode", "--python", str(_python(folder))]
        if "UV_LINK_MODE" not in self._uv.settings.environ:
            command += ["--link-mode", "hardlink"]
        answer = self._uv([*command, "-r", str(pinned), *self._uv.settings.options], "", should_stop)
        _check(answer, "installing the locked packages")
        metadata = {
            "lock": lock.id,
            "python": lock.python,
            "created_at": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        }
        (folder / METADATA).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
        return None


def _check(answer: Answer, doing: str) -> None:
    if answer.returncode != 0:
        raise BuildError(f"{doing} failed: {answer.reason}")


def _interpreter(version: str) -> str:
    """What uv shall look for: our own Python if it is of that version, wherever it is installed."""
    return sys.executable if version == f"{sys.version_info.major}.{sys.version_info.minor}" else version


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _is_complete(folder: Path) -> bool:
    """Also false when the Python that it was made from is gone."""
    return (folder / METADATA).exists() and _python(folder).exists()


@contextlib.contextmanager
def _held(lock: FileLock, should_stop: ShouldStop) -> Iterator[None]:
    """Waits for ``lock`` as long as nobody wants us to stop."""
    while True:
        try:
            lock.acquire(timeout=_LOCK_POLL_S, poll_interval=_LOCK_POLL_S / 4)
            break
        except Timeout:
            if should_stop():
                raise StoppedError from None
    try:
        yield
    finally:
        lock.release()
