"""Which changes between two locks bring the freeze: each mixture in an environment of its own."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from matrix.bisect.groups import Changes
from matrix.bisecting.changes import Mixer, changes_of
from matrix.bisecting.consistency import Consistency, requirements_in
from matrix.bisecting.earlier import OfSearch, OfSweep, Origin
from matrix.bisecting.locks.interface import LockError, Target
from matrix.bisecting.locks.requirements import read as read_requirements
from matrix.bisecting.providing import Provider
from matrix.bisecting.release_facts import site_packages
from matrix.bisecting.runs import Ended, Run
from matrix.bisecting.subject import Place, Subject
from matrix.environments.cache import CellEnvironment, ShouldStop, Unsatisfiable
from matrix.errors import MatrixError
from matrix.plan.cells import VersionSet

_BUILT, _UNBUILT = 1.0, 2.0
"""Costs beside each other: building a mixture takes about as long as a short run."""


@dataclass
class LockSpace:
    """A :class:`matrix.bisecting.search.Space` of sets of changes."""

    mixer: Mixer
    python: str
    subject: Subject
    provide: Provider
    consistency: Consistency
    torch_backend: str | None = None

    @property
    def good(self) -> Changes:
        """See :class:`Space`."""
        return ()

    @property
    def bad(self) -> Changes:
        """See :class:`Space`."""
        return tuple(self.mixer.changes)

    def recognised(self, origin: Origin) -> Changes | None:
        """See :class:`matrix.bisecting.earlier.Recognising`: by what was installed, whatever the two locks were."""
        target = Target(self.python)
        try:
            if isinstance(origin, OfSearch):
                ends = (read_requirements(origin.about[name], target) for name in ("good", "bad"))
                pins = Mixer(*ends).mix(changes_of(origin.candidate)).pins
            elif origin.lock is None or not self._is_of(origin):
                return None
            else:
                pins = read_requirements(origin.lock, target).pins
        except (LockError, KeyError):
            return None
        return self.mixer.made_in(pins)

    def _is_of(self, origin: OfSweep) -> bool:
        versions = origin.trial.cell.versions
        asked = (versions.python, versions.torch_backend)
        return asked == (self.python, self.torch_backend) and origin.is_of(self.subject.words)

    def label(self, candidate: Changes) -> str:
        """See :class:`Space`."""
        every = len(self.mixer.changes)
        if not candidate:
            return "the good lock"
        if len(candidate) == every:
            return "the bad lock"
        if len(candidate) <= 2:
            return " with ".join(candidate)
        return f"{len(candidate)} of {every} changes, {candidate[0]} first"

    def cost_s(self, candidate: Changes) -> float:
        """Relative: what is built already is cheaper."""
        return _BUILT if self.provide.is_built(self._versions(candidate)) else _UNBUILT

    def instead(self, candidate: Changes) -> tuple[Changes | None, str]:
        """
        See :class:`Space`: with what the changes can't be made without; where that is all of them, which tells
        nothing, without those that need what is left out.
        """
        made, why = self.consistency.closed(candidate)
        if len(made) == len(self.mixer.changes) > len(candidate):
            made, why = self.consistency.opened(candidate)
        if made == frozenset(candidate):
            return candidate, ""
        return tuple(name for name in self.mixer.changes if name in made), "; ".join(map(str, why))

    def attempt(self, candidate: Changes, place: Place) -> Run[Changes]:
        """See :class:`Space`."""
        started = time.monotonic()
        found = self.provide(self._versions(candidate), place.should_stop)
        seconds = time.monotonic() - started
        if not isinstance(found, CellEnvironment):
            passing = not isinstance(found, Unsatisfiable)
            reason = found.reason if isinstance(found, Unsatisfiable) else str(found)
            return Run(candidate, Ended.UNRESOLVED, None, reason, seconds, passing=passing)
        run = self.subject.run(candidate, found, place, label=self.label(candidate))
        return Run(candidate, run.ended, run.signature, run.says, run.seconds + seconds, run.folder)

    def _versions(self, candidate: Iterable[str]) -> VersionSet:
        return mixture(self.mixer, candidate, self.python, self.torch_backend)


def mixture(mixer: Mixer, made: Iterable[str], python: str, torch_backend: str | None) -> VersionSet:
    """The library set of the good lock with some changes made."""
    return VersionSet("a mixture", (), python, lock=mixer.mix(made).text, torch_backend=torch_backend)


def consistency_of(
    mixer: Mixer, python: str, torch_backend: str | None, provide: Provider, should_stop: ShouldStop
) -> Consistency:
    """
    Builds both ends, and reads what their packages require.

    :raises MatrixError: one can't be built.
    :raises StoppedError: Ctrl-C.
    """
    requires = {}
    for name, made in (("GOOD", ()), ("BAD", tuple(mixer.changes))):
        found = provide(mixture(mixer, made, python, torch_backend), should_stop)
        if not isinstance(found, CellEnvironment):
            reason = found.reason if isinstance(found, Unsatisfiable) else found
            raise MatrixError(f"{name} can't be installed with Python {python}: {reason}")
        site = site_packages(found.python)
        requires.update(requirements_in(site) if site else {})
    return Consistency(mixer, requires, Target(python))
