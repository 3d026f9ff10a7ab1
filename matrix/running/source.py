"""Where a sweep's trials come from: which one is next, as far as what has ended says so."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from typing import Protocol

from matrix.plan.cells import Trial
from matrix.plan.plan import Plan
from matrix.plan.run_file import ADAPTIVE
from matrix.results.observation import Observation
from matrix.results.store import Record
from matrix.running.adaptive import AdaptiveTrials
from matrix.running.proving import ProvingTrials

_AHEAD = 1000
"""So many trials of a list may be out at once: enough to see which environments are needed, and no burden."""


class Source(Protocol):
    """Says which trial is next."""

    @property
    def total(self) -> int | None:
        """How many trials there will have been at the end; None if that is open."""
        ...

    @property
    def done(self) -> int:
        """Those of them that have run."""
        ...

    @property
    def ahead(self) -> int | None:
        """How many may be out at once, waiting or running; None is as many as can run."""
        ...

    @property
    def conclusion(self) -> str | None:
        """What the trials so far come to, if that is what the source goes by."""
        ...

    def unstored(self) -> Iterable[Trial]:
        """Trials that may have been begun without being stored."""
        ...

    def next(self) -> Trial | None:
        """A trial that is to be run; None if there is none, or none before one that is out has been told."""
        ...

    def tell(self, trial: Trial, observation: Observation) -> None:
        """What came of a trial."""
        ...


class ListedTrials:
    """All trials of a plan, those of cells that failed before first."""

    ahead = _AHEAD
    conclusion = None

    def __init__(self, trials: Iterable[Trial], ran: Collection[str], failing: Collection[str]) -> None:
        """
        :param trials: in the order of the plan.
        :param ran: ids of those that need not be run.
        :param failing: ids of cells that failed before: most likely to tell something now.
        """
        missing, self.total = [], 0
        for trial in trials:
            self.total += 1
            if trial.id not in ran:
                missing.append(trial)
        self.done = self.total - len(missing)
        self._todo = deque(sorted(missing, key=lambda trial: trial.cell.id not in failing))

    def unstored(self) -> Iterable[Trial]:
        """See :meth:`Source.unstored`."""
        return tuple(self._todo)

    def next(self) -> Trial | None:
        """See :meth:`Source.next`."""
        return self._todo.popleft() if self._todo else None

    def tell(self, trial: Trial, observation: Observation) -> None:
        """See :meth:`Source.tell`. A list takes no notice."""


def source_of(plan: Plan, records: Iterable[Record], failing: Collection[str] = ()) -> Source:
    """
    Where the trials of ``plan`` come from.

    :param records: what is stored of it already.
    :param failing: ids of more cells that are known to have failed.
    """
    records = list(records)
    source: Source
    if plan.run.design == ADAPTIVE:
        source = AdaptiveTrials(plan, records)
    else:
        source = ListedTrials(
            plan.trials,
            ran={record.id for record in records if record.ran},
            failing={*failing, *failing_cells(records)},
        )
    return ProvingTrials(source, plan.trials, records) if plan.run.verify_remedies else source


def failing_cells(records: Iterable[Record]) -> set[str]:
    """Ids of the cells of which a trial failed."""
    return {record.cell for record in records if (verdict := record.observation.verdict) and verdict.is_failure}
