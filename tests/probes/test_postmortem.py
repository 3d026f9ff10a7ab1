"""
Workers that come to grief under SubprocVecEnv: what is said is about the worker, whatever the parent got to see.

The scripts are all the same but for what one worker does at one step.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from probes.death import Death
from probes.diagnosis import Diagnosis, Evidence, schema
from probes.observer import Look, Observations
from probes.postmortem import Fate, post_mortems
from probes.progress import Progress
from probes.stacks import ThreadStack
from probes.system import procfs
from probes.verdicts import Verdict
from probes.waits import WaitGraph
from probes.watch import WatchOptions, watch

_AT_ONCE = 3
_WORKERS = 3

TRAINING = """
import ctypes, functools, multiprocessing, os, signal, sys, time
import gymnasium, numpy

class Market(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (4,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self, share, line):
        self.share, self.line, self.count = share, line, 0

    def reset(self, *, seed=None, options=None):
        return numpy.zeros(4, numpy.float32), {{}}

    def step(self, action):
        self.count += 1
        if self.share == {place} and self.count == 40:
            self.quote()
        return numpy.zeros(4, numpy.float32), 0.01, self.count % 20 == 0, False, {{}}

    def quote(self):
        {act}

if __name__ == "__main__":
    import torch
    torch.set_num_threads(1)
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import SubprocVecEnv
    ours, theirs = multiprocessing.Pipe()
    lines = [theirs if {start!r} == "fork" else None] * {workers}
    envs = SubprocVecEnv([functools.partial(Market, n, line) for n, line in enumerate(lines)], start_method={start!r})
    PPO("MlpPolicy", envs, n_steps=32, batch_size=32, n_epochs=1, seed=1, device="cpu").learn(400)
"""
ACTS = {
    "value": "raise ValueError('no price for NVDA')",
    "leave": "os._exit(3)",
    "zero": "ctypes.string_at(0)",
    "signal 9": "os.kill(os.getpid(), signal.SIGKILL)",
    "signal 19": "os.kill(os.getpid(), signal.SIGSTOP)",
    "count": "while True: self.count += 1",
    "pause": "time.sleep(8)",
    "line": "self.line.recv()",
}
FIRST, LAST = 0, _WORKERS - 1


@dataclass(frozen=True)
class Run:
    """One worker's deed, and what must be said of it."""

    start: str
    place: int
    act: str
    verdict: Verdict
    culprit: str | None
    kind: str | None
    """Evidence that must be there."""
    says: str


RUNS = [
    # The slowest to start first.
    Run("spawn", FIRST, "value", Verdict.EXCEPTION, "quote", "worker-raised", "no price for NVDA"),
    Run("forkserver", LAST, "leave", Verdict.EXCEPTION, "quote", "worker-exited", "os._exit(3)"),
    Run("forkserver", FIRST, "zero", Verdict.CRASH, "quote", "worker-killed", "SIGSEGV"),
    Run("forkserver", 1, "signal 19", Verdict.BLOCKED, "quote", "stopped", "stopped"),
    Run("forkserver", LAST, "signal 9", Verdict.CRASH, None, "worker-killed", "SIGKILL"),
    Run("fork", FIRST, "pause", Verdict.HEALTHY, None, None, "healthy"),
    # Under fork, a pipe whose worker is dead may stay open in the others: the parent waits for ever.
    Run("fork", LAST, "value", Verdict.BLOCKED, "quote", "peer-is-dead", "no price for NVDA"),
    Run("fork", LAST, "leave", Verdict.BLOCKED, "quote", "peer-is-dead", "os._exit(3)"),
    Run("fork", LAST, "zero", Verdict.BLOCKED, "quote", "peer-is-dead", "SIGSEGV"),
    Run("fork", LAST, "signal 9", Verdict.BLOCKED, None, "peer-is-dead", "SIGKILL"),
    Run("fork", FIRST, "value", Verdict.EXCEPTION, "quote", "worker-raised", "no price for NVDA"),
    Run("fork", FIRST, "signal 9", Verdict.CRASH, None, "worker-killed", "SIGKILL"),
    Run("fork", 1, "count", Verdict.SPIN, "quote", "waits-on-peer", "burns CPU"),
    Run("fork", 1, "line", Verdict.DEADLOCK, "quote", "wait-cycle", "main and worker 1 wait for each other"),
]


def name(run: Run) -> str:
    return f"{run.start} {run.place} {run.act}"


@dataclass
class Outcome:
    """A run that has ended."""

    folder: Path
    diagnosis: Diagnosis

    def of_kind(self, kind: str) -> Evidence | None:
        return next((item for item in self.diagnosis.evidence if item.kind == kind), None)

    def __str__(self) -> str:
        said = "\n".join(f"  {item.kind}: {item.says}" for item in self.diagnosis.evidence)
        tail = (self.folder / "stderr.log").read_text(encoding="utf-8", errors="replace")[-1500:]
        return f"{self.diagnosis.summary}\n{self.diagnosis.culprit}\n{said}\n{tail}"


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """All runs that the collected tests ask for, each made once, a few side by side."""
    asked = {
        item.callspec.params["run"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "run" in getattr(getattr(item, "callspec", None), "params", {})
    }
    folder = tmp_path_factory.mktemp("runs")
    runs = [run for run in RUNS if run in asked]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ended = {name(run): pool.submit(_watched, folder / str(place), run) for place, run in enumerate(runs)}
    return {key: future.result() for key, future in ended.items()}


def _watched(folder: Path, run: Run) -> Outcome:
    folder.mkdir()
    script = folder / "training.py"
    text = TRAINING.format(start=run.start, place=run.place, act=ACTS[run.act], workers=_WORKERS)
    script.write_text(textwrap.dedent(text), encoding="utf-8")
    options = WatchOptions(
        out=folder / "out", env={"OMP_NUM_THREADS": "1"}, limit_s=100, on_freeze="stop", confirm_after_s=4,
        stdin_null=True,
    )  # fmt: skip
    return Outcome(folder / "out", watch([sys.executable, str(script)], options))


@pytest.mark.parametrize("run", RUNS, ids=name)
def test_the_diagnosis_is_about_the_worker(run: Run, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[name(run)]
    diagnosis = outcome.diagnosis
    jsonschema.Draft202012Validator(schema()).validate(diagnosis.to_json())
    assert diagnosis.verdict is run.verdict, outcome
    assert diagnosis.confidence > 0.75, outcome
    assert run.says in diagnosis.summary, outcome
    if run.culprit is None:
        assert diagnosis.culprit is None, outcome
    else:
        assert diagnosis.culprit is not None, outcome
        assert diagnosis.culprit.function == run.culprit, outcome
        assert diagnosis.culprit.process == f"worker {run.place}", outcome
    if run.kind is not None:
        assert outcome.of_kind(run.kind) is not None, outcome
        assert diagnosis.phase == "collect"
        assert diagnosis.step is not None
        assert diagnosis.step >= 39 * _WORKERS - _WORKERS
        assert f"orker {run.place}" in diagnosis.summary
    if run.verdict is Verdict.CRASH:
        assert diagnosis.signal is not None
        assert diagnosis.signal.name == run.says
    else:
        assert diagnosis.signal is None


@pytest.mark.parametrize("run", RUNS, ids=name)
def test_nothing_is_left_of_a_run(run: Run, outcomes: dict[str, Outcome]) -> None:
    folder = outcomes[name(run)].folder
    pids = {
        process["pid"]
        for line in (folder / "readings.jsonl").read_text().splitlines()
        for process in json.loads(line)["processes"]
    }
    left = [reading for pid in pids if (reading := procfs.read_process(pid)) and reading.state != "Z"]
    assert [reading.name for reading in left if reading.name.startswith("python")] == []


# What the pieces tell, one by one.


def seen(**more: Any) -> Observations:
    return Observations(0, **more)


def look(states: dict[int, str]) -> Look:
    return Look(0, 3.0, None, (), {}, {}, WaitGraph({}, states))


@pytest.fixture
def nothing(tmp_path: Path) -> Progress:
    return Progress(tmp_path)


PRINTED = """\
Process ForkServerProcess-2:
Traceback (most recent call last):
  File "/home/me/market.py", line 12, in quote
    raise KeyError("NVDA")
KeyError: 'NVDA'
Traceback (most recent call last):
  File "/home/me/train.py", line 3, in <module>
    model.learn(100)
EOFError
"""


def test_without_an_agent_the_worker_s_printed_traceback_is_read(nothing: Progress) -> None:
    (worker,) = post_mortems(seen(), nothing, printed=PRINTED)
    assert worker.fate is Fate.RAISED
    assert worker.who == "worker 1"
    assert worker.says == "was ended by KeyError: 'NVDA'"
    assert worker.frames == (("quote", "/home/me/market.py", 12),)


@pytest.mark.parametrize("text", ["", "EOFError", "Process ForkServerProcess-2:\n", PRINTED[30:]])
def test_what_is_no_worker_s_last_word_is_not_taken_for_one(text: str, nothing: Progress) -> None:
    assert post_mortems(seen(), nothing, printed=text) == []


def test_processes_that_are_no_workers_are_passed_over(nothing: Progress) -> None:
    thread = ThreadStack(0, None, active=True, owns_gil=False, frames=())
    found = post_mortems(seen(ended={77: 9}, deaths=[Death(78, "SIGSEGV", 1, thread)]), nothing)
    assert found == []


def _recorded(folder: Path, python: str) -> None:
    """A flight recording as the agent makes it, by a process that runs ``python`` with its recorder."""
    code = (
        "import sys, types; sys.path.insert(0, {root!r})\n"
        "from probes.agent.recorder import recorder, phase_id\n"
        "from probes.agent import layout\n"
        "recorder.open({folder!r})\n{python}\nprint(__import__('os').getpid())"
    )
    root = str(Path(procfs.__file__).parents[2])
    subprocess.run(
        [sys.executable, "-c", code.format(root=root, folder=str(folder), python=python)], check=True, timeout=60,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


TRAINER = "recorder.step(5)"
WORKER = "recorder.gauge(layout.WORKER_INDEX, {number})\nrecorder.leave(recorder.enter(phase_id('env.step')))\n"


def _pids(progress: Progress) -> dict[int | None, int]:
    return {state.worker: recording.pid for recording, state in progress.states()}


def test_a_worker_that_only_found_its_parent_gone_is_not_blamed(tmp_path: Path) -> None:
    error = {"type": "BrokenPipeError", "message": "", "phases": [], "step": -1, "frames": []}
    for number in range(2):
        _recorded(tmp_path, WORKER.format(number=number) + f"recorder.text('exception', {error!r})")
    progress = Progress(tmp_path)
    progress.poll(1)
    assert post_mortems(seen(), progress) == []
    progress.close()


@pytest.mark.parametrize(
    ("status", "kills", "fate", "says"),
    [
        (9, 0, Fate.KILLED, "SIGKILL"),
        (9, None, Fate.KILLED, "SIGKILL"),
        (9, 1, Fate.OUT_OF_MEMORY, "for want of memory"),
        (11, 1, Fate.KILLED, "SIGSEGV"),
        (3 << 8, 1, Fate.EXITED, "exit code 3"),
    ],
)
def test_a_zombie_tells_how_it_ended(
    status: int, kills: int | None, fate: Fate, says: str, tmp_path: Path
) -> None:  # fmt: skip
    _recorded(tmp_path, TRAINER)
    _recorded(tmp_path, WORKER.format(number=4))
    progress = Progress(tmp_path)
    progress.poll(1)
    (worker,) = post_mortems(seen(ended={_pids(progress)[4]: status}), progress, kernel_kills=kills)
    assert (worker.who, worker.fate) == ("worker 4", fate)
    assert re.search(says, worker.says)
    progress.close()


def test_a_worker_that_a_dying_parent_ended_is_not_blamed(tmp_path: Path) -> None:
    _recorded(tmp_path, TRAINER)
    _recorded(tmp_path, WORKER.format(number=0))
    progress = Progress(tmp_path)
    progress.poll(1)
    pid = _pids(progress)[0]
    assert post_mortems(seen(ended={pid: 15}), progress) == []
    # It lay there while the parent still waited: somebody else ended it.
    (worker,) = post_mortems(seen(ended={pid: 15}, looks=[look({pid: "Z"})]), progress)
    assert worker.says == "was killed by SIGTERM"
    progress.close()
