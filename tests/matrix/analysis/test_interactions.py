from __future__ import annotations

import random

from matrix.analysis.analysis import Analysis
from matrix.analysis.interactions import Combination
from matrix.plan.cells import Trial
from tests.matrix.analysis.conftest import Swept

EIGHT = {f"f{number}": ("a", "b") for number in range(6)}


def strongest(analysis: Analysis) -> Combination:
    found = [(item.interaction.low, n, item) for n, pair in enumerate(analysis.factor_pairs)
             if (item := pair.strongest) is not None and item.interaction is not None]  # fmt: skip
    return max(found)[2]


def test_a_failure_that_needs_two_levels_is_told_as_such(swept: Swept) -> None:
    analysis = swept(EIGHT, lambda t: (t.cell.levels["f1"], t.cell.levels["f4"]) == ("b", "a"))
    best = strongest(analysis)
    assert {best.first, best.second} == {("f1", "b"), ("f4", "a")}
    assert best.needs_both
    assert best.is_clear
    assert (best.both.hits, best.both.trials) == (16, 16)


def test_it_is_found_too_when_it_strikes_only_now_and_then(swept: Swept) -> None:
    chance = random.Random(4)  # noqa: S311

    def observe(trial: Trial) -> bool:
        levels = trial.cell.levels
        both = (levels["f1"], levels["f4"]) == ("b", "a")
        return chance.random() < (0.5 if both else 0.02)

    best = strongest(swept(EIGHT, observe, repeats=3))
    assert {best.first, best.second} == {("f1", "b"), ("f4", "a")}
    assert best.is_clear
    assert not best.needs_both


def test_a_failure_that_one_level_causes_needs_no_second(swept: Swept) -> None:
    analysis = swept(EIGHT, lambda t: t.cell.levels["f1"] == "b")
    assert not any(item.needs_both for pair in analysis.factor_pairs for item in pair.combinations)
    assert not any(item.is_clear for pair in analysis.factor_pairs for item in pair.combinations)


def test_chance_alone_seldom_looks_like_an_interaction(swept: Swept) -> None:
    chance = random.Random(0)  # noqa: S311
    clear = 0
    for _ in range(10):
        analysis = swept(EIGHT, lambda t: chance.random() < 0.3)
        clear += any(item.is_clear for pair in analysis.factor_pairs for item in pair.combinations)
    assert clear <= 1


def test_levels_that_never_met_have_no_interaction(swept: Swept) -> None:
    factors = {"x": ("a", "b"), "y": ("c", "d")}
    analysis = swept(factors, lambda t: True, where=lambda levels: levels != {"x": "b", "y": "d"})
    [pair] = analysis.factor_pairs
    assert len(pair.combinations) == 3
    assert all(item.interaction is None for item in pair.combinations)
    assert pair.strongest is None
