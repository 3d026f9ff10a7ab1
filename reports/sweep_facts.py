"""What a sweep's report needs to know of its runs beyond the analysis: figures of a finding, and who it strikes."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix.analysis.analysis import Analysis, Finding, Result
from matrix.plan.parameters import Level
from probes.diagnosis import Diagnosis, InvalidDiagnosisError


@dataclass(frozen=True)
class Run:
    """A trial that ran, with its whole diagnosis; None if its folder was removed."""

    result: Result
    diagnosis: Diagnosis | None

    @property
    def training(self) -> dict[str, Any]:
        """The set-up as the agent read it; empty if unknown."""
        return (self.diagnosis.environment.get("training") if self.diagnosis else None) or {}

    def detail(self, kind: str) -> dict[str, Any]:
        """Figures of the first evidence of a kind; empty without one."""
        items = self.diagnosis.evidence if self.diagnosis else ()
        return next((item.detail for item in items if item.kind == kind), {})


class Runs:
    """
    The diagnoses of a sweep, read as they are asked for.

    :param folder: the sweep's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, Run] = {}

    def of(self, result: Result) -> Run:
        """The run of a trial that ran."""
        if result.trial.id not in self._read:
            diagnosis = None
            if result.observation.folder is not None:
                try:
                    diagnosis = Diagnosis.load(self._folder / result.observation.folder / "diagnosis.json")
                except InvalidDiagnosisError:
                    diagnosis = None
            self._read[result.trial.id] = Run(result, diagnosis)
        return self._read[result.trial.id]


def in_design(result: Result) -> bool:
    """Whether the trial belongs to the balanced design, not to the extra cells."""
    return result.trial.cell.why is None


def who(analysis: Analysis, finding: Finding) -> dict[str, Level] | None:
    """
    The levels that tell this finding's design trials from all others that ran: ``{"adapter": "off"}``.

    :return: empty if all design trials end so; None if no one or two factors tell them apart.
    """
    design = [result for result in analysis.ran if in_design(result)]
    struck = {result.trial.id for result in finding.results if in_design(result)}
    if len(struck) == len(design):
        return {}
    names = list(analysis.plan.factors)
    single = [(name,) for name in names]
    double = [(first, second) for at, first in enumerate(names) for second in names[at + 1 :]]
    for chosen in (*single, *double):
        levels = {tuple(r.trial.cell.levels[n] for n in chosen) for r in design if r.trial.id in struck}
        if len(levels) != 1:
            continue
        where = dict(zip(chosen, next(iter(levels)), strict=True))
        if {result.trial.id for result in design if result.matches(where)} == struck:
            return where
    return None


def irrelevant(analysis: Analysis, finding: Finding) -> list[tuple[str, int]]:
    """Factors whose matched pairs all end alike where one of the pair is in this finding, and how many pairs."""
    struck = {result.trial.id for result in finding.results}
    found = []
    for effect in analysis.factors:
        pairs = [pair for pair in effect.pairs if {pair.first.trial.id, pair.second.trial.id} & struck]
        if pairs and all(pair.alike for pair in pairs):
            found.append((effect.factor, len(pairs)))
    return found


@dataclass(frozen=True)
class Pace:
    """Rollouts and the updates after them, over the runs of a finding."""

    collect_s: float
    train_s: float
    """Medians."""
    ratios: tuple[float, float]
    """Smallest and largest update / rollout."""
    iterations: int


def iterations(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """All iterations of these runs whose update ended."""
    return [
        item
        for run in runs
        if run.diagnosis is not None
        for item in run.diagnosis.timing.iterations
        if item["train_s"] is not None and item["collect_s"]
    ]


def pace(runs: Iterable[Run]) -> Pace | None:
    """The pace of these runs; None if no update of theirs ended."""
    items = iterations(runs)
    if not items:
        return None
    ratios = [item["train_s"] / item["collect_s"] for item in items]
    return Pace(
        statistics.median(item["collect_s"] for item in items),
        statistics.median(item["train_s"] for item in items),
        (min(ratios), max(ratios)),
        len(items),
    )


def stood_still_at(runs: Iterable[Run]) -> list[int]:
    """Every step at which a run of these stood still."""
    return sorted({step for run in runs for step in run.detail("step-stands-still").get("steps", [])})


def set_up_changes(
    analysis: Analysis, runs: Runs, factor: str
) -> list[tuple[Level, Level, list[tuple[str, object, object]]]]:
    """
    What else differs in the training set-up of matched runs, for each pair of levels of a factor that changes the
    outcome: (first level, second level, [(name, first value, second value)]); only what differs in all such pairs.
    """
    found: dict[tuple[Level, Level], list[dict[str, tuple[object, object]]]] = {}
    for pair in analysis.pairs(factor):
        first, second = runs.of(pair.first), runs.of(pair.second)
        if pair.alike or not first.training or not second.training:
            continue
        key = (pair.first.trial.cell.levels[factor], pair.second.trial.cell.levels[factor])
        found.setdefault(key, []).append(dict(_differences(first.training, second.training)))
    changes = []
    for (first_level, second_level), pairs in found.items():
        common = [
            (name, *values)
            for name, values in pairs[0].items()
            if all(other.get(name) == values for other in pairs[1:])
        ]
        changes.append((first_level, second_level, common))
    return changes


def _differences(
    one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, tuple[object, object]]]:
    """``("a.b", (1, 2))`` for each value that differs; what stands on one side only is told by its names."""
    for name in {**one, **other}:
        if not prefix and name == "process":
            continue  # paths of the machine
        first, second = one.get(name), other.get(name)
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            yield from _differences(first, second, f"{prefix}{name}.")
        elif first != second:
            yield prefix + name, (_names(first), _names(second))


def _names(value: object) -> object:
    return ", ".join(value) if isinstance(value, Mapping) else value


def multiples(steps: Sequence[int]) -> bool:
    """Whether all steps are whole multiples of the first."""
    return bool(steps) and steps[0] > 0 and all(step % steps[0] == 0 for step in steps)
