"""What an adaptive search concluded is in the report, with what it rests on and what else may be."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable, Mapping
from pathlib import Path

from matrix.analysis.analysis import Analysis, analyse_folder
from matrix.designs.adaptive import Adaptive
from matrix.plan.cells import Cell, Trial, VersionSet
from matrix.plan.parameters import Level
from matrix.plan.plan import Plan, RunSettings
from matrix.results.observation import Observation, Outcome
from matrix.results.store import Store
from probes.verdicts import Verdict
from reports import files, terminal
from reports.pictures.of_sweep import sweep_pictures
from reports.sweep import markdown as sweep_markdown

FACTORS: Mapping[str, tuple[Level, ...]] = {f"f{number}": ("a", "b") for number in range(4)}
HEALTHY = Observation(Outcome.RAN, verdict=Verdict.HEALTHY)
FROZEN = Observation(Outcome.RAN, verdict=Verdict.DEADLOCK, phase="train", culprit="take_both")


def searched(folder: Path, freezes: Callable[[Cell], bool], trials: int = 60) -> Analysis:
    """The analysis of a search that ran until it had its conclusion."""
    versions = VersionSet("a", ("tiny",), "3.11")
    rows = [dict(zip(FACTORS, levels, strict=True)) for levels in itertools.product(*FACTORS.values())]
    cells = [Cell(row, versions, (), " ".join(f"{n}={v}" for n, v in row.items())) for row in rows]
    plan = Plan("a search", FACTORS, tuple(cells), RunSettings(design="adaptive"))
    plan.save(folder / "plan.json")
    design, begun = Adaptive(FACTORS, rows), dict.fromkeys((cell.id for cell in cells), 0)
    with Store(folder / "sweep.sqlite") as store:
        for _ in range(trials):
            asked = design.ask()
            if asked is None:
                break
            cell, frozen = cells[asked], freezes(cells[asked])
            trial = Trial(cell, 0, begun[cell.id], plan.run.limit_s, plan.threads(cell))
            begun[cell.id] += 1
            design.tell(asked, frozen)
            store.add(trial, FROZEN if frozen else HEALTHY)
    return analyse_folder(folder)


def test_the_cause_that_was_found_is_told_with_its_probability_and_the_runs_it_took(tmp_path: Path) -> None:
    chance = random.Random(5)  # noqa: S311

    def freezes(cell: Cell) -> bool:
        return (cell.levels["f1"], cell.levels["f3"]) == ("b", "a") and chance.random() < 0.7

    analysis = searched(tmp_path, freezes)
    assert analysis.search is not None
    text = sweep_markdown.render(analysis, tmp_path)
    found = analysis.search
    said = f"concludes, after {found.trials} runs, of which {found.failed} failed: f1=b with f3=a raise"
    assert said in text.partition("## What was run")[0]
    section = text.partition("## What the adaptive search concluded")[2].partition("\n## ")[0]
    assert "The runner-up is" in section
    assert "| f1=b with f3=a | " in section
    assert said in terminal.sweep_summary(analysis)


def test_a_cell_may_be_run_more_often_than_any_plan_says(tmp_path: Path) -> None:
    analysis = searched(tmp_path, lambda cell: False)
    assert analysis.search is not None
    assert len(analysis.results) == analysis.search.trials > 16
    assert analysis.missing == 0


def test_that_nothing_matters_is_a_conclusion_too(tmp_path: Path) -> None:
    assert "no level and no two levels that were tried raise the probability of a failure" in sweep_markdown.render(
        searched(tmp_path, lambda cell: False), tmp_path
    )


def test_a_search_that_was_cut_short_has_no_conclusion(tmp_path: Path) -> None:
    text = sweep_markdown.render(searched(tmp_path, lambda cell: cell.levels["f1"] == "b", trials=3), tmp_path)
    assert "has no conclusion after 3 runs" in text
    assert "With a larger `max_trials` or `budget_s` the sweep goes on" in text


def test_cells_that_can_not_be_had_here_are_no_candidates(tmp_path: Path) -> None:
    analysis = searched(tmp_path, lambda cell: cell.levels["f1"] == "b")
    gone = next(r for r in analysis.results if r.trial.cell.levels["f1"] == "b").trial.cell.id
    skipped = tuple(
        dataclasses.replace(r, observation=Observation(Outcome.SKIPPED, "no")) if r.trial.cell.id == gone else r
        for r in analysis.results
    )
    found = dataclasses.replace(analysis, results=skipped).search
    assert found is not None
    assert found.trials == sum(r.ran for r in skipped)


def test_what_it_came_to_believe_is_drawn_and_referred_to(tmp_path: Path) -> None:
    analysis = searched(tmp_path, lambda cell: cell.levels["f2"] == "b")
    drawn = sweep_pictures(analysis).posterior
    assert drawn is not None
    assert "f2=b: " in drawn.says
    text = files.sweep_report(analysis, tmp_path).read_text(encoding="utf-8")
    section = text.partition("## What the adaptive search concluded")[2].partition("\n## ")[0]
    assert "](report-posterior.svg)" in section
