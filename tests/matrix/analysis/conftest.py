"""Trials with planted outcomes, without a plan's file."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import pytest

from matrix.analysis.analysis import Analysis, analyse
from matrix.plan.cells import Cell, Trial, VersionSet
from matrix.plan.parameters import Level
from matrix.plan.plan import Plan, RunSettings
from matrix.results.observation import Observation, Outcome
from probes.verdicts import Verdict

HEALTHY = Observation(Outcome.RAN, verdict=Verdict.HEALTHY)
FROZEN = Observation(Outcome.RAN, verdict=Verdict.DEADLOCK, phase="train", culprit="take_both", stack="a:f < b:g")
SKIPPED = Observation(Outcome.SKIPPED, "no CUDA device")

Observe = Callable[[Trial], "Observation | bool | None"]
"""The outcome of a trial: whether it froze, or an observation; None if it is still to be run."""
Swept = Callable[..., Analysis]


@pytest.fixture
def swept() -> Swept:
    """``swept(factors, observe, where=…, seeds=…, repeats=…)``: the analysis of a design with planted outcomes."""

    def make(
        factors: Mapping[str, Sequence[Level]],
        observe: Observe,
        where: Callable[[Mapping[str, Level]], bool] = lambda levels: True,
        seeds: Iterable[int] = (0,),
        repeats: int = 1,
        design: str = "full",
    ) -> Analysis:
        combinations = (dict(zip(factors, levels, strict=True)) for levels in itertools.product(*factors.values()))
        cells = tuple(
            Cell(levels, _versions(levels), (), " ".join(f"{name}={level}" for name, level in levels.items()))
            for levels in combinations
            if where(levels)
        )
        run = RunSettings(repeats=repeats, seeds=tuple(seeds), design=design)
        plan = Plan("planted", {name: tuple(levels) for name, levels in factors.items()}, cells, run)
        found = {trial.id: observe(trial) for trial in plan.trials}
        return analyse(
            plan,
            {
                trial: item if isinstance(item, Observation) else FROZEN if item else HEALTHY
                for trial, item in found.items()
                if item is not None
            },
        )

    return make


def _versions(levels: Mapping[str, Level]) -> VersionSet:
    """A library set of its own for each level: cells of the same libraries are the same."""
    name = str(levels.get("versions", "a"))
    return VersionSet(name, (f"tiny=={name}",), "3.11")
