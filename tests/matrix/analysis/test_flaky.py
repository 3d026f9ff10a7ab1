from __future__ import annotations

import dataclasses

from matrix.analysis.flaky import Over
from matrix.plan.cells import Trial
from tests.matrix.analysis.conftest import FROZEN, HEALTHY, Swept

FACTORS = {"env": ("sea", "hill")}


def test_cells_that_always_end_alike_are_not_flaky(swept: Swept) -> None:
    assert swept(FACTORS, lambda t: t.cell.levels["env"] == "sea", seeds=(0, 1), repeats=2).flaky == ()


def test_repeats_of_a_seed_that_differ_are_told_with_their_counts_and_runs(swept: Swept) -> None:
    def observe(trial: Trial) -> bool:
        return trial.cell.levels["env"] == "hill" and (trial.seed, trial.repeat) == (1, 2)

    [found] = swept(FACTORS, observe, seeds=(0, 1), repeats=3).flaky
    assert (found.over, found.seed, found.cell.label) == (Over.REPEATS, 1, "env=hill")
    assert found.counts == {"healthy": 2, FROZEN.signature: 1}
    assert {result.trial.repeat for result in found.results if result.failed} == {2}
    assert {result.trial.seed for result in found.results} == {1}


def test_seeds_that_differ_are_told_apart_from_repeats_that_do(swept: Swept) -> None:
    [found] = swept({"env": ("sea",)}, lambda t: t.seed == 1, seeds=(0, 1), repeats=2).flaky
    assert (found.over, found.seed) == (Over.SEEDS, None)
    assert found.counts == {"healthy": 2, FROZEN.signature: 2}


def test_the_same_verdict_at_another_place_is_another_end(swept: Swept) -> None:
    elsewhere = dataclasses.replace(FROZEN, stack="a:other < b:g")
    [found] = swept({"env": ("sea",)}, lambda t: elsewhere if t.repeat else FROZEN, repeats=2).flaky
    assert len(found.counts) == 2


def test_a_run_that_never_started_says_nothing(swept: Swept) -> None:
    assert swept({"env": ("sea",)}, lambda t: None if t.repeat else HEALTHY, repeats=2).flaky == ()
