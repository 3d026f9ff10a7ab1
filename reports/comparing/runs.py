"""What changed between two runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from matrix.results.observation import observed
from probes import fingerprint
from probes.diagnosis import Diagnosis
from reports.comparing import facts
from reports.comparing.facts import Change
from reports.comparing.times import Ratio, Times
from reports.comparing.trials import Ending, ending


@dataclass(frozen=True)
class PhaseChange:
    """A phase of both runs, or of one."""

    name: str
    before_s: float | None
    after_s: float | None
    """On average."""

    @property
    def ratio(self) -> float | None:
        return self.after_s / self.before_s if self.before_s and self.after_s is not None else None


@dataclass(frozen=True)
class RunComparison:
    """Two runs."""

    before: Diagnosis
    after: Diagnosis
    endings: tuple[Ending, Ending]
    rollouts: tuple[Times | None, Times | None]
    updates: tuple[Times | None, Times | None]
    phases: tuple[PhaseChange, ...]
    packages: tuple[Change, ...]
    settings: tuple[Change, ...]
    machine: tuple[Change, ...]
    rollouts_alike: int | None
    """How many rollouts were compared, if all had the same content; None if they differ or can't be compared."""
    difference: str | None
    """Where the contents of their rollouts part, or why that is not known."""

    @property
    def update_ratio(self) -> Ratio | None:
        return Ratio.of(*self.updates)

    @property
    def cpu_ratio(self) -> Ratio | None:
        """Of the processor time of an update."""
        return Ratio.of(*(ending.update_cpu for ending in self.endings))

    @property
    def rollout_ratio(self) -> Ratio | None:
        return Ratio.of(*self.rollouts)


def compare_runs(before: Path, after: Path) -> RunComparison:
    """
    Compares two runs.

    :param before: a run's folder.
    :raises InvalidDiagnosisError: one of them has no diagnosis.
    """
    first, second = (Diagnosis.load(folder / "diagnosis.json") for folder in (before, after))
    alike, difference = _contents(before, after)
    return RunComparison(
        first,
        second,
        (ending(observed(first), first, folder=before), ending(observed(second), second, folder=after)),
        (Times.of_rollouts(first), Times.of_rollouts(second)),
        (Times.of_updates(first), Times.of_updates(second)),
        tuple(_phases(first, second)),
        facts.changes(facts.packages_of(first), facts.packages_of(second)),
        facts.changes(facts.settings_of(first), facts.settings_of(second)),
        facts.changes(facts.surroundings_of(first), facts.surroundings_of(second)),
        alike,
        difference,
    )


def _phases(before: Diagnosis, after: Diagnosis) -> Iterator[PhaseChange]:
    one, two = before.timing.phases, after.timing.phases
    for name in {**one, **two}:
        yield PhaseChange(name, _mean(one.get(name)), _mean(two.get(name)))


def _mean(phase: Mapping[str, float] | None) -> float | None:
    return phase["total_s"] / phase["count"] if phase and phase["count"] else None


def _contents(before: Path, after: Path) -> tuple[int | None, str | None]:
    one, two = (fingerprint.read(folder / "flight") for folder in (before, after))
    for which, found in (("first", one), ("second", two)):
        if not found:
            return None, f"no rollout of the {which} run was looked at"
    difference = fingerprint.compare(one, two)
    if difference is None:
        return len({rollout.number for rollout in one} & {rollout.number for rollout in two}), None
    alike = difference.rollout - 1
    return None, difference.says + (f"; the {alike} before it are the same" if alike else "")
