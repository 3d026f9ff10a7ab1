"""What a sweep says of itself to another shell."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from matrix.analysis.analysis import PLAN_FILE, STORE_FILE
from matrix.errors import MatrixError
from matrix.plan.plan import Plan
from matrix.results.observation import Observation, Outcome
from matrix.results.store import Store
from matrix.running.live_file import LIVE_FILE, LiveFile
from matrix.running.progress import Progress
from matrix.running.status import SweepStatus, status_of
from matrix.running.trial import CELLS_FOLDER
from probes.agent.layout import FOLDER_VARIABLE
from probes.verdicts import Verdict
from reports import status_text

SLOW = Observation(Outcome.RAN, verdict=Verdict.SLOW_PHASE, wall_s=30.0)


@pytest.fixture
def out(tmp_path: Path, plan: Plan) -> Path:
    """A sweep of eight, of which one has run and one can't."""
    plan.save(tmp_path / PLAN_FILE)
    with Store(tmp_path / STORE_FILE) as store:
        store.add(plan.trials[0], SLOW)
        store.add(plan.trials[1], Observation(Outcome.SKIPPED, "no CUDA device"))
    return tmp_path


def working(out: Path, plan: Plan) -> LiveFile:
    """What a sweep that is at work has written."""
    progress = Progress(8, 1, 2, [SLOW])
    progress.started(plan.trials[2])
    progress.status(plan.trials[2], "step 2048 · train · epoch 3/10", True, 2048, "train")
    live = LiveFile(out, progress)
    live.write()
    return live


def test_a_sweep_at_work_says_what_runs_and_how_long_it_takes(out: Path, plan: Plan) -> None:
    live = working(out, plan)
    status = status_of(out)
    assert (status.alive, status.complete, status.pid) == (True, False, os.getpid())
    assert (status.done, status.total) == (1, 8)
    assert status.outcomes == {"slow-phase": 1, "skipped: no CUDA device": 1}
    (cell,) = status.running
    assert (cell.label, cell.step, cell.phase, cell.suspicious) == (plan.trials[2].label, 2048, "train", True)
    assert status.left_s == pytest.approx(105, abs=2)
    text = status_text.text(status)
    for part in ("1 of 8, about 1 min 45 s left", "    1 x  slow-phase", "step 2048 · train · epoch 3/10"):
        assert part in text
    assert json.loads(json.dumps(status_text.to_json(status)))["running"][0]["phase"] == "train"
    live.remove()
    assert not status_of(out).alive


def test_a_sweep_that_was_killed_is_not_at_work(out: Path, plan: Plan) -> None:
    working(out, plan)
    said = json.loads((out / LIVE_FILE).read_text())
    # The number of the process is somebody else's by now.
    (out / LIVE_FILE).write_text(json.dumps({**said, "started_ticks": said["started_ticks"] - 1}))
    status = status_of(out)
    assert (status.alive, status.running, status.left_s) == (False, (), None)
    assert "not running" in status_text.text(status)


def test_a_sweep_on_another_machine_is_believed_as_long_as_it_writes(out: Path, plan: Plan) -> None:
    working(out, plan)
    said = {**json.loads((out / LIVE_FILE).read_text()), "host": "elsewhere"}
    (out / LIVE_FILE).write_text(json.dumps(said))
    assert status_of(out).alive
    (out / LIVE_FILE).write_text(json.dumps({**said, "updated_at": said["updated_at"] - 60}))
    assert not status_of(out).alive


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": "other"}'])
def test_a_file_that_says_nothing_is_as_good_as_none(out: Path, content: str) -> None:
    (out / LIVE_FILE).write_text(content)
    assert not status_of(out).alive


def test_processes_that_a_killed_sweep_left_are_counted(out: Path) -> None:
    mark = {FOLDER_VARIABLE: str(out / CELLS_FOLDER / "abc" / "flight")}
    with subprocess.Popen(["sleep", "60"], env={**os.environ, **mark}) as left:
        try:
            status = status_of(out)
            assert status.leftovers == 1
            assert "1 process of a sweep that was killed" in status_text.text(status)
            assert left.poll() is None
        finally:
            left.kill()


def test_a_sweep_of_which_all_has_run_is_complete(out: Path, plan: Plan) -> None:
    with Store(out / STORE_FILE) as store:
        for trial in plan.trials:
            store.add(trial, SLOW)
    status = status_of(out)
    assert status.complete
    assert status_text.text(status).splitlines()[0].endswith(": complete")


def test_a_folder_without_a_sweep_is_named(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match="name the folder of a sweep that was started"):
        status_of(tmp_path)


def test_an_open_total_is_not_told() -> None:
    status = SweepStatus("x", False, False, None, None, 3, None, {}, (), None, 0, None)
    assert "done      3\n" in status_text.text(replace(status, outcomes={"healthy": 3}))
