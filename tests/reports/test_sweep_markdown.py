"""A sweep's report says what the observations say, whatever the factors are called."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matrix.analysis.analysis import Analysis
from matrix.plan.claims import Claim
from reports.sweep import markdown as sweep_markdown
from tests.reports.conftest import failed, healthy, slow

Sweep = Callable[..., tuple[Analysis, Path]]
FACTORS = {"env": ("sea", "hill", "moor"), "adapter": ("off", "on"), "device": ("cpu", "cuda")}


def as_measured(levels: dict[str, Any], step: int = 2048) -> Any:
    if levels["device"] == "cuda":
        return "no CUDA device"
    return failed(step) if levels["adapter"] == "on" else slow(step)


def conclusion(text: str) -> str:
    return text.partition("## What was run")[0].partition("\n\n")[2].strip()


def first_paragraph(text: str) -> str:
    return conclusion(text).split("\n\n")[0]


def test_the_first_paragraph_tells_what_the_freeze_is(sweep: Sweep) -> None:
    text = first_paragraph(sweep_markdown.render(*sweep(FACTORS, as_measured)))
    assert "`slow-phase`: nothing hangs. At step 2048, and again at every multiple of it" in text
    assert "the step count stands still while `train` works" in text
    assert "`_process_sequence` of `sb3_contrib`" in text
    assert "a rollout takes 2.00 s, the update after it 16.0 s (medians), 8.0 times as long" in text
    assert "In all 3 cells that ran with `adapter=off`, and only in those" in text
    assert "`env` is not the cause: cells that differ only in `env` (3 pairs) end alike" in text


def test_what_ends_the_other_cells_is_told_too(sweep: Sweep) -> None:
    text = conclusion(sweep_markdown.render(*sweep(FACTORS, as_measured)))
    assert "by an `exception` in the first `train`, at step 2048" in text
    assert "RuntimeError: Expected hidden[0] size (1, 64, 256), got [1, 1, 256]" in text
    assert (
        "Inside the training, `adapter=on` changes `recurrent_modules.lstm_actor.batch_first` from `False` to `True`."
        in text
    )
    assert "6 cells did not run: skipped: no CUDA device" in text


@pytest.mark.parametrize("step", [1536, 512])
def test_the_report_follows_the_step(sweep: Sweep, step: int) -> None:
    text = conclusion(sweep_markdown.render(*sweep(FACTORS, lambda levels: as_measured(levels, step))))
    assert f"At step {step}, and again at every multiple of it" in text
    assert "2048" not in text


def test_the_report_follows_the_factor_that_matters(sweep: Sweep) -> None:
    factors = {"env": ("sea", "hill"), "adapter": ("off", "on")}
    text = conclusion(
        sweep_markdown.render(*sweep(factors, lambda levels: slow() if levels["env"] == "hill" else healthy()))
    )
    assert "In all 2 cells that ran with `env=hill`, and only in those" in text
    assert "`adapter` is not the cause" in text


def test_an_interaction_of_two_factors_is_named(sweep: Sweep) -> None:
    factors = {"env": ("sea", "hill"), "adapter": ("off", "on")}
    text = conclusion(
        sweep_markdown.render(
            *sweep(factors, lambda level: slow() if (level["env"], level["adapter"]) == ("hill", "on") else healthy())
        )
    )
    assert "with `env=hill` and `adapter=on`" in text


def test_a_healthy_sweep_claims_no_freeze(sweep: Sweep) -> None:
    text = conclusion(sweep_markdown.render(*sweep({"env": ("sea", "hill")}, lambda levels: healthy())))
    assert text == "**All 2 cells that ran are healthy: no freeze was reproduced.**"


def test_a_sweep_that_could_not_run_says_so(sweep: Sweep) -> None:
    text = conclusion(sweep_markdown.render(*sweep({"env": ("sea",)}, lambda levels: "no CUDA device")))
    assert "nothing can be said" in text


def test_what_a_level_really_changes_is_shown(sweep: Sweep) -> None:
    text = sweep_markdown.render(*sweep(FACTORS, as_measured))
    assert "| `recurrent_modules.lstm_actor.batch_first` | `False` | `True` |" in text


def test_extra_cells_are_told_apart_from_the_design(sweep: Sweep) -> None:
    extras = [({"env": "sea", "adapter": "off", "device": "cpu", "policy": "Mlp"}, "a control")]

    def outcomes(levels: dict[str, Any]) -> Any:
        return healthy() if "policy" in levels else as_measured(levels)

    text = sweep_markdown.render(*sweep(FACTORS, outcomes, extras))
    assert "The extra cell `env=sea adapter=off policy=Mlp` ends as `healthy`" in conclusion(text)
    assert "In all 3 cells that ran with `adapter=off`, and only in those" in conclusion(text)
    assert "a control" in text


def test_claims_are_answered_with_their_cells(sweep: Sweep) -> None:
    claims = (
        Claim("the *environment* is to blame", "differs", "env"),
        Claim("the adapter makes no difference", "same", "adapter"),
        Claim("it needs a GPU", None, needs="a GPU"),
    )
    text = sweep_markdown.render(*sweep(FACTORS, as_measured, (), claims))
    table = text.partition("## Claims, put to the test")[2]
    assert r"| the \*environment\* is to blame | **refuted** |" in table
    assert "| the adapter makes no difference | **refuted** |" in table
    assert "| it needs a GPU | **not testable here** |" in table


def test_the_report_shows_how_to_run_a_cell_by_hand(sweep: Sweep) -> None:
    text = sweep_markdown.render(*sweep(FACTORS, as_measured))
    assert "freezelab run -- python train.py --env '<b>x</b>'" in text.partition("by hand")[2]


def test_a_report_can_be_made_when_the_runs_are_gone(sweep: Sweep) -> None:
    analysis, folder = sweep(FACTORS, as_measured)
    shutil.rmtree(folder / "cells")
    text = sweep_markdown.render(analysis, folder)
    assert "`slow-phase`" in conclusion(text)
    assert "no evidence can be shown" in text


def test_each_finding_says_how_to_see_all_of_its_best_run(sweep: Sweep) -> None:
    analysis, folder = sweep(FACTORS, as_measured)
    text = sweep_markdown.render(analysis, folder)
    told = re.findall(r"`freezelab report (cells/\w+) --format html`, from this folder", text)
    assert len(told) == 2
    assert all((folder / name / "diagnosis.json").exists() for name in told)
