"""A sweep whose next trial depends on what came of those before."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from matrix.environments.cache import Unsatisfiable
from matrix.plan.plan import Plan
from matrix.results.store import read_records
from matrix.running.status import status_of
from matrix.running.sweep import SweepResult, run_sweep
from matrix.running.view import SilentView
from probes.diagnosis import Diagnosis, Timing
from probes.verdicts import Verdict
from probes.watch import WatchOptions

PlanOf = Callable[[str], Plan]
FACTORS = """
[factors]
versions = ["old", "new"]
env = ["dummy", "v3"]
adapter = ["off", "on"]
bars = [false, true]
clear_gpu_memory = [false, true]
[versions.old]
requirements = ["tiny==1.0"]
[versions.new]
requirements = ["tiny==2.0"]
[run]
design = "adaptive"
"""


class Planted:
    """Freezes where V3 meets the adapter."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def __call__(self, command: Sequence[str], options: WatchOptions) -> Diagnosis:
        self.ran.append(options.out.name)
        frozen = "v3" in command and "on" in command
        time.sleep(0.01)
        verdict = Verdict.DEADLOCK if frozen else Verdict.HEALTHY
        return Diagnosis(verdict, 1.0, "as planted", tuple(command), Timing(0.1))


class Notes(SilentView):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def runner() -> Planted:
    return Planted()


@pytest.fixture
def sweep(tmp_path: Path, ready_environments: Any, runner: Planted) -> Callable[..., SweepResult]:
    def run(plan: Plan, **options: Any) -> SweepResult:
        usual = {"runner": runner, "environments": ready_environments(), "view": SilentView()}
        return run_sweep(plan, tmp_path / "out", **{**usual, **options})

    return run


def test_it_ends_once_the_cause_is_known(
    plan_of: PlanOf, sweep: Callable[..., SweepResult], runner: Planted, tmp_path: Path
) -> None:
    view = Notes()
    plan = plan_of(FACTORS)
    sweep(plan, view=view)
    assert "env=v3 with adapter=on" in view.notes[-1]
    assert len(runner.ran) < 40
    assert len(set(runner.ran)) == len(runner.ran)
    status = status_of(tmp_path / "out")
    assert status.complete
    assert status.conclusion is not None
    assert (status.done, status.total) == (len(runner.ran), len(runner.ran))


def test_a_cell_that_is_tried_again_is_another_trial(
    plan_of: PlanOf, sweep: Callable[..., SweepResult], tmp_path: Path
) -> None:
    sweep(plan_of(FACTORS + "seeds = [3, 5]\n"))
    by_cell: dict[str, list[tuple[int, int]]] = {}
    for record in read_records(tmp_path / "out" / "sweep.sqlite"):
        by_cell.setdefault(record.cell, []).append((record.repeat, record.seed))
    rounds = [(repeat, seed) for repeat in range(20) for seed in (3, 5)]
    assert all(sorted(tried) == rounds[: len(tried)] for tried in by_cell.values())
    assert max(map(len, by_cell.values())) > 1


def test_a_sweep_that_was_stopped_goes_on_from_what_it_knows(
    plan_of: PlanOf, sweep: Callable[..., SweepResult], runner: Planted, tmp_path: Path
) -> None:
    sweep(plan_of(FACTORS + "max_trials = 5\n"))
    assert len(runner.ran) == 5
    assert status_of(tmp_path / "out").complete
    view = Notes()
    sweep(plan_of(FACTORS + "max_trials = 200\n"), view=view)
    assert "env=v3 with adapter=on" in view.notes[-1]
    assert len(set(runner.ran)) == len(runner.ran) < 45
    before = len(runner.ran)
    sweep(plan_of(FACTORS))
    assert len(runner.ran) == before


def test_the_budget_ends_it(plan_of: PlanOf, sweep: Callable[..., SweepResult], runner: Planted) -> None:
    sweep(plan_of(FACTORS + "budget_s = 0.05\n"))
    assert 1 <= len(runner.ran) <= 5


def test_what_cannot_be_had_is_left_out(
    plan_of: PlanOf, sweep: Callable[..., SweepResult], runner: Planted, ready_environments: Any
) -> None:
    view = Notes()
    result = sweep(plan_of(FACTORS), view=view, environments=ready_environments({"new": Unsatisfiable("no such")}))
    assert "env=v3 with adapter=on" in view.notes[-1]
    assert result.analysis.headlines["unsatisfiable: no such"] <= 4


def test_a_sweep_of_which_nothing_can_be_had_ends(
    plan_of: PlanOf, sweep: Callable[..., SweepResult], runner: Planted, ready_environments: Any
) -> None:
    sweep(plan_of(FACTORS), environments=ready_environments({n: Unsatisfiable("no") for n in ("old", "new")}))
    assert runner.ran == []


def test_what_ended_in_the_moment_of_a_kill_is_not_run_again(
    plan_of: PlanOf, sweep: Callable[..., SweepResult], runner: Planted, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    sweep(plan_of(FACTORS + "max_trials = 3\n"))
    (lost,) = runner.ran[-1:]
    with closing(sqlite3.connect(out / "sweep.sqlite")) as connection, connection:
        connection.execute("DELETE FROM trials WHERE id = ?", (lost,))
    folder = out / "cells" / lost
    folder.mkdir(parents=True)
    diagnosis = Diagnosis(Verdict.HEALTHY, 1.0, "as planted", (), Timing(0.1))
    (folder / "diagnosis.json").write_text(json.dumps(diagnosis.to_json()))
    sweep(plan_of(FACTORS + "max_trials = 6\n"))
    assert runner.ran.count(lost) == 1
    assert len(read_records(out / "sweep.sqlite")) == 6
