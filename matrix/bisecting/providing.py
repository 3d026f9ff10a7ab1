"""Environments of candidates: provided once, remembered for later calls, and known to be there or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matrix.bisecting.session import Session
from matrix.environments.cache import BuildError, CellEnvironment, Environments, Lock, ShouldStop, Unsatisfiable
from matrix.environments.layout import is_complete
from matrix.plan.cells import VersionSet

_LOCKS = "locks"
BUILD_S = 60.0
"""What building is taken to cost before anything was built."""


@dataclass
class Provider:
    """Provides environments for one search."""

    environments: Environments
    cache: Path
    """Where they lie once they are built."""
    session: Session | None
    """None remembers nothing."""
    locks: dict[str, Lock] = field(default_factory=dict)
    """What library sets were resolved to, by id: the same in every run of the search."""

    def __post_init__(self) -> None:
        kept: Any = self.session.kept.get(_LOCKS) if self.session else None
        for id_, lock in (kept if isinstance(kept, dict) else {}).items():
            if isinstance(lock, list) and len(lock) == 2 and all(isinstance(part, str) for part in lock):
                self.locks[id_] = Lock(*lock)

    def __call__(
        self, versions: VersionSet, should_stop: ShouldStop
    ) -> CellEnvironment | Unsatisfiable | BuildError | OSError:
        """
        An environment, or why there is none; an error is one that may pass.

        :raises StoppedError: ``should_stop`` said so.
        """
        try:
            found = self.environments.provide(versions, self.locks.get(versions.id), should_stop)
        except (BuildError, OSError) as error:
            return error
        if isinstance(found, CellEnvironment) and versions.id not in self.locks:
            self.locks[versions.id] = found.lock
            if self.session is not None:
                self.session.keep(_LOCKS, {id_: [lock.python, lock.text] for id_, lock in self.locks.items()})
        return found

    def is_built(self, versions: VersionSet) -> bool:
        """Whether its environment is known to be there already."""
        lock = self.locks.get(versions.id)
        if lock is None and versions.lock is not None:
            lock = Lock.of(versions.python, versions.lock, versions.torch_backend)
        return lock is not None and is_complete(self.cache / lock.id)
