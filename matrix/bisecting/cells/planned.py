"""Cells of a sweep's file: its program, library sets, variables and remedies."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from matrix.bisecting.cells.interface import Levels, Order, level_of, pairs_of, said
from matrix.bisecting.cells.of_run import levels_of_run
from matrix.errors import MatrixError, expected_one_of
from matrix.plan.cell_maker import CellMaker
from matrix.plan.cells import NO_REMEDY, REMEDY, THREADS, Trial
from matrix.plan.constraints import Constraint
from matrix.plan.factors import FactorsFile
from matrix.plan.libraries import Libraries
from matrix.plan.parameters import Level, Parameter
from matrix.plan.plan import Plan
from matrix.plan.plan_file import load_plan
from matrix.plan.programs import import_path
from matrix.plan.releases import UvReleases
from matrix.plan.tables import read_document
from matrix.plan.together import Refuses
from matrix.running.trial import PROGRAM, THREAD_VARIABLES
from probes import remedies

ORDINARY = "ordinary"
"""The cell in which nothing is changed: the first level of each factor, and the program's own defaults."""


@dataclass
class PlannedCells:
    """See :class:`Cells`."""

    path: Path
    """The sweep's file."""
    parameters: Mapping[str, Parameter]
    """What FreezeLab's own program takes."""
    refuses: Refuses | None = None
    seed: int = 0
    limit_s: float = 600.0

    @cached_property
    def _plan(self) -> Plan:
        return load_plan(self.path, self.parameters, None, self.refuses)

    @cached_property
    def _file(self) -> FactorsFile:
        return FactorsFile(read_document(self.path), self.parameters, UvReleases())

    @cached_property
    def _make(self) -> CellMaker:
        file = self._file
        libraries = Libraries(file.sets, file.packages)
        return CellMaker(file.program, libraries, file.variables, import_path(file.document.table("training")))

    @property
    def about(self) -> Mapping[str, Any]:
        """See :class:`Cells`."""
        return {"file": self.path.read_text(encoding="utf-8"), "seed": self.seed}

    @property
    def python(self) -> Path:
        """See :class:`Cells`: each cell has that of its library set."""
        return Path(sys.executable)

    @cached_property
    def ordinary(self) -> Levels:
        """See :class:`Cells`."""
        first = {name: levels[0] for name, levels in self._plan.factors.items()}
        always: dict[str, Level] = {REMEDY: NO_REMEDY, THREADS: self._plan.run.threads_per_cell}
        return {**always, **self._file.program.defaults, **self._file.fixed, **first}

    def read(self, option: str, text: str) -> dict[str, Level]:
        """See :class:`Cells`; a run's folder stands for the settings that the run was seen to have."""
        if text.strip() == ORDINARY:
            return {}
        if "=" not in text and Path(text, "diagnosis.json").is_file():
            told = levels_of_run(Path(text))
            return {
                name: level_of(option, name, self._file.kinds[name], level)
                for name, level in told.items()
                if name in self.ordinary
            }
        levels: dict[str, Level] = {}
        for name, level in pairs_of(option, text):
            if name not in self.ordinary or name not in self._file.kinds:
                expected = expected_one_of(name, [*self.ordinary])
                raise MatrixError(f"{option}: {name}: {self.path} has nothing of that name; {expected}")
            levels[name] = level_of(option, name, self._file.kinds[name], level)
        return levels

    def refused(self, levels: Levels) -> str | None:
        """See :class:`Cells`."""
        factors = {name: levels[name] for name in self._plan.factors}
        for text in self._plan.constraints:
            if not Constraint.parse(text).holds(factors):
                return f"breaks the constraint {text!r}"
        cell = self._make(levels, {}, None)
        return self.refuses(cell.arguments) if self.refuses is not None and cell.command is None else None

    def order(self, levels: Levels) -> Order:
        """See :class:`Cells`."""
        threads = int(str(levels[THREADS]))
        cell = self._make(levels, {}, None)
        remedy = str(levels[REMEDY])
        return Order(
            Trial(cell, self.seed, 0, self.limit_s, threads).words(PROGRAM),
            {**dict.fromkeys(THREAD_VARIABLES, str(threads)), **cell.environ},
            () if remedy == NO_REMEDY else remedies.choose_all(remedy.split(",")),
            cell.versions,
        )

    def said(self, name: str, level: Level) -> str:
        """See :class:`Cells`."""
        return said(name, level, variable=name in self._file.variables)

    def choices(self, name: str) -> tuple[Level, ...]:
        """See :class:`Cells`: what is ordinary counts as simpler."""
        return (self.ordinary[name],)
