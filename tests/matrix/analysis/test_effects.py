from __future__ import annotations

import dataclasses

import pytest

from probes.verdicts import Verdict
from tests.matrix.analysis.conftest import FROZEN, HEALTHY, SKIPPED, Swept

FACTORS = {"env": ("sea", "hill", "moor"), "adapter": ("off", "on")}


def test_each_level_has_its_counts_and_its_difference_from_the_others(swept: Swept) -> None:
    analysis = swept(FACTORS, lambda trial: trial.cell.levels["env"] == "hill", repeats=2)
    effect = {effect.factor: effect for effect in analysis.factors}["env"]
    found = {item.level: (item.rate.hits, item.rate.trials) for item in effect.levels}
    assert found == {"sea": (0, 4), "hill": (4, 4), "moor": (0, 4)}
    differences = {item.level: item.difference.value for item in effect.levels if item.difference is not None}
    assert differences == pytest.approx({"sea": -0.5, "hill": 1.0, "moor": -0.5})
    assert effect.strength == 1.0


def test_a_factor_that_does_nothing_has_no_strength(swept: Swept) -> None:
    analysis = swept(FACTORS, lambda trial: trial.cell.levels["env"] == "hill")
    assert {effect.factor: effect.strength for effect in analysis.factors}["adapter"] == 0.0


def test_p_values_are_adjusted_for_the_number_of_factors(swept: Swept) -> None:
    analysis = swept(FACTORS, lambda trial: trial.cell.levels["adapter"] == "on")
    effect = {effect.factor: effect for effect in analysis.factors}["adapter"]
    assert effect.p_value == pytest.approx(0.1)
    assert effect.adjusted == pytest.approx(0.2)


def test_a_level_that_alone_ran_is_compared_with_nothing(swept: Swept) -> None:
    factors = {**FACTORS, "device": ("cpu", "cuda")}
    analysis = swept(factors, lambda trial: SKIPPED if trial.cell.levels["device"] == "cuda" else HEALTHY)
    effect = {effect.factor: effect for effect in analysis.factors}["device"]
    assert [(item.level, item.difference) for item in effect.levels] == [("cpu", None)]


def test_where_everything_fails_the_most_frequent_freeze_is_what_is_counted(swept: Swept) -> None:
    broken = dataclasses.replace(FROZEN, verdict=Verdict.EXCEPTION)
    analysis = swept(FACTORS, lambda trial: FROZEN if trial.cell.levels["env"] == "sea" else broken)
    assert analysis.target.says is not None
    assert analysis.target.says.startswith("deadlock")
    assert {effect.factor: effect.strength for effect in analysis.factors}["env"] == 1.0
