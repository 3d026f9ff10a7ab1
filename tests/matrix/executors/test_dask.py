"""On a real cluster: worker processes on this machine, killed and stopped under load."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import distributed
import pytest

from freezelab import main
from matrix.environments.cache import CellEnvironment, Lock, UvEnvironments, default_cache
from matrix.environments.uv import Uv
from matrix.errors import MatrixError
from matrix.executors import LocalExecutor
from matrix.executors.cluster import ClusterAddress, connected, files_of
from matrix.executors.dask import WORKER_FILE, DaskExecutor
from matrix.executors.dispatch import Patience
from matrix.executors.fitness import survey, why_unfit
from matrix.executors.letters import OPEN, letter
from matrix.plan.cells import Trial
from matrix.plan.plan import Plan
from matrix.results.observation import Outcome
from matrix.results.store import read_records
from matrix.running.sweep import run_sweep
from matrix.running.trial import TrialTask
from matrix.running.view import SilentView
from probes.agent.layout import FOLDER_VARIABLE
from probes.watch import InterruptedRunError, watch

PlanOf = Callable[[str], Plan]
PROGRAM = """
import signal, sys, time
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
print("deaf" if signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []) else "starts", flush=True)
print(signal.getsignal(signal.SIGINT).__name__)
time.sleep(float(given.get("--gamma", 0)))
import tiny
if given["--env"] == "v3":
    raise RuntimeError("tiny " + tiny.VERSION)
"""
PATIENCE = Patience(attempts=9, silence_s=6.0, recall_s=5.0, nobody_s=30.0, beat_every_s=0.3)
WORKERS = 2
WITHIN_S = 150.0
"""On a machine that is busy with other things."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Iterator[distributed.Client]:
    """Two workers, which know the wheel folder and nothing else."""
    scratch = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
            patch.delenv(name)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TMPDIR", str(scratch))
        with connected(ClusterAddress.parse(f"local:{WORKERS}"), threads=1) as client:
            yield client
    deadline = time.monotonic() + 10
    while (left := processes_that_know(str(scratch))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def processes_that_know(text: str) -> list[int]:
    """Processes, other than this one and its parents, with ``text`` in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            helper = b"resource_tracker" in (folder / "cmdline").read_bytes()  # Python's own; ends with us
            if int(folder.name) != os.getpid() and not helper and text.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


@dataclass
class Bench:
    """Makes tasks of trials, and remembers what they tell."""

    sweep: Path
    program: Path
    wind_down: threading.Event = field(default_factory=threading.Event)
    stop_now: threading.Event = field(default_factory=threading.Event)
    started: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def task(self, trial: Trial) -> TrialTask:
        lock = Lock(f"{sys.version_info.major}.{sys.version_info.minor}", trial.cell.versions.requirements[0] + "\n")
        return TrialTask(
            trial,
            lock,
            self.program,
            self.sweep,
            frozenset(),
            watch,
            on_start=lambda trial: self.started.append(trial.id),
            on_status=lambda _, status: self.lines.append(status.line),
            may_start=lambda: not self.wind_down.is_set(),
            should_stop=self.stop_now.is_set,
        )

    def executor(self, client: distributed.Client, **options: Any) -> DaskExecutor:
        return DaskExecutor(client, **{"patience": PATIENCE, "on_note": self.notes.append, **options})


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    program = tmp_path / "program"
    program.mkdir()
    (program / "__main__.py").write_text(PROGRAM)
    return Bench(tmp_path / "sweep", program)


def trials(plan_of: PlanOf, number: int = 1, sleep_s: float = 0.0, factor: str = "") -> tuple[Trial, ...]:
    return plan_of(
        f"[factors]\nversions = ['old']\nenv = ['dummy']\n{factor}\n[training]\ngamma = {sleep_s}\n"
        f"[run]\nrepeats = {number}\n[versions.old]\nrequirements = ['tiny==1.0']\n"
    ).trials


def until(condition: Callable[[], Any], within_s: float = 60.0) -> Any:
    """What ``condition`` gives as soon as it is true."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def training(scratch: Path) -> dict[int, int]:
    """Training processes of the workers, each with its worker's process."""
    found = {}
    for pid in processes_that_know(f"{FOLDER_VARIABLE}={scratch}"):
        with contextlib.suppress(OSError, IndexError):
            found[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return found


@pytest.fixture
def scratch(client: distributed.Client) -> Path:
    """Where the workers' runs lie while they run."""
    return Path(os.environ["TMPDIR"])


WHAT_IS_OBSERVED = (
    "outcome",
    "verdict",
    "phase",
    "culprit",
    "exception",
    "signature",
    "lock",
    "folder",
    "artifacts",
    "host",
)


def test_a_cluster_observes_what_this_machine_would(
    plan_of: PlanOf, sweep_text: str, bench: Bench, client: distributed.Client
) -> None:
    plan = plan_of(sweep_text.replace('"off", "on"', '"off"').replace('"old", "new"', '"old"'))
    client.wait_for_workers(WORKERS, timeout=60)  # another test may have killed one
    with bench.executor(client) as executor:
        assert executor.slots == WORKERS
        futures = {trial: executor.submit(bench.task(trial)) for trial in plan.trials}
        there = {trial: future.result(WITHIN_S) for trial, future in futures.items()}
    assert {str(item.verdict) for item in there.values()} == {"healthy", "exception"}
    assert {item.exception for item in there.values()} == {None, "RuntimeError: tiny 1.0"}
    assert set(bench.started) == {trial.id for trial in plan.trials}

    environments = UvEnvironments(Uv(), default_cache())
    with LocalExecutor(None, 1) as local:
        for trial in plan.trials:
            task = bench.task(trial)
            provided = environments.provide(trial.cell.versions, task.lock, lambda: False)
            assert isinstance(provided, CellEnvironment)
            files = contents(bench.sweep / "cells" / trial.id)
            here = local.submit(replace(task, environment=provided)).result(WITHIN_S)
            assert [getattr(here, name) for name in WHAT_IS_OBSERVED] == [
                getattr(there[trial], name) for name in WHAT_IS_OBSERVED
            ]
            assert contents(bench.sweep / "cells" / trial.id) == files - {WORKER_FILE}


def contents(folder: Path) -> set[str]:
    return {re.sub(r"\d+", "N", path.relative_to(folder).as_posix()) for path in folder.rglob("*") if path.is_file()}


def test_what_a_run_left_comes_home_with_who_ran_it(
    plan_of: PlanOf, bench: Bench, client: distributed.Client, scratch: Path
) -> None:
    (trial,) = trials(plan_of, sleep_s=0.8)
    with bench.executor(client) as executor:
        observation = executor.submit(bench.task(trial)).result(WITHIN_S)
    assert observation.folder == f"cells/{trial.id}"
    folder = bench.sweep / observation.folder
    assert (folder / "stdout.log").read_text() == "starts\ndefault_int_handler\n"
    assert json.loads((folder / "diagnosis.json").read_text())["verdict"] == str(observation.verdict)
    assert all((bench.sweep / path).exists() for path in observation.artifacts.values())
    who = json.loads((folder / WORKER_FILE).read_text())
    assert who["worker"].startswith("tcp://127.0.0.1:")
    assert who["left_out"] == {}
    assert bench.lines
    assert not list(scratch.glob("freezelab-*/workers/*/*")), "nothing stays on the worker"


def test_a_killed_workers_trials_are_run_elsewhere_once_and_leave_no_orphan(
    plan_of: PlanOf, bench: Bench, client: distributed.Client, scratch: Path, uv_environments: UvEnvironments
) -> None:
    plan = plan_of(
        "[factors]\nversions = ['old', 'none']\nenv = ['dummy', 'v3']\n[training]\ngamma = 0.8\n[run]\nrepeats = 2\n"
        "[versions.old]\nrequirements = ['tiny==1.0']\n[versions.none]\nrequirements = ['tiny==9.0']\n"
    )
    orphaned: list[int] = []

    def kill_one() -> None:
        orphan, worker = until(lambda: training(scratch)).popitem()
        os.kill(worker, signal.SIGKILL)
        until(lambda: orphan not in training(scratch))
        orphaned.append(orphan)

    killer = threading.Thread(target=kill_one)
    killer.start()
    executor = bench.executor(client)
    result = run_sweep(
        plan,
        bench.sweep,
        executor=executor,
        environments=uv_environments,
        program=bench.program,
        view=SilentView(),
    )
    killer.join()
    assert orphaned
    records = read_records(bench.sweep / "sweep.sqlite")
    assert sorted(record.id for record in records) == sorted(trial.id for trial in plan.trials)
    outcomes = Counter(record.observation.headline.partition(":")[0] for record in records)
    assert outcomes == {"healthy": 2, "exception": 2, "unsatisfiable": 4}
    assert len({record.observation.lock for record in records if record.ran}) == 1
    assert all(
        (bench.sweep / str(record.observation.folder) / WORKER_FILE).exists() for record in records if record.ran
    )
    assert result.analysis.missing == 0


def test_a_stopped_worker_is_not_waited_for(
    plan_of: PlanOf, bench: Bench, client: distributed.Client, scratch: Path
) -> None:
    todo = trials(plan_of, 2, sleep_s=0.6)
    with bench.executor(client, patience=replace(PATIENCE, silence_s=3.0)) as executor:
        futures = [executor.submit(bench.task(trial)) for trial in todo]
        orphan, worker = until(lambda: training(scratch)).popitem()
        os.kill(worker, signal.SIGSTOP)
        observations = [future.result(WITHIN_S) for future in futures]
    assert [item.outcome for item in observations] == [Outcome.RAN] * 2
    assert any("does not answer" in note for note in bench.notes)
    until(lambda: orphan not in training(scratch))


def test_a_trial_that_loses_every_worker_is_given_up(plan_of: PlanOf, bench: Bench, client: distributed.Client) -> None:
    # After a moment: Dask does not start a worker again that dies while it has hardly begun.
    program = "import os, signal, time\ntime.sleep(1)\nos.kill(os.getppid(), signal.SIGKILL)\n"
    (bench.program / "__main__.py").write_text(program)
    (trial,) = trials(plan_of)
    with bench.executor(client, patience=replace(PATIENCE, attempts=2)) as executor:
        observation = executor.submit(bench.task(trial)).result(WITHIN_S)
    assert observation.outcome is Outcome.FAILED_TO_START
    assert observation.reason is not None
    assert observation.reason.count("was lost") == 2


def test_once_asked_to_stop_what_runs_finishes_and_twice_it_is_ended(
    plan_of: PlanOf, bench: Bench, client: distributed.Client, scratch: Path
) -> None:
    quick, slow, never = (trials(plan_of, sleep_s=sleep_s)[0] for sleep_s in (1.0, 60.0, 2.0))
    with bench.executor(client) as executor:
        futures = [executor.submit(bench.task(trial)) for trial in (quick, slow, never)]
        until(lambda: len(bench.started) == 2)
        bench.wind_down.set()
        assert futures[2].cancel()
        assert futures[0].result(30).outcome is Outcome.RAN
        assert not futures[1].done()
        bench.stop_now.set()
        assert isinstance(futures[1].exception(30), InterruptedRunError)
        assert training(scratch) == {}
    assert len(bench.started) == 2


def test_ctrl_c_at_the_terminal_reaches_no_worker(client: distributed.Client) -> None:
    workers = client.run(os.getpid)
    for pid in workers.values():
        os.kill(pid, signal.SIGINT)
    assert client.run(os.getpid) == workers


def test_gpu_cells_go_to_workers_that_have_one_and_are_skipped_without(
    plan_of: PlanOf, bench: Bench, client: distributed.Client
) -> None:
    (trial,) = trials(plan_of, factor="device = ['cuda:0']")
    with bench.executor(client) as executor:
        nowhere = executor.submit(bench.task(trial)).result(30)
    assert nowhere.outcome is Outcome.SKIPPED
    assert nowhere.reason is not None
    assert "--resources GPU=1" in nowhere.reason

    def have(gpus: int) -> None:
        async def set_resources(dask_worker: distributed.Worker) -> None:
            await dask_worker.set_resources(GPU=gpus)

        client.run(set_resources, workers=[address])
        until(lambda: client.scheduler_info(n_workers=-1)["workers"][address]["resources"] == {"GPU": gpus})

    address = next(iter(client.scheduler_info(n_workers=-1)["workers"]))
    have(1)
    try:
        with bench.executor(client) as executor:
            somewhere = executor.submit(bench.task(trial)).result(30)
    finally:
        have(0)
    # It looks, and finds that it has none after all.
    assert somewhere.outcome is Outcome.SKIPPED
    assert somewhere.reason == f"no CUDA device on {platform.node()}"


def test_workers_with_another_freezelab_or_without_the_users_files_are_refused(
    bench: Bench, client: distributed.Client
) -> None:
    with pytest.raises(MatrixError, match=r"has FreezeLab .*, this is 9\.9; install the same"):
        bench.executor(client, wanted_version="9.9").__enter__()
    with pytest.raises(MatrixError, match=r"does not see /nowhere/train\.py"):
        bench.executor(client, files=["/nowhere/train.py"]).__enter__()


def test_a_worker_without_freezelab_says_so_and_lives_on(client: distributed.Client) -> None:
    before = client.run(os.getpid)
    foreign = letter(survey, ()).replace(b"matrix.executors.fitness", b"matrix.executors.fitnezz")
    error = client.submit(OPEN, foreign, pure=False).exception(timeout=20)
    assert isinstance(error, ImportError)
    reason = why_unfit(error, "1.0")
    assert reason is not None
    assert "pip install 'freezelab[cluster]'" in reason
    assert client.run(os.getpid) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "local",
        "local:0",
        "local:x",
        "localhost",
        "host:8786",
        "http://host:80",
        "tcp://host",
        "tcp://h:0",
        "tcp://h:99999",
    ],
)
def test_what_is_no_address_is_said_so(text: str) -> None:
    with pytest.raises(MatrixError, match="such as tcp://login1:8786, or local:4"):
        ClusterAddress.parse(text)


def test_addresses_are_understood() -> None:
    assert ClusterAddress.parse("local:3") == ClusterAddress(None, 3)
    for text in ("tcp://10.0.0.1:8786", "tls://login1.cluster:1", "tcp://[::1]:8786/"):
        assert ClusterAddress.parse(text).scheduler == text.rstrip("/")


def test_the_users_own_files_are_what_every_worker_has_to_see(plan_of: PlanOf, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    plan = plan_of(
        "[factors]\nversions = ['old']\nlr = [1, 2]\n[training]\ncommand = ['train.py', '--lr', '{lr}', '/nowhere']\n"
        "[versions.old]\nrequirements = ['tiny==1.0']\n"
    )
    assert files_of(plan) == [str(tmp_path / "train.py")]


def test_a_scheduler_that_is_not_there_is_named() -> None:
    with socket.socket() as held:  # bound, and not listening
        held.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{held.getsockname()[1]}"
        with (
            pytest.raises(MatrixError, match=r"no Dask scheduler answers there within 0\.3 s") as caught,
            connected(ClusterAddress.parse(address), threads=1, within_s=0.3),
        ):
            pass
    assert address in str(caught.value)


def test_a_cluster_without_workers_is_told() -> None:
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None, host="127.0.0.1") as empty,
        pytest.raises(MatrixError, match=r"no worker within 0\.5 s; start some with: dask worker tcp://127"),
        connected(ClusterAddress.parse(empty.scheduler_address), threads=1, within_s=0.5),
    ):
        pass


def test_without_dask_one_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(MatrixError, match=r"pip install 'freezelab\[cluster\]'"),
        connected(ClusterAddress.parse("local:1"), threads=1),
    ):
        pass


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--cluster", "nowhere"], "such as tcp://login1:8786, or local:4"),
        (["--cluster", "local:2", "--dry-run"], "leave --cluster out"),
    ],
)
def test_the_command_line_says_what_is_wrong_with_a_cluster(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["matrix", *words, "--out", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
