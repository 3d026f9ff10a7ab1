"""The factor ``remedy``: from the sweep's file to the run of a cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matrix.errors import MatrixError
from matrix.plan.plan import Plan
from matrix.running.sweep import run_sweep

PlanOf = Callable[[str], Plan]


def with_factor(sweep: str, levels: str) -> str:
    return sweep.replace("[factors]", f"[factors]\nremedy = {levels}")


def test_a_level_is_spelt_in_one_way_and_the_program_is_not_told(plan_of: PlanOf, sweep_text: str) -> None:
    plan = plan_of(with_factor(sweep_text, '["none", "fused-lstm", "threads=02,fused-lstm"]'))
    assert plan.factors["remedy"] == ("none", "fused-lstm", "threads=2,fused-lstm")
    assert len(plan.cells) == 24
    assert not any("remedy" in word or "fused" in word for cell in plan.cells for word in cell.arguments)
    assert plan.cells[0].label.startswith("remedy=none")


def test_a_cell_without_a_remedy_is_the_one_that_it_was(plan_of: PlanOf, sweep_text: str) -> None:
    before = {cell.id for cell in plan_of(sweep_text).cells}
    cells = plan_of(with_factor(sweep_text, '["none", "fused-lstm"]')).cells
    assert {cell.id for cell in cells if cell.levels["remedy"] == "none"} == before
    assert len({cell.id for cell in cells}) == len(cells)


@pytest.mark.parametrize(
    ("levels", "says"),
    [
        ('["none", "fused"]', "did you mean 'fused-lstm'"),
        ('["threads=0"]', "positive whole number"),
        ("[true]", "no remedy"),
        ('["fused-lstm,fused-lstm"]', "given twice"),
    ],
)
def test_a_level_that_cannot_be_applied_is_refused(levels: str, says: str, plan_of: PlanOf, sweep_text: str) -> None:
    with pytest.raises(MatrixError, match="remedy") as error:
        plan_of(with_factor(sweep_text, levels))
    assert says in str(error.value)


def test_a_claim_may_be_about_remedies(plan_of: PlanOf, sweep_text: str) -> None:
    claim = '[[claims]]\nsays = "It helps."\ntest = "differs"\nfactor = "remedy"\nwhere = {remedy = "fused-lstm"}\n'
    plan = plan_of(with_factor(sweep_text, '["none", "fused-lstm"]') + claim)
    assert plan.claims[0].factor == "remedy"


def test_a_trial_is_run_with_its_remedies(
    plan_of: PlanOf, sweep_text: str, runner: Any, ready_environments: Any, tmp_path: Path
) -> None:
    plan = plan_of(with_factor(sweep_text, '["none", "threads,fused-lstm"]'))
    run_sweep(plan, tmp_path / "sweep", runner=runner, environments=ready_environments())
    asked = sorted(" ".join(map(str, options.remedies)) for options in runner.options)
    assert asked == [""] * 8 + ["threads fused-lstm"] * 8
