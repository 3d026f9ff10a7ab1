"""How the trials of two sweeps ended, or of a sweep and a baseline; a single run is a sweep of one."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matrix.analysis.analysis import Analysis, Result
from matrix.results.observation import Observation, Outcome
from probes.diagnosis import Diagnosis, InvalidDiagnosisError
from probes.verdicts import Verdict
from reports.comparing.processor import processor_of
from reports.comparing.times import LEAST_LOST_S, Ratio, Times

SURELY = 1.3
"""Times as long: what is called slower, or faster the other way round, unless another factor is asked for."""
RUN = "run"
"""What a single run is called among the trials of a sweep."""
_STARVED = 1.25
"""Times as often."""
ELAPSED, PROCESSOR = "elapsed time", "processor time"
_UPDATE = "train"
_STACK = re.compile(r" · stack [0-9a-f]{8}$")


@dataclass(frozen=True)
class Pace:
    """How many times as long something takes, and by which clock."""

    ratio: float
    clock: str = ELAPSED


@dataclass(frozen=True)
class Ending:
    """How one trial ended, as far as two are compared: plain data."""

    outcome: str
    verdict: str | None = None
    signature: str | None = None
    cause: str | None = None
    cell: str | None = None
    """What it shares with its repeats; None of a single run."""
    update: Times | None = None
    """How long an update took."""
    update_cpu: Times | None = None
    """How much processor time it took, where that is known."""
    had_core: float | None = None
    """Of the time that its threads wanted a core, the share in which they had one; None if unknown."""

    @property
    def ran(self) -> bool:
        return self.outcome == Outcome.RAN.value

    @property
    def failed(self) -> bool:
        return self.ran and self.verdict is not None and self.verdict != Verdict.HEALTHY.value

    @property
    def says(self) -> str:
        """``slow-phase in train · _process_sequence``, ``skipped``"""
        return self.signature or self.verdict or self.outcome

    def fails_as(self, other: Ending) -> bool:
        """
        Whether both failed in the same way: by their signatures, or by one known cause.

        But for the stack: another release of a library may call through another function, and freeze as before.
        """
        if not self.failed or self.verdict != other.verdict:
            return False
        alike = _without_stack(self.signature) == _without_stack(other.signature)
        return alike or (self.cause is not None and self.cause == other.cause)

    def starved_against(self, before: Ending) -> bool:
        """Whether one of two runs got a core far more often than the other, when it wanted one."""
        if not before.had_core or not self.had_core or before.update_cpu is None or self.update_cpu is None:
            return False
        return max(self.had_core / before.had_core, before.had_core / self.had_core) > _STARVED

    def pace_against(self, before: Ending) -> Pace | None:
        """
        How many times as long an update takes; None if unknown, or if noise may explain it.

        By the clock, and where that can't tell, by processor time: of a busy machine's noise that has less. By that
        alone, if one of the runs had to wait for a core far more than the other.
        """
        clocks = [(ELAPSED, before.update, self.update), (PROCESSOR, before.update_cpu, self.update_cpu)]
        for clock, one, two in clocks[1:] if self.starved_against(before) else clocks:
            ratio = Ratio.of(one, two)
            if ratio is None or ratio.is_noise or one is None or two is None:
                continue
            if abs(two.median_s - one.median_s) * min(two.times, one.times) >= LEAST_LOST_S:
                return Pace(ratio.value, clock)
        return None


@dataclass(frozen=True)
class TrialChange:
    """One trial in two sweeps."""

    label: str
    before: Ending | None
    """None: not in that sweep."""
    after: Ending | None
    pace: Pace | None = None
    """After over before of an update's duration, where they differ beyond noise."""

    @property
    def ratio(self) -> float | None:
        """After over before."""
        return None if self.pace is None else self.pace.ratio


@dataclass(frozen=True)
class TrialChanges:
    """Trials of two sweeps, each in one list at most, but that a slower or faster one may fail as well."""

    newly_failing: tuple[TrialChange, ...] = ()
    new_and_failing: tuple[TrialChange, ...] = ()
    """Only in the second."""
    failing_otherwise: tuple[TrialChange, ...] = ()
    slower: tuple[TrialChange, ...] = ()
    faster: tuple[TrialChange, ...] = ()
    no_longer_failing: tuple[TrialChange, ...] = ()
    unsteady: tuple[TrialChange, ...] = ()
    """They end otherwise, but so did other repeats of the same cell in the sweep before: chance explains it."""
    not_run: tuple[TrialChange, ...] = ()
    """Ran before, and did not now."""
    gone: tuple[TrialChange, ...] = ()
    """Not in the second at all."""
    new: tuple[TrialChange, ...] = ()
    """Only in the second, and not failing."""
    compared: int = 0
    """Trials that ran in both."""

    @property
    def worse(self) -> tuple[TrialChange, ...]:
        """What a baseline does not let pass."""
        return (*self.newly_failing, *self.new_and_failing, *self.failing_otherwise, *self.slower)


def ending(
    observation: Observation,
    diagnosis: Diagnosis | None = None,
    cell: str | None = None,
    folder: Path | None = None,
) -> Ending:
    """
    What is compared of one trial.

    :param folder: of the run, for its processor time.

    :param diagnosis: of the run; without it only the mean of its updates is known, and not how they vary.
    """
    processor = processor_of(diagnosis, folder) if diagnosis is not None and folder is not None else None
    return Ending(
        outcome=observation.outcome.value,
        verdict=None if observation.verdict is None else observation.verdict.value,
        signature=observation.signature,
        cause=observation.cause,
        cell=cell,
        update=(Times.of_updates(diagnosis) if diagnosis else None) or Times.of_mean(observation.phases.get(_UPDATE)),
        update_cpu=processor.update if processor is not None else None,
        had_core=processor.had_core if processor is not None else None,
    )


def endings(analysis: Analysis, folder: Path) -> dict[str, Ending]:
    """
    How the trials of a sweep ended, by their labels.

    Labels, not ids: a library set that was given newer releases under its old name is what one wants to compare.
    """
    return {
        result.trial.label: ending(
            result.observation,
            _diagnosis(folder, result.observation),
            cell=result.trial.cell.label,
            folder=folder / (result.observation.folder or ""),
        )
        for result in analysis.results
    }


def relabelled(before: Analysis, after: Analysis, endings: Mapping[str, Ending]) -> dict[str, Ending]:
    """
    The endings of the sweep before, by the labels that the sweep after has for the same settings.

    A label tells what varies: with one more factor in the file, every trial has another one.
    """
    labels = {_settings(result): result.trial.label for result in after.results}
    told = {result.trial.label: labels.get(_settings(result), result.trial.label) for result in before.results}
    return {told.get(label, label): ending for label, ending in endings.items()}


def compare_trials(before: Mapping[str, Ending], after: Mapping[str, Ending], factor: float = SURELY) -> TrialChanges:
    """
    Compares trials by their labels.

    :param factor: an update counts as slower if it takes more than so many times as long, beyond noise.
    """
    lists: dict[str, list[TrialChange]] = defaultdict(list)
    repeats = _by_cell(before.values()), _by_cell(after.values())
    for label in {**before, **after}:
        change = TrialChange(label, before.get(label), after.get(label))
        kind = _kind(change, *repeats)
        if kind is not None:
            lists[kind].append(change)
        for pace, changed in _pace(change, factor):
            lists[pace].append(changed)
    compared = sum(ending.ran and label in after and after[label].ran for label, ending in before.items())
    return TrialChanges(**{name: tuple(items) for name, items in lists.items()}, compared=compared)


def _settings(result: Result) -> str:
    trial = result.trial
    return json.dumps([dict(trial.cell.levels), trial.seed, trial.repeat], sort_keys=True)


_Repeats = Mapping[str, Sequence[Ending]]


def _kind(change: TrialChange, before: _Repeats, after: _Repeats) -> str | None:
    """In which list of :class:`TrialChanges` a trial belongs; None if it ended as before."""
    one, two = change.before, change.after
    if two is None:
        return "gone"
    if one is None:
        return _unless(two, before, "new_and_failing") if two.failed else "new"
    if not one.ran:
        return _unless(two, before, "newly_failing") if two.failed else None
    if not two.ran:
        return "not_run"
    if two.failed and not two.fails_as(one):
        return _unless(two, before, "failing_otherwise" if one.failed else "newly_failing")
    if one.failed and not two.failed:
        return _unless(one, after, "no_longer_failing")
    return None


def _unless(ending: Ending, others: _Repeats, kind: str) -> str:
    """The kind, but "unsteady" if a repeat of the cell fails in the same way in the other sweep, too."""
    same = others.get(ending.cell, ()) if ending.cell is not None else ()
    return "unsteady" if any(ending.fails_as(other) for other in same) else kind


def _pace(change: TrialChange, factor: float) -> Iterator[tuple[str, TrialChange]]:
    if change.before is None or change.after is None:
        return
    pace = change.after.pace_against(change.before)
    if pace is not None and (pace.ratio > factor or pace.ratio * factor < 1):
        name = "slower" if pace.ratio > 1 else "faster"
        yield name, TrialChange(change.label, change.before, change.after, pace)


def _by_cell(endings: Iterable[Ending]) -> dict[str, list[Ending]]:
    found: dict[str, list[Ending]] = defaultdict(list)
    for ending in endings:
        if ending.cell is not None:
            found[ending.cell].append(ending)
    return found


def _without_stack(signature: str | None) -> str | None:
    return None if signature is None else _STACK.sub("", signature)


def _diagnosis(folder: Path, observation: Observation) -> Diagnosis | None:
    if observation.folder is None or _UPDATE not in observation.phases:
        return None
    try:
        return Diagnosis.load(folder / observation.folder / "diagnosis.json")
    except InvalidDiagnosisError:
        return None
