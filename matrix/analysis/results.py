"""A trial together with what came of it, and matched pairs of such: what every conclusion is drawn from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from matrix.plan.cells import Trial
from matrix.plan.parameters import Level
from matrix.results.observation import Observation, Outcome


@dataclass(frozen=True)
class Result:
    """A trial of the plan and what came of it."""

    trial: Trial
    observation: Observation

    @property
    def ran(self) -> bool:
        return self.observation.outcome is Outcome.RAN

    @property
    def in_design(self) -> bool:
        """Whether its cell belongs to the design, not to the extra cells."""
        return self.trial.cell.why is None

    @property
    def failed(self) -> bool:
        """Whether it ran and did not end well."""
        verdict = self.observation.verdict
        return verdict is not None and verdict.is_failure

    def matches(self, where: Mapping[str, Level]) -> bool:
        """Whether the cell has all of these levels."""
        return all(self.trial.cell.levels.get(name) == level for name, level in where.items())


@dataclass(frozen=True)
class Pair:
    """Two trials that ran and differ in one factor only: seed and repeat are the same."""

    first: Result
    second: Result

    @property
    def alike(self) -> bool:
        """Whether both ended in the same way."""
        return self.first.observation.signature == self.second.observation.signature


def matched_pairs(factor: str, ran: Iterable[Result], where: Mapping[str, Level] | None = None) -> Iterator[Pair]:
    """
    Every matched pair of a factor.

    :param ran: trials that ran.
    :param where: levels of other factors that both of a pair must have.
    """
    groups: dict[object, list[Result]] = defaultdict(list)
    others = without(where or {}, factor)
    for result in ran:
        if result.matches(others):
            trial = result.trial
            rest = frozenset(without(trial.cell.levels, factor).items())
            groups[rest, trial.seed, trial.repeat].append(result)
    for group in groups.values():
        for at, second in enumerate(group):
            yield from (Pair(first, second) for first in group[:at])


def without(levels: Mapping[str, Level], factor: str) -> dict[str, Level]:
    """The levels of all other factors."""
    return {name: level for name, level in levels.items() if name != factor}
