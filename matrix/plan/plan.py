"""What a sweep is to do."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from matrix.errors import MatrixError
from matrix.plan.cells import THREADS, Cell, Trial
from matrix.plan.claims import Claim
from matrix.plan.packing import pack_cells, unpack_cells
from matrix.plan.parameters import Level, as_word
from matrix.plan.upgrade import VERSION_1, from_version_1
from probes.verdicts import Verdict

SCHEMA = "freezelab.plan/2"


STOP_ON_FREEZE: Mapping[str, frozenset[Verdict]] = {
    "standing": frozenset(verdict for verdict in Verdict if verdict.stands_for_good),
    "any": frozenset(verdict for verdict in Verdict if verdict.is_failure),
    "never": frozenset(),
}
"""
``[run] stop_on_freeze`` to the settled verdicts that end a trial. A run that is slow or corrupt moves on: what comes
of it, such as a second update that is as slow as the first or a crash, is part of the observation.
"""


_LEAST_S = 1.0
"""No trial counts as shorter: it has to start Python first."""
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
    verify_remedies: bool = True
    """Whether an example of each distinct failure is run again with each remedy of its cause."""

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
    constraints: tuple[str, ...] = ()
    """What every cell fulfils, as it was written; see :class:`matrix.plan.constraints.Constraint`."""
    weights: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Factor to level, as a word, to how many times as often its cells are run."""
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Factor to level, as a word, to the seconds that it adds to a trial."""

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Each cell with each seed, each as often as asked for; a whole round of cells before the next."""
        run = self.run
        rounds = [(cell, self.repeats(cell), self.threads(cell)) for cell in self.cells]
        return tuple(
            Trial(cell, seed, repeat, run.limit_s, threads)
            for repeat in range(max((repeats for _, repeats, _ in rounds), default=0))
            for seed in run.seeds
            for cell, repeats, threads in rounds
            if repeat < repeats
        )

    def repeats(self, cell: Cell) -> int:
        """How often each seed of ``cell`` is run: the sweep's repeats times the weights of its levels."""
        weights = (levels.get(as_word(cell.levels.get(name)), 1) for name, levels in self.weights.items())
        return math.prod(weights, start=self.run.repeats)

    def threads(self, cell: Cell) -> int:
        """Threads, and cores, of a trial of ``cell``."""
        threads = cell.levels.get(THREADS)
        return threads if isinstance(threads, int) else self.run.threads_per_cell

    def cost_s(self, cell: Cell) -> float:
        """
        How long a trial of ``cell`` is expected to take, in seconds: ``expected_s``, and what its levels add; its time
        limit where neither was said, and never more than that.
        """
        if self.run.expected_s is None and not self.costs:
            return self.run.limit_s
        added = (levels.get(as_word(cell.levels.get(name)), 0.0) for name, levels in self.costs.items())
        return min(self.run.limit_s, max(_LEAST_S, (self.run.expected_s or 0.0) + sum(added)))

    def to_json(self) -> dict[str, Any]:
        """The content of ``plan.json``."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "factors": {name: list(levels) for name, levels in self.factors.items()},
            "constraints": list(self.constraints),
            "weights": {name: dict(levels) for name, levels in self.weights.items()},
            "costs": {name: dict(levels) for name, levels in self.costs.items()},
            "run": dataclasses.asdict(self.run),
            "claims": [claim.to_json() for claim in self.claims],
            "cells": pack_cells(self.cells),
        }

    @classmethod
    def from_json(cls, value: Any) -> Plan:
        """
        Reads what :meth:`to_json` wrote, also that of an earlier version.

        :raises ValueError: another schema, or a key that is missing or of the wrong type.
        """
        schema = value.get("schema") if isinstance(value, dict) else None
        if schema not in (SCHEMA, VERSION_1):
            raise ValueError(f"expected schema {SCHEMA!r}")
        try:
            value = from_version_1(value) if schema == VERSION_1 else value
            return cls(
                name=value["name"],
                factors={name: tuple(levels) for name, levels in value["factors"].items()},
                cells=unpack_cells(value["cells"]),
                run=RunSettings(**{**value["run"], "seeds": tuple(value["run"]["seeds"])}),
                claims=tuple(Claim.from_json(claim) for claim in value["claims"]),
                constraints=tuple(value["constraints"]),
                weights=value["weights"],
                costs=value["costs"],
            )
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"not a {SCHEMA} document: {error!r}") from error

    def save(self, path: Path) -> None:
        """Writes ``plan.json``: all of it, or it stays as it was."""
        parts = (f"{json.dumps(key)}: {json.dumps(one, ensure_ascii=False)}" for key, one in self.to_json().items())
        growing = path.with_name(f".{path.name}.part")
        growing.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
        growing.replace(path)

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
