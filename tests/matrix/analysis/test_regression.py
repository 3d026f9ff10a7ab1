from __future__ import annotations

import random

import pytest

from matrix.plan.cells import Trial
from tests.matrix.analysis.conftest import Swept

FACTORS = {"env": ("sea", "hill"), "adapter": ("off", "on")}


def test_where_a_level_decides_without_exception_nothing_is_fitted(swept: Swept) -> None:
    found = swept(FACTORS, lambda t: t.cell.levels["adapter"] == "on", repeats=40).regression
    assert found.odds_ratios == ()
    assert "separation" in (found.why_not or "")


def test_levels_that_came_only_together_are_not_fitted(swept: Swept) -> None:
    chance = random.Random(1)  # noqa: S311
    found = swept(
        FACTORS,
        lambda t: chance.random() < 0.5,
        where=lambda at: (at["adapter"] == "on") == (at["env"] == "sea"),
        repeats=40,
    ).regression
    assert "ran only together" in (found.why_not or "")


def test_too_few_runs_are_not_fitted(swept: Swept) -> None:
    found = swept(FACTORS, lambda t: t.repeat == (t.cell.levels["env"] == "sea"), repeats=3).regression
    assert found.odds_ratios == ()
    assert found.why_not is not None
    assert "parameters need 30 runs" in found.why_not


@pytest.mark.parametrize("frozen", [True, False])
def test_where_all_runs_end_alike_nothing_is_fitted(swept: Swept, frozen: bool) -> None:
    assert swept(FACTORS, lambda t: frozen, repeats=40).regression.why_not == "all runs came to the same"


def test_the_odds_of_one_factor_are_those_of_its_table(swept: Swept) -> None:
    # One factor of two levels: the estimate is the table's own odds ratio, (30 / 20) / (20 / 30).
    def observe(trial: Trial) -> bool:
        return trial.repeat < (30 if trial.cell.levels["env"] == "hill" else 20)

    found = swept({"env": ("sea", "hill")}, observe, repeats=50).regression
    [odds] = found.odds_ratios
    assert (odds.factor, odds.level, odds.against) == ("env", "hill", "sea")
    assert odds.ratio == pytest.approx((30 / 20) / (20 / 30), rel=1e-3)
    assert odds.low < odds.ratio < odds.high


def test_a_factor_that_does_nothing_beside_one_that_does_has_odds_around_one(swept: Swept) -> None:
    chance = random.Random(3)  # noqa: S311
    found = swept(
        FACTORS, lambda t: chance.random() < (0.7 if t.cell.levels["adapter"] == "on" else 0.2), repeats=100
    ).regression
    odds = {item.factor: item for item in found.odds_ratios}
    assert odds["env"].low < 1 < odds["env"].high
    assert odds["adapter"].low > 2
