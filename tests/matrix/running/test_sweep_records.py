"""What a sweep gives to its trials, what it keeps of them, and which it runs first."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from matrix.plan.plan import Plan
from matrix.results.store import read_records
from matrix.running import devices
from matrix.running.live_file import LIVE_FILE
from matrix.running.sweep import SweepResult, run_sweep
from matrix.running.view import SilentView
from probes.diagnosis import Diagnosis, Timing
from probes.verdicts import Verdict
from probes.watch import Status, WatchOptions

PlanOf = Callable[[str], Plan]


@pytest.fixture
def sweep(tmp_path: Path, ready_environments: Any, runner: Any) -> Callable[..., SweepResult]:
    def run(plan: Plan, **options: Any) -> SweepResult:
        usual = {"runner": runner, "environments": ready_environments(), "view": SilentView()}
        return run_sweep(plan, tmp_path / "out", **{**usual, **options})

    return run


def test_a_cell_for_any_gpu_is_given_one(
    plan_of: PlanOf,
    sweep_text: str,
    sweep: Callable[..., SweepResult],
    runner: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "gpus", lambda *_: ("4", "6"))
    text = sweep_text.replace('env = ["dummy", "v3"]', 'device = ["cpu", "cuda", "cuda:1"]')
    sweep(plan_of(text))
    given = {
        (command[command.index("--device") + 1], options.env.get("CUDA_VISIBLE_DEVICES"))
        for command, options in zip(runner.commands, runner.options, strict=True)
    }
    assert {gpu for device, gpu in given if device == "cuda"} <= {"4", "6"}
    assert {gpu for device, gpu in given if device != "cuda"} == {None}
    stored = {record.observation.gpu for record in read_records(tmp_path / "out" / "sweep.sqlite")}
    assert stored - {None} == {gpu for _, gpu in given} - {None}


def test_the_machine_is_kept_with_each_trial(
    plan: Plan, sweep: Callable[..., SweepResult], runner: Any, tmp_path: Path
) -> None:
    def telling(command: Sequence[str], options: WatchOptions) -> Diagnosis:
        assert options.on_status is not None
        for rss_bytes in (1000, 5000, 3000):
            options.on_status(Status(1.0, 64, "train", "now", rss_bytes=rss_bytes))
        diagnosis: Diagnosis = runner(command, options)
        return diagnosis

    sweep(plan, runner=telling)
    for record in read_records(tmp_path / "out" / "sweep.sqlite"):
        found = record.observation
        assert found.peak_rss_bytes == 5000
        assert found.host
        assert found.beside is not None
        assert found.load_before is not None


def test_where_the_evidence_lies_is_kept(plan: Plan, sweep: Callable[..., SweepResult], tmp_path: Path) -> None:
    def leaving(command: Sequence[str], options: WatchOptions) -> Diagnosis:
        return Diagnosis(Verdict.HEALTHY, 1.0, "", (), Timing(0.1), artifacts={"stacks": "stacks"})

    sweep(plan, runner=leaving)
    for record in read_records(tmp_path / "out" / "sweep.sqlite"):
        assert record.observation.artifacts == {"stacks": f"cells/{record.id}/stacks"}


def test_cells_that_failed_are_first_when_all_is_run_afresh(
    plan: Plan, sweep: Callable[..., SweepResult], runner: Any
) -> None:
    def partly(command: Sequence[str], options: WatchOptions) -> Diagnosis:
        failed = command[command.index("--adapter") + 1] == "on"
        runner.commands.append(list(command))
        time.sleep(0.2)  # both environments are ready by then
        return Diagnosis(Verdict.SPIN if failed else Verdict.HEALTHY, 1.0, "", (), Timing(0.1))

    for _ in range(2):
        runner.commands.clear()
        sweep(plan, jobs=1, fresh=True, runner=partly)
    assert [command[command.index("--adapter") + 1] for command in runner.commands] == ["on"] * 4 + ["off"] * 4


def test_what_ended_in_the_moment_of_a_kill_is_not_run_again(
    plan: Plan, sweep: Callable[..., SweepResult], runner: Any, tmp_path: Path
) -> None:
    sweep(plan, jobs=1)
    out = tmp_path / "out"
    diagnosis = Diagnosis(Verdict.SPIN, 1.0, "spins", (), Timing(3.0))
    folder = out / "cells" / plan.trials[5].id
    folder.mkdir(parents=True)
    (folder / "diagnosis.json").write_text(json.dumps(diagnosis.to_json()))
    with closing(sqlite3.connect(out / "sweep.sqlite")) as connection, connection:
        connection.execute("DELETE FROM trials WHERE id IN (?, ?)", (plan.trials[5].id, plan.trials[6].id))
    result = sweep(plan)
    assert len(runner.commands) == 8 + 1
    assert result.analysis.headlines["spin"] == 1
    assert result.analysis.missing == 0


def test_a_store_that_somebody_removed_is_begun_anew(
    plan: Plan, sweep: Callable[..., SweepResult], runner: Any, tmp_path: Path
) -> None:
    sweep(plan)
    folder = tmp_path / "out" / "cells" / plan.trials[5].id
    folder.mkdir(parents=True, exist_ok=True)
    diagnosis = Diagnosis(Verdict.SPIN, 1.0, "spins", (), Timing(3.0))
    (folder / "diagnosis.json").write_text(json.dumps(diagnosis.to_json()))
    for path in (tmp_path / "out").glob("sweep.sqlite*"):
        path.unlink()
    assert "spin" not in sweep(plan).analysis.headlines
    assert len(runner.commands) == 16


def test_nothing_is_said_to_run_once_a_sweep_has_ended(
    plan: Plan, sweep: Callable[..., SweepResult], tmp_path: Path
) -> None:
    sweep(plan)
    assert not (tmp_path / "out" / LIVE_FILE).exists()
