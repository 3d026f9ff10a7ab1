"""Trials that an adaptive design asks for, one answer at a time; what is stored makes it resumable."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from matrix.designs.adaptive import Adaptive
from matrix.plan.cells import Cell, Trial
from matrix.plan.plan import Plan
from matrix.results.lacking import lack_the_same
from matrix.results.observation import Observation, Outcome
from matrix.results.store import Record

_OUT_AT_ONCE = 16
"""More trials of one cell than this are hardly out at once."""


class AdaptiveTrials:
    """A :class:`matrix.running.source.Source`: the next cell is the one that tells most, given all that has ended."""

    ahead = None

    def __init__(self, plan: Plan, records: Iterable[Record]) -> None:
        """
        :param records: what is stored, in the order in which it ended; it is told to the design again.
        """
        self._plan = plan
        self._candidates = list(plan.cells)
        self._told: list[tuple[str, bool]] = []
        """Cell and whether it froze, of each trial that ran."""
        self._walls_s: list[float] = []
        self._pending: dict[str, Cell] = {}
        """Trials that are out."""
        self._begun: set[str] = set()
        """Ids of trials."""
        cells = {cell.id for cell in plan.cells}
        for record in records:
            if record.ran and record.cell in cells:
                self._begun.add(record.id)
                self._note(record.cell, record.observation)
        self._design = self._make()

    @property
    def total(self) -> int | None:
        """See :attr:`matrix.running.source.Source.total`."""
        over = self._design is None or self._design.conclusion is not None or self._used_up()
        return self.done + len(self._pending) if over else self._plan.run.max_trials

    @property
    def done(self) -> int:
        """See :attr:`matrix.running.source.Source.done`."""
        return len(self._told)

    @property
    def conclusion(self) -> str | None:
        """See :attr:`matrix.running.source.Source.conclusion`."""
        if self._design is None or self._design.conclusion is None:
            return None
        explanation, probability = self._design.posterior()[0]
        return f"{explanation} ({probability:.0%})"

    def unstored(self) -> Iterable[Trial]:
        """See :meth:`matrix.running.source.Source.unstored`."""
        return (trial for cell in self._candidates for trial in itertools.islice(self._trials(cell), _OUT_AT_ONCE))

    def next(self) -> Trial | None:
        """See :meth:`matrix.running.source.Source.next`."""
        if self._design is None or self._used_up():
            return None
        places = {cell.id: place for place, cell in enumerate(self._candidates)}
        asked = self._design.ask([places[cell.id] for cell in self._pending.values() if cell.id in places])
        if asked is None:
            return None
        cell = self._candidates[asked]
        trial = next(self._trials(cell))
        self._begun.add(trial.id)
        self._pending[trial.id] = cell
        return trial

    def tell(self, trial: Trial, observation: Observation) -> None:
        """See :meth:`matrix.running.source.Source.tell`."""
        self._pending.pop(trial.id, None)
        if observation.outcome is Outcome.RAN:
            self._note(trial.cell.id, observation)
            place = next((n for n, cell in enumerate(self._candidates) if cell.id == trial.cell.id), None)
            if place is not None and self._design is not None:
                self._design.tell(place, self._told[-1][1])
        else:
            # It can't be had here, nor can what lacks the same: the design goes on with what is left.
            why = observation.outcome
            left = [cell for cell in self._candidates if not lack_the_same(trial.cell, cell, why)]
            if len(left) < len(self._candidates):
                self._candidates = left
                self._design = self._make()

    def _trials(self, cell: Cell) -> Iterator[Trial]:
        """Those of a cell that have not begun: a round of seeds before the next repeat."""
        plan = self._plan
        for repeat in itertools.count():
            for seed in plan.run.seeds:
                trial = Trial(cell, seed, repeat, plan.run.limit_s, plan.threads(cell))
                if trial.id not in self._begun:
                    yield trial

    def _note(self, cell: str, observation: Observation) -> None:
        self._told.append((cell, observation.verdict is not None and observation.verdict.is_failure))
        if observation.wall_s is not None:
            self._walls_s.append(observation.wall_s)

    def _make(self) -> Adaptive | None:
        """The design, told all that is known; None once there is nothing left to try."""
        if not self._candidates:
            return None
        plan = self._plan
        design = Adaptive(
            plan.factors,
            [{name: cell.levels[name] for name in plan.factors} for cell in self._candidates],
            costs_s=[plan.cost_s(cell) for cell in self._candidates],
        )
        places = {cell.id: place for place, cell in enumerate(self._candidates)}
        for cell, frozen in self._told:
            if cell in places:
                design.tell(places[cell], frozen)
        return design

    def _used_up(self) -> bool:
        run = self._plan.run
        begun = self.done + len(self._pending)
        if run.max_trials is not None and begun >= run.max_trials:
            return True
        if run.budget_s is None or begun == 0:
            return False
        each_s = sum(self._walls_s) / len(self._walls_s) if self._walls_s else run.expected_s or 0.0
        return sum(self._walls_s) + (len(self._pending) + 1) * each_s > run.budget_s
