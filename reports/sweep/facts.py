"""What a sweep's report needs to know of its runs beyond the analysis: figures of a finding, and who it strikes."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix.analysis.analysis import Analysis, Finding, Result
from matrix.plan.parameters import Level
from probes.diagnosis import Diagnosis, InvalidDiagnosisError
from reports.redaction.document import redacted
from reports.redaction.redactor import Redactor

_CHANCE = 0.05
_MAX_PAIRS = 200
"""Of matched runs whose set-ups are compared, for each factor: each costs the reading of two diagnoses."""


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
    :param redactor: takes out of them what is not to be shown.
    """

    def __init__(self, folder: Path, redactor: Redactor | None = None) -> None:
        self._folder = folder
        self._redactor = redactor or Redactor(people=False)
        self._read: dict[str, Run] = {}

    def of(self, result: Result) -> Run:
        """The run of a trial that ran."""
        if result.trial.id not in self._read:
            diagnosis = None
            if result.observation.folder is not None:
                try:
                    path = self._folder / result.observation.folder / "diagnosis.json"
                    diagnosis = redacted(Diagnosis.load(path), self._redactor)
                except InvalidDiagnosisError:
                    diagnosis = None
            self._read[result.trial.id] = Run(result, diagnosis)
        return self._read[result.trial.id]


@dataclass(frozen=True)
class Strikes:
    """Which of the design's trials a finding strikes, in terms of their levels."""

    number: int
    """How many it strikes."""
    of: int
    """How many ran with ``levels``."""
    levels: dict[str, Level]
    """What all of them have in common, and few others; empty if nothing tells them from the rest."""
    rivals: tuple[dict[str, Level], ...] = ()
    """Other levels that these trials have in common, and no others: they explain it just as well."""

    @property
    def always(self) -> bool:
        """Whether it strikes every trial with these levels."""
        return self.number == self.of


def strikes(analysis: Analysis, finding: Finding) -> Strikes:
    """
    What tells this finding's design trials from all others that ran: no level, one, or two together.

    Levels that it strikes now and then are only told if so many hits among them would hardly come by chance.
    """
    columns, in_all = analysis.columns, len(analysis.design)
    struck = columns.mask(finding.ids)
    number = struck.bit_count()
    exact = columns.explanations(struck)
    if exact:
        return Strikes(number, number, exact[0], tuple(exact[1:]))
    narrowest = columns.narrowest(struck)
    if len(narrowest) == 1:
        levels = narrowest[0]
        of = sum(result.matches(levels) for result in analysis.design)
        looked_at = len(columns.of) * (len(columns.of) + 1) / 2
        if math.comb(of, number) / math.comb(in_all, number) * looked_at <= _CHANCE:
            return Strikes(number, of, levels)
    return Strikes(number, in_all, {})


def unseen(analysis: Analysis) -> list[Result]:
    """Runs that count as healthy only because nothing was seen: no phase of theirs, until the time limit ended them."""
    limit_s = analysis.plan.run.limit_s
    return [
        result
        for result in analysis.ran
        if not result.failed
        and not result.observation.phases
        and result.observation.wall_s is not None
        and result.observation.wall_s >= limit_s
    ]


def unit(analysis: Analysis) -> str:
    """``cell`` where each cell has one run, else ``run``."""
    return "cell" if len({result.trial.cell.id for result in analysis.ran}) == len(analysis.ran) else "run"


def irrelevant(analysis: Analysis, finding: Finding) -> list[tuple[str, int]]:
    """Factors whose matched pairs all end alike where one of the pair is in this finding, and how many pairs."""
    found = []
    for effect in analysis.factors:
        pairs = [pair for pair in effect.pairs if finding.has(pair.first) or finding.has(pair.second)]
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
    different = (pair for pair in analysis.pairs(factor) if not pair.alike)
    for pair in itertools.islice(different, _MAX_PAIRS):
        first, second = runs.of(pair.first), runs.of(pair.second)
        if not first.training or not second.training:
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
