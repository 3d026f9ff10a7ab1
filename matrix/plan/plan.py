"""What a sweep is to do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from matrix.errors import MatrixError
from matrix.plan.cells import THREADS, Cell, Trial, VersionSet
from matrix.plan.claims import Claim
from matrix.plan.parameters import Level
from probes.verdicts import Verdict

SCHEMA = "freezelab.plan/1"


STOP_ON_FREEZE: Mapping[str, frozenset[Verdict]] = {
    "standing": frozenset(verdict for verdict in Verdict if verdict.stands_for_good),
    "any": frozenset(verdict for verdict in Verdict if verdict.is_failure),
    "never": frozenset(),
}
"""
``[run] stop_on_freeze`` to the settled verdicts that end a trial. A run that is slow or corrupt moves on: what comes
of it, such as a second update that is as slow as the first or a crash, is part of the observation.
"""


TIMINGS = ("own-cores", "alone", "shared")
"""
``[run] timing``: trials side by side, none on another's cores; one at a time, the machine to itself; or as many as
``jobs`` says, cores shared. What a trial had beside it is recorded with it in any case.
"""


@dataclass(frozen=True)
class RunSettings:
    """How the cells are run."""

    repeats: int = 1
    seeds: tuple[int, ...] = (0,)
    jobs: int | None = None
    """At most so many cells at once; None is as many as the cores allow."""
    limit_s: float = 600.0
    threads_per_cell: int = 1
    """Unless ``threads`` is a factor."""
    design: str = "full"
    strength: int = 2
    """How many factors a covering design has all combinations tried of."""
    max_trials: int | None = None
    """An adaptive design starts no more than so many."""
    budget_s: float | None = None
    """An adaptive design starts none that would end later, in seconds of trials one after the other."""
    expected_s: float | None = None
    """How long an ordinary trial takes; None where nobody said."""
    stop_on_freeze: str = "standing"
    """One of :data:`STOP_ON_FREEZE`."""
    timing: str = "own-cores"
    """One of :data:`TIMINGS`."""

    @property
    def stop_on(self) -> frozenset[Verdict]:
        """The settled verdicts that end a trial."""
        return STOP_ON_FREEZE[self.stop_on_freeze]


@dataclass(frozen=True)
class Plan:
    """A sweep, checked and spelt out."""

    name: str
    factors: Mapping[str, tuple[Level, ...]]
    """The design's factors, with the ordinary level first."""
    cells: tuple[Cell, ...]
    """The design's cells, then the extra ones; no two alike."""
    run: RunSettings
    claims: tuple[Claim, ...] = ()

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Each cell with each seed, each as often as asked for; a whole round of cells before the next."""
        run = self.run
        return tuple(
            Trial(cell, seed, repeat, run.limit_s, self.threads(cell))
            for repeat in range(run.repeats)
            for seed in run.seeds
            for cell in self.cells
        )

    def threads(self, cell: Cell) -> int:
        """Threads, and cores, of a trial of ``cell``."""
        threads = cell.levels.get(THREADS)
        return threads if isinstance(threads, int) else self.run.threads_per_cell

    def cost_s(self, cell: Cell) -> float:
        """How long a trial of ``cell`` is expected to take, in seconds; its limit where nobody said."""
        return self.run.limit_s

    def to_json(self) -> dict[str, Any]:
        """The content of ``plan.json``."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "factors": {name: list(levels) for name, levels in self.factors.items()},
            "cells": [
                {
                    "id": cell.id,
                    "label": cell.label,
                    "levels": dict(cell.levels),
                    "versions": dataclasses.asdict(cell.versions),
                    "arguments": list(cell.arguments),
                    "why": cell.why,
                    "environ": dict(cell.environ),
                    "command": None if cell.command is None else list(cell.command),
                }
                for cell in self.cells
            ],
            "run": dataclasses.asdict(self.run),
            "claims": [claim.to_json() for claim in self.claims],
        }

    @classmethod
    def from_json(cls, value: Any) -> Plan:
        """
        Reads what :meth:`to_json` wrote.

        :raises ValueError: another schema, or a key that is missing or of the wrong type.
        """
        if not isinstance(value, dict) or value.get("schema") != SCHEMA:
            raise ValueError(f"expected schema {SCHEMA!r}")
        try:
            return cls(
                name=value["name"],
                factors={name: tuple(levels) for name, levels in value["factors"].items()},
                cells=tuple(
                    Cell(
                        levels=cell["levels"],
                        versions=VersionSet(
                            **{**cell["versions"], "requirements": tuple(cell["versions"]["requirements"])}
                        ),
                        arguments=tuple(cell["arguments"]),
                        label=cell["label"],
                        why=cell["why"],
                        environ=cell["environ"],
                        command=None if cell["command"] is None else tuple(cell["command"]),
                    )
                    for cell in value["cells"]
                ),
                run=RunSettings(**{**value["run"], "seeds": tuple(value["run"]["seeds"])}),
                claims=tuple(Claim.from_json(claim) for claim in value["claims"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a {SCHEMA} document: {error!r}") from error

    def save(self, path: Path) -> None:
        """Writes ``plan.json``."""
        path.write_text(json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Plan:
        """
        Reads ``plan.json``.

        :raises MatrixError: it is missing or no plan.
        """
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise MatrixError(f"{path}: {error}; name the folder of a sweep that was started") from error
