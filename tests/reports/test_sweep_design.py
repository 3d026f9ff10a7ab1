"""What was run is told as the design chose it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from matrix.analysis.analysis import Analysis
from matrix.designs import DESIGN_NAMES
from reports.sweep import design as sweep_design
from tests.reports.conftest import healthy

Sweep = Callable[..., tuple[Analysis, Path]]


def told(analysis: Analysis, **run: object) -> str:
    plan = dataclasses.replace(analysis.plan, run=dataclasses.replace(analysis.plan.run, **run))  # type: ignore[arg-type]
    return "\n".join(sweep_design.what_was_run(dataclasses.replace(analysis, plan=plan)))


@pytest.mark.parametrize("name", DESIGN_NAMES)
def test_every_design_is_explained(sweep: Sweep, name: str) -> None:
    analysis, _ = sweep({"env": ("sea", "hill")}, lambda levels: healthy())
    assert "chosen by the design" not in told(analysis, design=name)


def test_the_strength_of_a_covering_array_is_told(sweep: Sweep) -> None:
    analysis, _ = sweep({"env": ("sea", "hill")}, lambda levels: healthy())
    assert "any 3 levels of different factors meet" in told(analysis, design="covering", strength=3)
    assert "any 2 levels of different factors meet" in told(analysis, design="pairwise", strength=3)


def test_seeds_and_repeats_are_told(sweep: Sweep) -> None:
    analysis, _ = sweep({"env": ("sea", "hill")}, lambda levels: healthy())
    assert "each with 2 seeds and 3 repeats" in told(analysis, seeds=(0, 1), repeats=3)


def test_constraints_are_shown_as_they_were_written(sweep: Sweep) -> None:
    analysis, _ = sweep({"env": ("sea", "hill")}, lambda levels: healthy())
    constrained = dataclasses.replace(analysis.plan, constraints=("env == 'hill' implies adapter == 'on'",))
    text = "\n".join(sweep_design.what_was_run(dataclasses.replace(analysis, plan=constrained)))
    assert "- `env == 'hill' implies adapter == 'on'`" in text
