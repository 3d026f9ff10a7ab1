from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from matrix.environments.cache import CellEnvironment, Lock
from matrix.executors.interface import Allotment
from matrix.plan.cells import Cell, Trial
from matrix.plan.plan import Plan
from matrix.running.trial import PROGRAM, TrialTask
from probes.diagnosis import Diagnosis
from probes.verdicts import Verdict
from probes.watch import InterruptedRunError, WatchOptions, watch

LOCK = Lock("3.11", "tiny==1.0\n")
PRINTING = (
    "import os, sys\nprint(sys.argv[1:], [os.environ.get(name) for name in ('MINE', 'OMP_NUM_THREADS', 'LANG')])\n"
)


def task(trial: Trial, folder: Path, **more: Any) -> TrialTask:
    usual = TrialTask(
        trial,
        CellEnvironment(Path(sys.executable), LOCK),
        folder,
        folder / "sweep",
        frozenset({Verdict.DEADLOCK}),
        watch,
        on_start=lambda _: None,
        on_status=lambda _, status: None,
        may_start=lambda: True,
        should_stop=lambda: False,
    )
    return replace(usual, **more)


def of_cell(plan: Plan, **changes: Any) -> Trial:
    trial = plan.trials[0]
    return replace(trial, cell=replace(trial.cell, **changes))


def here() -> Allotment:
    return Allotment(frozenset(sorted(os.sched_getaffinity(0))[:1]))


@pytest.fixture
def printed(tmp_path: Path) -> Callable[[Trial], str]:
    """What a trial's program says, which prints its words and some variables."""
    (tmp_path / "__main__.py").write_text(PRINTING)
    (tmp_path / "mine.py").write_text(PRINTING)

    def run(trial: Trial) -> str:
        observation = task(trial, tmp_path)(here())
        assert observation.verdict is Verdict.HEALTHY
        assert observation.folder is not None
        return (tmp_path / "sweep" / observation.folder / "stdout.log").read_text()

    return run


def test_a_cells_variables_are_set_and_taken_away_over_the_sweeps_own(
    plan: Plan, printed: Callable[[Trial], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", "C")
    environ: Mapping[str, str | None] = {"MINE": "7", "OMP_NUM_THREADS": "3", "LANG": None}
    assert "['7', '3', None]" in printed(of_cell(plan, environ=environ))
    assert "[None, '1', 'C']" in printed(plan.trials[0])


def test_a_program_of_the_users_own_gets_its_words_and_no_others(
    plan: Plan, printed: Callable[[Trial], str], tmp_path: Path
) -> None:
    words = (str(tmp_path / "mine.py"), "--lr=0.1", "{{x}}", "{seed}")
    assert "['--lr=0.1', '{x}', '5']" in printed(replace(of_cell(plan, command=words), seed=5))


def test_what_travels_is_plain_data_and_names_the_program_that_is_over_there(plan: Plan, tmp_path: Path) -> None:
    ours = task(plan.trials[0], PROGRAM).order
    assert ours.program is None
    assert ours.lock == LOCK
    assert ours.stop_on == {Verdict.DEADLOCK}
    assert task(plan.trials[0], tmp_path).order.program == tmp_path
    there = pickle.loads(pickle.dumps(ours))  # noqa: S301
    assert there == ours
    assert there.trial.id == plan.trials[0].id
    assert b"lambda" not in pickle.dumps(ours)


@pytest.mark.parametrize(("device", "gpu"), [("cpu", None), ("cuda", "cuda"), ("cuda:1", "cuda:1"), ("mps", None)])
def test_an_order_says_which_gpu_it_needs(plan: Plan, tmp_path: Path, device: str, gpu: str | None) -> None:
    cell: Cell = plan.trials[0].cell
    trial = replace(plan.trials[0], cell=replace(cell, levels={**cell.levels, "device": device}))
    assert task(trial, tmp_path).order.gpu == gpu


def test_a_trial_whose_environment_is_elsewhere_can_be_ordered_and_not_run(plan: Plan, tmp_path: Path) -> None:
    elsewhere = task(plan.trials[0], tmp_path, environment=LOCK)
    assert elsewhere.order.lock == elsewhere.lock == LOCK
    with pytest.raises(TypeError, match="not here"):
        _ = elsewhere.command


def test_a_trial_that_may_not_start_leaves_what_is_there(plan: Plan, tmp_path: Path) -> None:
    def never(command: Sequence[str], options: WatchOptions) -> Diagnosis:
        raise AssertionError

    earlier = tmp_path / "sweep" / "cells" / plan.trials[0].id
    earlier.mkdir(parents=True)
    with pytest.raises(InterruptedRunError):
        task(plan.trials[0], tmp_path, runner=never, may_start=lambda: False)(here())
    assert earlier.exists()
