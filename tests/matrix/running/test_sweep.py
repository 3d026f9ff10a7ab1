from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from matrix.environments.cache import BuildError, Unsatisfiable, UvEnvironments
from matrix.errors import MatrixError
from matrix.executors import usable_cores
from matrix.plan.cells import Trial
from matrix.plan.plan import Plan
from matrix.results.observation import Observation
from matrix.results.store import read_records
from matrix.running.progress import Progress
from matrix.running.sweep import SweepResult, run_sweep
from matrix.running.view import SilentView
from probes.agent.layout import FOLDER_VARIABLE
from probes.diagnosis import Diagnosis
from probes.watch import InterruptedRunError, Status, WatchOptions, watch

PlanOf = Callable[[str], Plan]
ROOT = Path(__file__).resolve().parents[3]


class Notes(SilentView):
    """Remembers what a person would have been told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.headlines: list[str] = []
        self.ended = False

    def note(self, text: str) -> None:
        self.notes.append(text)

    def finished(self, trial: Trial, observation: Observation) -> None:
        self.headlines.append(observation.headline)

    def end(self) -> None:
        self.ended = True


@pytest.fixture
def sweep(tmp_path: Path, ready_environments: Any, runner: Any) -> Callable[..., SweepResult]:
    """A sweep into one folder, with nothing real in it unless asked for."""

    def run(plan: Plan, **options: Any) -> SweepResult:
        usual = {"runner": runner, "environments": ready_environments(), "view": SilentView()}
        return run_sweep(plan, tmp_path / "out", **{**usual, **options})

    return run


def test_every_trial_is_run_and_stored(plan: Plan, sweep: Callable[..., SweepResult], tmp_path: Path) -> None:
    result = sweep(plan)
    assert result.analysis.headlines == {"slow-phase": 4, "exception": 4}
    assert result.analysis.missing == 0
    assert not result.interrupted
    assert {record.id for record in read_records(tmp_path / "out" / "sweep.sqlite")} == {t.id for t in plan.trials}


def test_a_cell_runs_the_program_in_its_environment_with_its_levels(
    plan: Plan, sweep: Callable[..., SweepResult], runner: Any, tmp_path: Path
) -> None:
    sweep(plan, program=tmp_path)
    command = next(command for command in runner.commands if command[command.index("--env") + 1] == "v3")
    assert command[:2] == [sys.executable, str(tmp_path)]
    assert command[-4:] == ["--seed", "0", "--threads", "1"]


def test_a_cell_gets_cores_and_as_many_threads(
    plan: Plan, sweep: Callable[..., SweepResult], runner: Any, tmp_path: Path
) -> None:
    sweep(plan)
    for options in runner.options:
        assert options.cpus is not None
        assert options.cpus <= set(usable_cores())
        assert len(options.cpus) == 1
        assert options.env["OMP_NUM_THREADS"] == options.env["MKL_NUM_THREADS"] == "1"
        assert options.limit_s == 600.0
    assert {options.out for options in runner.options} == {tmp_path / "out" / "cells" / t.id for t in plan.trials}


def test_what_ran_is_not_run_again(plan: Plan, sweep: Callable[..., SweepResult], runner: Any) -> None:
    sweep(plan)
    again = sweep(plan)
    assert len(runner.commands) == len(plan.trials)
    assert again.analysis.missing == 0


def test_a_changed_plan_runs_only_what_is_new(
    plan_of: PlanOf, sweep_text: str, sweep: Callable[..., SweepResult], runner: Any
) -> None:
    sweep(plan_of(sweep_text))
    more = sweep(plan_of(sweep_text.replace('["dummy", "v3"]', '["dummy", "v3", "original"]')))
    assert len(runner.commands) == 8 + 4
    assert len(more.analysis.results) == 12
    sweep(plan_of(sweep_text + "[training]\ngamma = 0.5\n"))
    assert len(runner.commands) == 12 + 8


def test_fresh_runs_everything_again_and_removes_only_what_a_sweep_left(
    plan: Plan, sweep: Callable[..., SweepResult], runner: Any, tmp_path: Path
) -> None:
    sweep(plan)
    out = tmp_path / "out"
    (out / "notes.txt").write_text("mine")
    (out / "cells" / "old").mkdir(parents=True)
    sweep(plan, fresh=True)
    assert len(runner.commands) == 16
    assert (out / "notes.txt").read_text() == "mine"
    assert not (out / "cells" / "old").exists()


def test_cuda_cells_are_skipped_before_their_environment_is_built(
    plan_of: PlanOf,
    sweep_text: str,
    sweep: Callable[..., SweepResult],
    ready_environments: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    environments = ready_environments()
    plan = plan_of(sweep_text.replace('adapter = ["off", "on"]', 'device = ["cuda"]'))
    result = sweep(plan, environments=environments)
    assert result.analysis.headlines == {"skipped: no CUDA device": 4}
    assert environments.asked == []


def test_libraries_that_cannot_be_had_are_a_result(
    plan: Plan, sweep: Callable[..., SweepResult], ready_environments: Any
) -> None:
    result = sweep(plan, environments=ready_environments({"new": Unsatisfiable("tiny 2.0 wants picky<1")}))
    assert result.analysis.headlines == {
        "unsatisfiable: tiny 2.0 wants picky<1": 4,
        "slow-phase": 2,
        "exception": 2,
    }


def test_a_build_that_failed_is_tried_again_next_time(
    plan: Plan, sweep: Callable[..., SweepResult], ready_environments: Any
) -> None:
    for error in (BuildError("no network"), OSError(28, "No space left on device")):
        result = sweep(plan, environments=ready_environments({"new": error}))
        assert sum(n for name, n in result.analysis.headlines.items() if name.startswith("failed-to-start")) == 4
    assert sweep(plan).analysis.headlines == {"slow-phase": 4, "exception": 4}


def test_a_trial_that_cannot_be_watched_does_not_end_the_sweep(plan: Plan, sweep: Callable[..., SweepResult]) -> None:
    def failing(command: Sequence[str], options: WatchOptions) -> Diagnosis:
        raise RuntimeError("no permission")

    assert sweep(plan, runner=failing).analysis.headlines == {"failed-to-start: RuntimeError: no permission": 8}


def test_cells_run_side_by_side(plan: Plan, sweep: Callable[..., SweepResult], runner: Any) -> None:
    together = threading.Barrier(min(2, len(usable_cores())))

    def meeting(command: Sequence[str], options: WatchOptions) -> Diagnosis:
        together.wait(20)
        diagnosis: Diagnosis = runner(command, options)
        return diagnosis

    assert sweep(plan, runner=meeting, jobs=2).analysis.headlines == {"slow-phase": 4, "exception": 4}


def test_more_jobs_than_cores_are_not_run_at_once_and_that_is_told(
    plan: Plan, sweep: Callable[..., SweepResult]
) -> None:
    view = Notes()
    sweep(plan, jobs=999, view=view)
    assert any("999 jobs asked for" in note for note in view.notes)


def test_the_probes_status_line_reaches_the_view(plan: Plan, sweep: Callable[..., SweepResult], runner: Any) -> None:
    class Looking(SilentView):
        def begin(self, progress: Progress) -> None:
            self.progress = progress

    view = Looking()
    seen: list[bool] = []

    def telling(command: Sequence[str], options: WatchOptions) -> Diagnosis:
        assert options.on_status is not None
        options.on_status(Status(1.0, 64, "train", f"now in {options.out.name}"))
        seen.append(f"now in {options.out.name}" in [running.line for running in view.progress.running])
        diagnosis: Diagnosis = runner(command, options)
        return diagnosis

    sweep(plan, runner=telling, view=view)
    assert seen == [True] * 8


def interrupting(times: int, runner: Any) -> tuple[Callable[..., Diagnosis], list[str]]:
    """A runner whose first trial presses Ctrl-C, and goes on until it ends by itself or is told to stop."""
    begun: list[str] = []
    lock = threading.Lock()

    def run(command: Sequence[str], options: WatchOptions) -> Diagnosis:
        with lock:
            begun.append(options.out.name)
            first = len(begun) == 1
        if first:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.1)
        deadline = time.monotonic() + (20 if times > 1 else 0.6)
        assert options.should_stop is not None
        while time.monotonic() < deadline:
            if options.should_stop():
                time.sleep(0.8)  # as a process tree takes its time to end
                raise InterruptedRunError
            time.sleep(0.02)
        diagnosis: Diagnosis = runner(command, options)
        return diagnosis

    return run, begun


def test_ctrl_c_once_lets_running_cells_finish_and_starts_no_more(
    plan: Plan, sweep: Callable[..., SweepResult], runner: Any
) -> None:
    view = Notes()
    run, begun = interrupting(1, runner)
    stopped = sweep(plan, runner=run, view=view)
    assert stopped.interrupted
    assert view.ended
    assert any("Ctrl-C again ends them now" in note for note in view.notes)
    assert len(begun) <= len(usable_cores())
    assert {result.trial.id for result in stopped.analysis.ran} == set(begun)
    finished = sweep(plan)
    assert finished.analysis.missing == 0
    assert len(runner.commands) == len(plan.trials)


def test_ctrl_c_twice_ends_running_cells_and_they_are_run_next_time(
    plan: Plan, sweep: Callable[..., SweepResult], runner: Any
) -> None:
    view = Notes()
    run, begun = interrupting(2, runner)
    started = time.monotonic()
    stopped = sweep(plan, runner=run, view=view)
    assert time.monotonic() - started < 10
    assert stopped.interrupted
    assert stopped.analysis.results == ()
    assert any("stopping now" in note for note in view.notes)
    assert begun
    assert sweep(plan).analysis.missing == 0


def test_ctrl_c_is_python_s_own_again_afterwards(plan: Plan, sweep: Callable[..., SweepResult]) -> None:
    before = signal.getsignal(signal.SIGINT)
    sweep(plan)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_view_that_breaks_ends_what_runs(plan: Plan, sweep: Callable[..., SweepResult]) -> None:
    stopped: list[bool] = []

    def waiting(command: Sequence[str], options: WatchOptions) -> Diagnosis:
        assert options.should_stop is not None
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not options.should_stop():
            time.sleep(0.02)
        stopped.append(options.should_stop())
        raise InterruptedRunError

    class Breaking(SilentView):
        def tick(self) -> None:
            raise ValueError("broken view")

    with pytest.raises(ValueError, match="broken view"):
        sweep(plan, runner=waiting, view=Breaking())
    assert all(stopped)


def test_a_sweep_that_was_killed_goes_on_where_it_stopped(
    plan: Plan, sweep: Callable[..., SweepResult], runner: Any, tmp_path: Path, sweep_text: str
) -> None:
    out = tmp_path / "out"
    plan.save(tmp_path / "given.json")
    script = tmp_path / "killed.py"
    script.write_text(
        "import sys, time\nfrom pathlib import Path\n"
        "from matrix.environments.cache import CellEnvironment, Lock\nfrom matrix.plan.plan import Plan\n"
        "from matrix.running.sweep import run_sweep\nfrom probes.diagnosis import Diagnosis, Timing\n"
        "from probes.verdicts import Verdict\n"
        "class Ready:\n"
        "    def provide(self, versions, known, should_stop):\n"
        "        return CellEnvironment(Path(sys.executable), Lock('3.11', 'tiny'))\n"
        "def quick(command, options):\n"
        "    time.sleep(0.2)\n"
        "    return Diagnosis(Verdict.HEALTHY, 1.0, 'fine', tuple(command), Timing(0.2))\n"
        "run_sweep(Plan.load(Path(sys.argv[1])), Path(sys.argv[2]), runner=quick, environments=Ready(), jobs=1)\n"
    )
    command = [sys.executable, str(script), str(tmp_path / "given.json"), str(out)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        while b"[3/8]" not in (line := process.stderr.readline()) and line:
            pass
    finally:
        process.kill()
        process.communicate()
    before = {record.id for record in read_records(out / "sweep.sqlite")}
    assert 3 <= len(before) < 8
    result = sweep(plan)
    assert result.analysis.missing == 0
    assert len(runner.commands) == 8 - len(before)


def test_cells_that_outlived_a_killed_sweep_are_ended_before_it_goes_on(
    plan: Plan, sweep: Callable[..., SweepResult], tmp_path: Path
) -> None:
    def start(folder: Path) -> subprocess.Popen[bytes]:
        # As the probes mark a run and all its children.
        return subprocess.Popen(["sleep", "60"], env={**os.environ, FOLDER_VARIABLE: str(folder)})

    left, other = start(tmp_path / "out" / "cells" / "abc" / "flight"), start(tmp_path / "else" / "flight")
    view = Notes()
    try:
        sweep(plan, view=view)
        assert left.wait(10) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()
    assert any(note.endswith("ended: 1") for note in view.notes)


def test_a_real_environment_runs_a_real_program(
    plan_of: PlanOf, uv_environments: UvEnvironments, tmp_path: Path, sweep: Callable[..., SweepResult]
) -> None:
    """uv, the probes and the store together, with a program that is quick."""
    program = tmp_path / "program"
    program.mkdir()
    (program / "__main__.py").write_text(
        "import sys, tiny\nif 'v3' in sys.argv:\n    raise RuntimeError('tiny ' + tiny.VERSION)\n"
    )
    plan = plan_of(
        '[factors]\nversions = ["old", "none"]\nenv = ["dummy", "v3"]\n'
        '[versions.old]\nrequirements = ["tiny==1.0"]\n[versions.none]\nrequirements = ["tiny==9.0"]\n'
    )
    result = sweep(plan, environments=uv_environments, program=program, runner=watch)
    outcomes = [result.observation.headline.partition(":")[0] for result in result.analysis.results]
    assert outcomes == ["healthy", "exception", "unsatisfiable", "unsatisfiable"]
    broken = result.analysis.results[1].observation
    assert broken.exception == "RuntimeError: tiny 1.0"
    assert broken.folder is not None
    assert (tmp_path / "out" / broken.folder / "diagnosis.json").exists()


def test_a_folder_that_cannot_be_written_is_named(plan: Plan, tmp_path: Path, ready_environments: Any) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/sweep")):
        with pytest.raises(MatrixError, match=r"can't be written to .*name another --out") as caught:
            run_sweep(plan, out, environments=ready_environments(), view=SilentView())
        assert str(out) in str(caught.value)


def test_two_sweeps_do_not_share_a_folder(plan: Plan, tmp_path: Path, sweep: Callable[..., SweepResult]) -> None:
    (tmp_path / "out").mkdir()
    with (
        FileLock(tmp_path / "out" / "sweep.lock"),
        pytest.raises(MatrixError, match="another sweep is running there"),
    ):
        sweep(plan)


def test_without_uv_nothing_is_started(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MatrixError, match="pip install uv"):
        run_sweep(plan, tmp_path / "out", view=SilentView())
    assert not (tmp_path / "out").exists()
