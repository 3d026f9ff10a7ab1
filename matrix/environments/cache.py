"""The environments of all sweeps of a user: locked, built once, shared, and never used half-built or changed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

from matrix.environments import guard
from matrix.environments.amounts import size_text
from matrix.environments.building import forget, grow
from matrix.environments.eviction import environs_limit, keep_below
from matrix.environments.interface import (
    BuildError,
    CellEnvironment,
    Environments,
    Lock,
    ShouldStop,
    Unsatisfiable,
)
from matrix.environments.layout import (
    METADATA,
    building,
    default_cache,
    diary_of,
    is_complete,
    on_its_way,
    python_of,
    remove_leftovers,
)
from matrix.environments.resolving import Resolver
from matrix.environments.use import Uses, cells_at, unused
from matrix.environments.uv import Uv
from matrix.plan.cells import VersionSet

__all__ = [
    "METADATA",
    "BuildError",
    "CellEnvironment",
    "Environments",
    "Lock",
    "ShouldStop",
    "Unsatisfiable",
    "UvEnvironments",
    "default_cache",
]

_ASIDE = frozenset({METADATA})
"""What may change in an environment: when it was last used."""
_FILES_TOLD = 3


class UvEnvironments:
    """
    Environments made by uv in a cache that all sweeps of a user share.

    What it provided is in use, and so never evicted, until :meth:`close` or the end of the process.
    """

    def __init__(self, uv: Uv, cache: Path, limit: float | None = None) -> None:
        """
        :param cache: on the file system of uv's own cache, packages are shared by links; else copied.
        :param limit: bytes that the cache may hold on to after a build, but for what is in use; None is as
            ``FREEZELAB_ENVS_LIMIT`` says.
        :raises MatrixError: that variable says nothing sensible.
        """
        self._uv = uv
        self._cache = cache
        self._limit = environs_limit() if limit is None else limit
        self._resolve = Resolver(uv, cache)
        self._uses = Uses()

    def provide(
        self, versions: VersionSet, known: Lock | None, should_stop: ShouldStop
    ) -> CellEnvironment | Unsatisfiable:
        """See :meth:`Environments.provide`."""
        lock = known or self.resolve(versions, should_stop)
        return lock if isinstance(lock, Unsatisfiable) else self.build(lock, should_stop)

    def resolve(self, versions: VersionSet, should_stop: ShouldStop) -> Lock | Unsatisfiable:
        """As :meth:`Resolver.__call__`."""
        return self._resolve(versions, should_stop)

    def build(self, lock: Lock, should_stop: ShouldStop) -> CellEnvironment | Unsatisfiable:
        """
        The environment of ``lock``, built unless it is in the cache as it was built.

        It grows under a temporary name and gets its own by one rename, so that it is complete or not there,
        whatever kills the builder. One that was changed is replaced the same way: whoever still trains in it finds
        each file at its place.

        :raises BuildError: it did not work this time.
        """
        folder = self._cache / lock.id
        diary = diary_of(self._cache, lock.id)
        self._cache.mkdir(parents=True, exist_ok=True)
        with building(self._cache, lock.id, should_stop):
            notes = []
            ready = is_complete(folder)
            if ready and (changed := _changes(folder)):
                notes.append(f"built anew: {_told(folder, changed, diary)}")
                ready = False
                # Before it is built anew from there.
                through = [change.path for change in changed if change.elsewhere]
                forget(self._uv, guard.packages_of(folder, through), should_stop)
            if not ready:
                remove_leftovers(self._cache, lock.id)
                with on_its_way(self._cache, lock.id) as growing:
                    if unsatisfiable := grow(self._uv, growing / "env", lock, should_stop):
                        return unsatisfiable
                    if folder.exists():
                        folder.replace(growing / "old")
                    (growing / "env").replace(folder)
            with unused(diary) as free:
                if free and diary.exists():
                    diary.write_text("")  # all of it was told
            self._uses.hold(diary)
            (folder / METADATA).touch()
        if not ready and (evicted := keep_below(self._cache, self._limit)):
            notes.append(
                f"to stay below {size_text(self._limit)}, the least recently used were removed: {len(evicted)}"
            )
        return CellEnvironment(python_of(folder), lock, tuple(notes), diary)

    def look(self) -> list[str]:
        """
        For the end of a sweep: a sentence for each environment in use that is no longer as it was built.

        They are built anew when they are next asked for; nothing is done here.
        """
        notes = []
        for diary in self._uses.held:
            folder = diary.with_suffix("")
            with contextlib.suppress(OSError, ValueError):
                if changed := guard.changes(folder, _ASIDE):
                    notes.append(f"environment {folder.name} will be built anew: {_told(folder, changed, diary)}")
        return notes

    def close(self) -> None:
        """What was provided may be evicted from now on."""
        for diary in self._uses.held:
            with contextlib.suppress(OSError):
                (diary.with_suffix("") / METADATA).touch()
        self._uses.release()


def _changes(folder: Path) -> list[guard.Change]:
    try:
        return guard.changes(folder, _ASIDE)
    except ValueError:
        return [guard.Change(guard.INVENTORY, "changed", (folder / guard.INVENTORY).stat().st_mtime, elsewhere=0)]


def _told(folder: Path, changed: list[guard.Change], diary: Path) -> str:
    """Which files were changed, when and by whom, on one line."""
    first = sorted(changed, key=lambda change: change.at)
    files = "; ".join(f"{change.path} {change.what} at {_clock(change.at)}" for change in first[:_FILES_TOLD])
    more = f"; and {len(changed) - _FILES_TOLD} more" if len(changed) > _FILES_TOLD else ""
    text = f"{files}{more}. {_who(first, diary)}"
    packages = guard.packages_of(folder, [change.path for change in changed if change.elsewhere])
    if packages:
        text += f". uv's cache had the change too: {', '.join(packages)} is fetched again"
        if others := max(change.elsewhere for change in changed) - 1:
            text += f"; reinstall it in the {others} environments that are linked to the same file"
    return text


def _who(changed: Iterable[guard.Change], diary: Path) -> str:
    cells = cells_at(diary, [change.at for change in changed])
    return f"Then ran: {', '.join(cells)}" if cells else "No cell of a sweep ran then"


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
