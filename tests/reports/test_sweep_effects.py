"""The tables of a sweep's report say how much is known, and what is not."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from matrix.analysis.analysis import Analysis, analyse
from matrix.plan.cells import Cell, Trial, VersionSet
from matrix.plan.plan import Plan, RunSettings
from matrix.results.observation import Observation, Outcome
from probes.verdicts import Verdict
from reports import terminal
from reports.sweep import markdown as sweep_markdown

HEALTHY = Observation(Outcome.RAN, verdict=Verdict.HEALTHY)
FROZEN = Observation(
    Outcome.RAN, verdict=Verdict.DEADLOCK, phase="train", step=2048, culprit="take_both", stack="a:take_both < b:step",
    folder="cells/x",
)  # fmt: skip
SKIPPED = Observation(Outcome.SKIPPED, "no CUDA device")
FACTORS = {"env": ("sea", "hill"), "adapter": ("off", "on"), "envs": (1, 4)}

Rendered = Callable[..., tuple[str, Analysis]]


@pytest.fixture
def rendered(tmp_path: Path) -> Rendered:
    """``rendered(factors, observe, where=…, seeds=…, repeats=…)``: report and analysis of planted outcomes."""

    def make(
        factors: Mapping[str, Sequence[str | int]],
        observe: Callable[[Trial], Observation],
        where: Callable[[Mapping[str, object]], bool] = lambda levels: True,
        seeds: Sequence[int] = (0,),
        repeats: int = 1,
    ) -> tuple[str, Analysis]:
        combinations = (dict(zip(factors, levels, strict=True)) for levels in itertools.product(*factors.values()))
        cells = tuple(
            Cell(levels, VersionSet("a", ("tiny",), "3.11"), (), " ".join(f"{n}={v}" for n, v in levels.items()))
            for levels in combinations
            if where(levels)
        )
        run = RunSettings(repeats=repeats, seeds=tuple(seeds))
        plan = Plan("planted", {name: tuple(levels) for name, levels in factors.items()}, cells, run)
        analysis = analyse(plan, {trial.id: observe(trial) for trial in plan.trials})
        return sweep_markdown.render(analysis, tmp_path), analysis

    return make


def frozen_if(**levels: object) -> Callable[[Trial], Observation]:
    return lambda trial: FROZEN if all(trial.cell.levels[n] == v for n, v in levels.items()) else HEALTHY


def section(text: str, title: str) -> str:
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_each_level_has_its_share_and_the_range_it_likely_lies_in(rendered: Rendered) -> None:
    text, _ = rendered(FACTORS, frozen_if(adapter="on"))
    assert "| `on` | 4 | 4 | 100 % | 56 and 100 % | +100 points (37 to 100) |" in text
    assert "| `off` | 4 | 0 | 0 % | 0 and 44 % | −100 points (−100 to −37) |" in text


def test_the_strongest_factor_comes_first(rendered: Rendered) -> None:
    text, _ = rendered(FACTORS, frozen_if(adapter="on"))
    effects = section(text, "What each factor does")
    assert effects.index("### `adapter`") < effects.index("### `env`")


def test_p_values_say_how_many_tests_they_stand_among(rendered: Rendered) -> None:
    effects = section(rendered(FACTORS, frozen_if(adapter="on"))[0], "What each factor does")
    assert "allows for 3 factors being tested (Holm)" in effects
    assert "Fisher's exact test: p = 0.029, adjusted 0.086." in effects


def test_a_failure_that_needs_two_levels_is_said_to(rendered: Rendered) -> None:
    text, _ = rendered(FACTORS, frozen_if(adapter="on", envs=4), seeds=range(4))
    assert "| `adapter=on` and `envs=4` | 8 of 8 | 0 of 8 | 0 of 8 | 0 of 8 |" in text
    assert "**needs both**, clear" in text
    assert "In all 8 runs with `adapter=on` and `envs=4`, and only in those," in text


def test_a_regression_that_means_nothing_is_not_shown_and_the_reason_is(rendered: Rendered) -> None:
    text, _ = rendered(FACTORS, frozen_if(adapter="on"))
    assert "was not fitted, because some levels, or a sum of them, tell the runs that count from the others" in text


def test_without_a_failure_nothing_is_compared_and_what_could_have_been_missed_is_told(rendered: Rendered) -> None:
    text, _ = rendered(FACTORS, lambda trial: HEALTHY)
    assert "No run failed, so no level shows more of it than another." in text
    assert "one that strikes up to 26 % of runs like these could well have been missed" in text
    assert "Two factors together" not in text


def test_levels_that_changed_together_are_named_beside_their_effect_and_in_the_conclusion(rendered: Rendered) -> None:
    text, analysis = rendered(
        FACTORS, frozen_if(adapter="on"), where=lambda at: (at["adapter"] == "on") == (at["env"] == "sea")
    )
    said = (
        "`env` and `adapter` changed together (`env=sea` exactly with `adapter=on` and `env=hill` exactly with "
        "`adapter=off`): this sweep can't tell the two apart."
    )
    assert said in section(text, "What each factor does").partition("### `adapter`")[2]
    assert said in section(text, "What this sweep can't tell")
    assert (
        "are those with `adapter=on`: this sweep can't tell which of these it is." in text.partition("## What was")[0]
    )
    assert "mixed up  env and adapter" in terminal.sweep_summary(analysis)


def test_a_level_that_ran_only_with_another_is_told(rendered: Rendered) -> None:
    def observe(trial: Trial) -> Observation:
        levels = trial.cell.levels
        return SKIPPED if levels["adapter"] == "on" and levels["env"] == "hill" else HEALTHY

    limits = section(rendered(FACTORS, observe)[0], "What this sweep can't tell")
    assert "`adapter=on` ran only with `env=sea`: what it does with other levels of these is not known." in limits


def test_levels_that_did_not_run_are_told_with_the_reason(rendered: Rendered) -> None:
    factors = {**FACTORS, "device": ("cpu", "cuda")}
    text, _ = rendered(factors, lambda t: SKIPPED if t.cell.levels["device"] == "cuda" else HEALTHY)
    limits = section(text, "What this sweep can't tell")
    assert (
        "`device=cuda` did not run (skipped: no CUDA device): nothing is known of it, nor of `device` at all: only "
        "`device=cpu` ran."
    ) in limits


def test_flaky_cells_are_a_section_with_counts_and_folders(rendered: Rendered) -> None:
    def observe(trial: Trial) -> Observation:
        flaky = trial.cell.levels["env"] == "hill" and trial.cell.levels["adapter"] == "on" and trial.repeat == 1
        folder = f"cells/{trial.cell.levels['envs']}-{trial.repeat}"
        return dataclasses.replace(FROZEN if flaky else HEALTHY, folder=folder)

    text, analysis = rendered(FACTORS, observe, repeats=3)
    flaky = section(text, "Cells that do not always end alike")
    assert "2 cells of which runs with the same levels and the same seed end differently" in flaky
    assert f"1 × {FROZEN.signature}".replace("_", r"\_") + " (`cells/4-1`)" in flaky
    assert "2 × healthy (`cells/4-0`, `cells/4-2`)" in flaky
    assert "a single run of a cell proves little here" in section(text, "What this sweep can't tell")
    assert "2 cells ended differently when run again" in terminal.sweep_summary(analysis)


def test_the_same_verdict_at_two_places_is_two_findings_each_with_its_stack(rendered: Rendered) -> None:
    elsewhere = dataclasses.replace(FROZEN, stack="a:take_both < c:reset")
    text, analysis = rendered(FACTORS, lambda t: elsewhere if t.cell.levels["env"] == "sea" else FROZEN)
    findings = section(text, "Findings")
    assert len(analysis.findings) == 2
    assert "a:take_both\nb:step\n" in findings
    assert "a:take_both\nc:reset\n" in findings
    assert "How often at each level" in findings
    assert "failures  2 different ones" in terminal.sweep_summary(analysis)


def test_where_all_runs_fail_the_tables_count_one_way_to(rendered: Rendered) -> None:
    other = Observation(Outcome.RAN, verdict=Verdict.EXCEPTION, phase="train")
    text, _ = rendered(FACTORS, lambda t: FROZEN if t.cell.levels["env"] == "sea" else other)
    assert "All runs of the design failed, so what is counted here is how many of them ended as *deadlock" in text


def test_hangs_without_a_stored_stack_are_owned_up_to(rendered: Rendered) -> None:
    old = dataclasses.replace(FROZEN, stack=None)
    text, _ = rendered(FACTORS, lambda t: old if t.cell.levels["env"] == "sea" else FROZEN)
    assert "Of 4 of 8 runs that stood still no stack was stored" in text


def test_a_cell_with_several_runs_is_one_row_of_the_matrix(rendered: Rendered) -> None:
    text, _ = rendered({"env": ("sea",)}, lambda t: FROZEN if t.repeat else HEALTHY, repeats=3)
    assert "| `sea` | 3 | **deadlock** 2 ×, **healthy** 1 × | train | 2048 | `take_both` | — |" in text


def test_a_large_sweep_is_told_by_its_worst_cells(rendered: Rendered) -> None:
    factors = {"a": tuple(range(20)), "b": tuple(range(15))}
    text, _ = rendered(factors, frozen_if(a=19))
    matrix = section(text, "The matrix")
    assert "The 200 cells that failed most often, of 300" in matrix
    assert matrix.count("**deadlock**") == 15


def test_steps_that_differ_are_told_as_a_range(rendered: Rendered) -> None:
    text, _ = rendered({"env": ("sea", "hill")}, lambda t: dataclasses.replace(FROZEN, step=len(t.cell.label)))
    assert "**The freeze is a `deadlock` in `train` at steps 7 to 8.**" in text


def test_two_runs_that_end_alike_prove_nothing_where_others_do_not(rendered: Rendered) -> None:
    def observe(trial: Trial) -> Observation:
        return FROZEN if trial.cell.levels["adapter"] == "on" and trial.repeat == 0 else HEALTHY

    text, _ = rendered(FACTORS, observe, repeats=2)
    assert "is the cause" not in text
    steady, _ = rendered(FACTORS, frozen_if(adapter="on"), repeats=2)
    assert "Neither `env` nor `envs` is the cause" in steady


def test_company_that_goes_with_the_failures_is_told_beside_the_flaky_cells(rendered: Rendered) -> None:
    def observe(trial: Trial) -> Observation:
        number = int(str(trial.cell.levels["env"])[1:])
        return dataclasses.replace(FROZEN if trial.repeat else HEALTHY, beside=trial.repeat * 3 + number / 100)

    text, _ = rendered({"env": tuple(f"e{number}" for number in range(9))}, observe, repeats=2)
    flaky = section(text, "Cells that do not always end alike")
    assert (
        "The number of other trials beside it in the runs that failed was 3, in the others of the same cells" in flaky
    )


def test_two_levels_that_ran_exactly_where_others_did_are_said_to(rendered: Rendered) -> None:
    # Half of 2 × 2 × 2: the third factor follows from the other two.
    factors = {"a": (0, 1), "b": (0, 1), "c": (0, 1)}
    text, _ = rendered(
        factors, frozen_if(a=1, b=1), where=lambda at: (at["a"] != at["b"]) == (at["c"] == 1), repeats=8
    )  # fmt: skip
    effects = section(text, "What each factor does")
    assert "**needs both**, clear" in effects
    assert (
        "the runs with `a=1` and `b=1` are exactly those with `a=1` and `c=0` or with `b=1` and `c=0`: this sweep "
        "can't tell which of these it is."
    ) in effects


def test_runs_of_which_nothing_was_seen_until_their_time_was_up_are_not_passed_off_as_healthy(
    rendered: Rendered,
) -> None:
    def observe(trial: Trial) -> Observation:
        return dataclasses.replace(HEALTHY, wall_s=600.2 if trial.cell.levels["env"] == "sea" else 3.0)

    text, _ = rendered(FACTORS, observe)
    assert "**But of 4 of the 8 runs nothing could be seen**" in text.partition("## What was run")[0]
    seen = {"env.step": {"count": 1.0, "total_s": 1.0, "max_s": 1.0}}
    busy, _ = rendered(FACTORS, lambda trial: dataclasses.replace(observe(trial), phases=seen))
    assert "nothing could be seen" not in busy


def test_different_failures_that_are_counted_together_are_said_to_be(rendered: Rendered) -> None:
    other = dataclasses.replace(FROZEN, stack="a:take_both < c:reset")

    def observe(trial: Trial) -> Observation:
        levels = trial.cell.levels
        return HEALTHY if levels["env"] == "sea" else FROZEN if levels["adapter"] == "on" else other

    assert "2 different failures are counted together here" in rendered(FACTORS, observe)[0]
