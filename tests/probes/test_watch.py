"""End to end: real training scripts under watch, and what is said of each."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from probes.diagnosis import Diagnosis, Evidence, schema
from probes.supervisor import CommandNotFoundError
from probes.system import procfs
from probes.verdicts import Verdict
from probes.watch import FolderNotWritableError, InterruptedRunError, Status, WatchOptions, watch

if TYPE_CHECKING:
    from tests.probes.conftest import Start, Write

_AT_ONCE = 3
"""Runs side by side: most of them wait most of the time."""


@dataclass(frozen=True)
class Scenario:
    """A training script, and how it is watched."""

    script: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """A run under watch that has ended."""

    folder: Path
    diagnosis: Diagnosis
    lasted_s: float
    statuses: list[Status]
    children: list[int]
    """Processes of the run that were seen, and must be gone."""

    def of_kind(self, kind: str) -> Evidence | None:
        return next((item for item in self.diagnosis.evidence if item.kind == kind), None)

    def __str__(self) -> str:
        said = "\n".join(f"  {item.kind}: {item.says}" for item in self.diagnosis.evidence)
        ranked = "\n".join(f"  {item.verdict} {item.score:.1f}: {item.why_not}" for item in self.diagnosis.alternatives)
        tail = (self.folder / "stderr.log").read_text(encoding="utf-8", errors="replace")[-1500:]
        return f"{self.diagnosis.summary}\n{said}\nnot:\n{ranked}\n{tail}"


# An environment in which something may happen at one step; `now(self)` is filled in by each script.
ENV = """
import threading, time
import gymnasium, numpy, torch
torch.set_num_threads(1)

class Market(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (4,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(3)
    length = 20

    def __init__(self):
        self.count = 0
        self.rows = numpy.random.default_rng(3)

    def observe(self):
        return self.rows.standard_normal(4, dtype=numpy.float32)

    def reset(self, *, seed=None, options=None):
        self.left = self.length
        return self.observe(), {}

    def step(self, action):
        self.count += 1
        self.left -= 1
        self.quote()
        return self.observe(), float(self.rows.standard_normal()) * 0.01, self.left == 0, False, {}

    def quote(self):
        pass
"""


def ppo(env: str = "", settings: str = "n_steps=64, batch_size=32, n_epochs=2", steps: int = 1280) -> str:
    return (
        ENV + textwrap.dedent(env) + f"\nfrom stable_baselines3 import PPO\n"
        f"model = PPO('MlpPolicy', Market(), {settings}, seed=1, device='cpu')\nmodel.learn({steps})\n"
    )


def recurrent(settings: str, steps: int, hidden: int = 32, lstm: str = "None") -> str:
    return ENV + textwrap.dedent(f"""
        from sb3_contrib import RecurrentPPO
        model = RecurrentPPO("MlpLstmPolicy", Market(), {settings}, seed=1, device="cpu",
                             policy_kwargs={{"lstm_hidden_size": {hidden}, "lstm_kwargs": {lstm}}})
        model.learn({steps})
    """)


# An update of a given length on any machine: it stops early, as by target_kl, once its time is over.
FOR_A_WHILE = """
times = []

def for_a_while(*args):
    times.append(time.monotonic())
    if times[-1] > times[0] + 12:
        model.target_kl = -1e9

model.policy.optimizer.register_step_post_hook(for_a_while)
model.learn"""
STOP: dict[str, Any] = {"on_freeze": "stop", "confirm_after_s": 4.0}
SCENARIOS = {
    # The long ones first.
    "recurrent": Scenario(
        recurrent("n_steps=1024, batch_size=64, n_epochs=100_000", 1024).replace("model.learn", FOR_A_WHILE)
    ),
    "epochs": Scenario(
        ppo(settings="n_steps=256, batch_size=64, n_epochs=100_000", steps=256).replace("model.learn", FOR_A_WHILE)
    ),
    "two-locks": Scenario(
        ppo("""
        prices, orders = threading.Lock(), threading.Lock()

        def settle():
            with orders:
                time.sleep(0.5)
                with prices:
                    pass

        def quote(self):
            if self.count == 100:
                threading.Thread(target=settle, daemon=True).start()
                time.sleep(0.1)
                with prices:
                    time.sleep(0.6)
                    with orders:
                        pass

        Market.quote = quote
        """),
        STOP,
    ),
    "sampling": Scenario(
        ppo("""
        def quote(self):
            while self.count == 100:
                if self.rows.random() > 1.5:
                    break

        Market.quote = quote
        """),
        STOP,
    ),
    "socket": Scenario(
        ppo("""
        import socket
        ours, theirs = socket.socketpair()

        def quote(self):
            if self.count == 100:
                ours.recv(1)

        Market.quote = quote
        """),
        STOP,
    ),
    "lingering": Scenario(
        ppo(steps=128) + "threading.Thread(target=threading.Event().wait).start()\n",
        STOP,
    ),
    "loading": Scenario(
        ENV + "Market().reset()\nthreading.Lock().acquire()\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()\n",
        STOP,
    ),
    # A policy that never gets anywhere, and nothing that would end its episode.
    "episode": Scenario(
        ENV
        + textwrap.dedent("""
        from stable_baselines3 import PPO
        from stable_baselines3.common.callbacks import EvalCallback
        from stable_baselines3.common.monitor import Monitor

        class Endless(Market):
            length = -1

        model = PPO("MlpPolicy", Market(), n_steps=64, batch_size=32, n_epochs=2, seed=1, device="cpu")
        model.learn(1280, callback=EvalCallback(Monitor(Endless()), eval_freq=100, n_eval_episodes=1, verbose=0))
        """),
        {"limit_s": 14.0},
    ),
    "pause": Scenario(
        ppo("""
        def quote(self):
            if self.count == 100:
                time.sleep(4)

        Market.quote = quote
        """)
    ),
    "limit": Scenario(ppo(steps=10_000_000), {"limit_s": 7.0}),
    "memory": Scenario(
        ppo("""
        import ctypes
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        libc.free.argtypes = [ctypes.c_void_p]

        def quote(self):
            if self.count == 600:
                block = libc.malloc(40)
                libc.free(block)
                libc.free(block)

        Market.quote = quote
        """)
    ),
    "quick": Scenario(ppo(steps=256)),
    "data": Scenario(
        ppo("""
        def quote(self):
            if self.count == 70:
                raise ValueError("no price for NVDA")

        Market.quote = quote
        """)
    ),
    "resized": Scenario(
        ppo(settings="n_steps=128, batch_size=64").replace("model.learn", "model.n_steps = 64\nmodel.learn")
    ),
    "layout": Scenario(
        recurrent("n_steps=64, batch_size=32, n_epochs=1", 128, 8, "{'dropout': 0.0, 'batch_first': True}")
    ),
}


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """All runs that the collected tests ask for, each made once, a few side by side."""
    asked = {
        name
        for item in request.session.items
        if isinstance(item, pytest.Function)
        for name in [getattr(item, "callspec", None) and item.callspec.params.get("scenario")]
        if name in SCENARIOS
    }
    folder = tmp_path_factory.mktemp("runs")
    names = [name for name in SCENARIOS if name in asked]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        runs = {name: pool.submit(_run, folder / str(place), SCENARIOS[name]) for place, name in enumerate(names)}
    return {name: future.result() for name, future in runs.items()}


def _run(folder: Path, scenario: Scenario) -> Outcome:
    folder.mkdir()
    # No name may tell what is to be found.
    script = folder / "training.py"
    script.write_text(textwrap.dedent(scenario.script), encoding="utf-8")
    statuses: list[Status] = []
    children: set[int] = set()

    def on_status(status: Status) -> None:
        statuses.append(status)

    options: dict[str, Any] = {"limit_s": 120.0, "stdin_null": True, **scenario.options}
    began = time.monotonic()
    diagnosis = watch(
        [sys.executable, str(script)],
        WatchOptions(
            out=folder / "out", env={"OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}, on_status=on_status, **options
        ),
    )
    lasted_s = time.monotonic() - began
    for line in (folder / "out" / "readings.jsonl").read_text().splitlines():
        children.update(process["pid"] for process in json.loads(line)["processes"])
    return Outcome(folder / "out", diagnosis, lasted_s, statuses, sorted(children))


@pytest.fixture
def outcome(scenario: str, outcomes: dict[str, Outcome]) -> Outcome:
    return outcomes[scenario]


def about(*names: str) -> pytest.MarkDecorator:
    """Runs a test on these scenarios."""
    return pytest.mark.parametrize("scenario", names)


@about(*SCENARIOS)
def test_every_diagnosis_keeps_the_contract(scenario: str, outcome: Outcome) -> None:
    text = (outcome.folder / "diagnosis.json").read_text(encoding="utf-8")
    value = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    jsonschema.Draft202012Validator(schema()).validate(value)
    assert Diagnosis.load(outcome.folder / "diagnosis.json") == outcome.diagnosis
    assert outcome.diagnosis.to_json() == value
    for path in value["artifacts"].values():
        assert (outcome.folder / path).exists()
    assert {path.name for path in outcome.folder.iterdir()} >= {
        "meta.json", "flight", "stdout.log", "stderr.log", "readings.jsonl", "diagnosis.json",
    }  # fmt: skip
    assert all(alternative.why_not for alternative in outcome.diagnosis.alternatives)
    if scenario != "loading":
        assert outcome.diagnosis.environment["python"] == sys.version.split()[0]
        assert outcome.diagnosis.environment["training"]["libraries"]["torch"]


@about(*SCENARIOS)
def test_nothing_is_left_of_any_run(scenario: str, outcome: Outcome) -> None:
    left = [reading for pid in outcome.children if (reading := procfs.read_process(pid)) and reading.state != "Z"]
    assert [reading.name for reading in left if reading.name.startswith(("python", "py-spy"))] == []


@about("quick", "epochs", "pause", "limit")
def test_a_run_that_makes_progress_is_healthy(scenario: str, outcome: Outcome) -> None:
    assert outcome.diagnosis.verdict is Verdict.HEALTHY, outcome
    assert outcome.diagnosis.confidence > 0.7, outcome
    assert outcome.diagnosis.culprit is None
    assert outcome.diagnosis.cause is None
    assert outcome.diagnosis.signal is None
    assert not [status for status in outcome.statuses if status.diagnosis is not None], outcome


@about("epochs")
def test_a_long_update_of_many_epochs_is_seen_to_stand_still_but_not_blamed(scenario: str, outcome: Outcome) -> None:
    still = outcome.of_kind("step-stands-still")
    assert still is not None, outcome
    assert still.detail["phase"] == "train"
    assert outcome.of_kind("batched-update") is not None, outcome
    assert "stood still" in outcome.diagnosis.summary
    assert any("epoch" in status.line for status in outcome.statuses)


@about("limit")
def test_a_run_at_its_limit_is_ended_and_says_so(scenario: str, outcome: Outcome) -> None:
    assert outcome.lasted_s < 20
    ended = outcome.of_kind("ended-by-us")
    assert ended is not None
    assert "limit" in ended.says


@about("two-locks")
def test_two_locks_taken_in_opposite_order_are_a_deadlock(scenario: str, outcome: Outcome) -> None:
    diagnosis = outcome.diagnosis
    assert diagnosis.verdict is Verdict.DEADLOCK, outcome
    assert diagnosis.confidence > 0.8, outcome
    assert diagnosis.phase == "collect"
    assert diagnosis.step == 99
    assert diagnosis.culprit is not None
    assert diagnosis.culprit.function == "quote"
    assert diagnosis.culprit.library is None
    assert outcome.of_kind("waits-on-lock") is not None
    assert outcome.of_kind("step-stands-still") is None


@about("episode")
def test_an_evaluation_that_never_ends_is_told_as_such(scenario: str, outcome: Outcome) -> None:
    assert outcome.diagnosis.verdict is Verdict.SLOW_PHASE, outcome
    assert outcome.diagnosis.phase == "eval"
    assert outcome.diagnosis.step == 100
    assert outcome.diagnosis.culprit is not None


@about("loading")
def test_a_lock_that_is_never_released_before_training_is_a_deadlock_in_setup(scenario: str, outcome: Outcome) -> None:
    assert outcome.diagnosis.verdict is Verdict.DEADLOCK, outcome
    assert outcome.diagnosis.phase == "setup"
    assert outcome.diagnosis.step is None


@about("two-locks", "sampling", "socket", "lingering", "loading")
def test_a_freeze_is_told_once_and_the_run_ended_soon_after(scenario: str, outcome: Outcome) -> None:
    told = [status.diagnosis for status in outcome.statuses if status.diagnosis is not None]
    assert len(told) == 1, outcome
    assert told[0].verdict is outcome.diagnosis.verdict
    assert outcome.lasted_s < 60
    assert outcome.of_kind("ended-by-us") is not None
    assert outcome.diagnosis.timing.detected_after_s is not None
    assert outcome.diagnosis.timing.detected_after_s <= outcome.diagnosis.timing.observed_s


@about("sampling")
def test_sampling_that_rejects_for_ever_is_a_spin(scenario: str, outcome: Outcome) -> None:
    assert outcome.diagnosis.verdict is Verdict.SPIN, outcome
    assert outcome.diagnosis.culprit is not None
    assert outcome.diagnosis.culprit.function == "quote"
    assert outcome.diagnosis.step == 99
    assert outcome.of_kind("cpu-burning") is not None


@about("socket")
def test_a_socket_of_which_it_holds_both_ends_is_a_deadlock(scenario: str, outcome: Outcome) -> None:
    assert outcome.diagnosis.verdict is Verdict.DEADLOCK, outcome
    assert outcome.diagnosis.culprit is not None
    assert outcome.diagnosis.culprit.function == "quote"
    assert outcome.diagnosis.phase == "collect"


@about("lingering")
def test_a_process_that_stays_after_its_training_is_an_exit_hang(scenario: str, outcome: Outcome) -> None:
    assert outcome.diagnosis.verdict is Verdict.EXIT_HANG, outcome
    assert outcome.diagnosis.phase == "exit"
    assert outcome.diagnosis.step == 128


@about("data")
def test_an_error_in_a_step_is_an_exception_with_its_place(scenario: str, outcome: Outcome) -> None:
    diagnosis = outcome.diagnosis
    assert diagnosis.verdict is Verdict.EXCEPTION, outcome
    assert diagnosis.confidence > 0.9
    assert diagnosis.phase == "collect"
    assert diagnosis.step == 69
    assert diagnosis.culprit is not None
    assert (diagnosis.culprit.function, diagnosis.culprit.library) == ("quote", None)
    assert "no price for NVDA" in diagnosis.summary
    assert diagnosis.cause is None
    assert diagnosis.signal is None


@about("resized")
def test_n_steps_changed_after_construction_is_recognised(scenario: str, outcome: Outcome) -> None:
    assert outcome.diagnosis.verdict is Verdict.EXCEPTION, outcome
    assert outcome.diagnosis.cause == "n-steps-changed", outcome
    assert outcome.diagnosis.phase == "train"
    assert outcome.diagnosis.step == 64


@about("layout")
def test_a_batch_first_lstm_is_recognised(scenario: str, outcome: Outcome) -> None:
    assert outcome.diagnosis.verdict is Verdict.EXCEPTION, outcome
    assert outcome.diagnosis.cause == "lstm-batch-first", outcome
    assert outcome.diagnosis.phase == "train"
    assert outcome.diagnosis.step == 64


@about("memory")
def test_a_double_free_is_a_crash_with_what_the_heap_said_and_the_function_that_did_it(
    scenario: str, outcome: Outcome
) -> None:
    diagnosis = outcome.diagnosis
    assert diagnosis.verdict is Verdict.CRASH, outcome
    assert diagnosis.signal is not None
    assert diagnosis.signal.name == "SIGABRT"
    assert diagnosis.signal.heap_message is not None
    assert "double free" in diagnosis.signal.heap_message
    assert diagnosis.culprit is not None, outcome
    assert diagnosis.culprit.function == "quote"
    assert diagnosis.phase == "collect"
    assert diagnosis.step == 599
    assert (outcome.folder / "stacks").is_dir()


@about("recurrent")
def test_a_recurrent_update_that_runs_step_by_step_is_a_slow_phase_of_known_cause(
    scenario: str, outcome: Outcome
) -> None:
    diagnosis = outcome.diagnosis
    assert diagnosis.verdict is Verdict.SLOW_PHASE, outcome
    assert diagnosis.phase == "train"
    assert diagnosis.step == 1024
    assert diagnosis.culprit is not None
    assert (diagnosis.culprit.function, diagnosis.culprit.library) == ("_process_sequence", "sb3_contrib")
    assert diagnosis.cause == "recurrent-update-loop"
    assert outcome.of_kind("ended-well") is not None
    assert outcome.of_kind("module-loop") is not None


# What is about the watching itself needs no training.


@pytest.fixture
def watching(tmp_path: Path) -> Callable[..., Diagnosis]:
    def run(*command: str | Path, out: Path = tmp_path / "out", **options: Any) -> Diagnosis:
        options = {"limit_s": 60.0, "stdin_null": True, **options}
        return watch([str(part) for part in command], WatchOptions(out=out, **options))

    return run


def test_should_stop_ends_the_run_and_all_that_it_started(
    watching: Callable[..., Diagnosis], write: Write, tmp_path: Path
) -> None:
    script = write("""
        import subprocess, time
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        print(child.pid, flush=True)
        time.sleep(600)
    """)
    log = tmp_path / "out" / "stdout.log"
    with pytest.raises(InterruptedRunError):
        watching(sys.executable, script, should_stop=lambda: log.exists() and log.read_text().endswith("\n"))
    reading = procfs.read_process(int(log.read_text()))
    assert reading is None or reading.state == "Z"
    assert not (tmp_path / "out" / "diagnosis.json").exists()


def test_a_run_goes_on_to_its_end_when_the_watching_process_is_killed(
    write: Write, start: Start, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    training = write("""
        import sys, time
        import gymnasium
        env = gymnasium.make("CartPole-v1")
        env.reset()
        for number in range(20):
            print(number, flush=True)
            time.sleep(0.1)
        print("trained", flush=True)
    """)
    watcher = write(
        f"""
        import sys
        from pathlib import Path
        from probes.watch import WatchOptions, watch
        watch([sys.executable, {str(training)!r}], WatchOptions(out=Path({str(tmp_path / "out")!r})))
        """,
        "watcher.py",
    )
    root = str(Path(procfs.__file__).parents[2])
    process = start([sys.executable, watcher], env={**os.environ, "PYTHONPATH": root})
    log = tmp_path / "out" / "stdout.log"
    wait_until(lambda: log.exists() and "3\n" in log.read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: log.read_text().endswith("trained\n"))
    assert log.read_text().split() == [*map(str, range(20)), "trained"]


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(
    watching: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderNotWritableError, match="file"):
        watching("true", out=tmp_path / "file" / "out")
    with pytest.raises(FolderNotWritableError, match="/proc"):
        watching("true", out=Path("/proc/freezelab"))


def test_a_folder_with_something_in_the_place_of_our_files_is_an_error(
    watching: Callable[..., Diagnosis], tmp_path: Path
) -> None:
    for name in ("readings.jsonl", "stdout.log", "flight"):
        out = tmp_path / f"out-{name}"
        out.mkdir()
        if name == "flight":
            (out / name).write_text("")
        else:
            (out / name).mkdir()
        with pytest.raises(FolderNotWritableError, match=name):
            watching("true", out=out)


def test_a_folder_is_used_again_without_anything_of_the_earlier_run(
    watching: Callable[..., Diagnosis], write: Write, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "stacks").mkdir(parents=True)
    (out / "flight").mkdir()
    for name in ("stacks/000000001.json", "flight/1-1.bin", "profile-1.speedscope.json", "diagnosis.md", "stdout.log"):
        (out / name).write_text("of an earlier run")
    (out / "stacks" / "mine.txt").write_text("the user's own")
    (out / "notes.txt").write_text("the user's own")
    diagnosis = watching(sys.executable, write("print('second')"), out=out)
    assert diagnosis.verdict is Verdict.HEALTHY
    assert (out / "stdout.log").read_text() == "second\n"
    left = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert left == {
        "meta.json", "diagnosis.json", "readings.jsonl", "stdout.log", "stderr.log", "notes.txt", "stacks/mine.txt",
    }  # fmt: skip


def test_a_command_that_cannot_be_started_is_an_error(watching: Callable[..., Diagnosis], tmp_path: Path) -> None:
    with pytest.raises(CommandNotFoundError, match="no-such-program"):
        watching("no-such-program")


@pytest.mark.parametrize("code", [1, 3, 255])
def test_an_exit_code_without_a_traceback_is_still_an_exception(code: int, watching: Callable[..., Diagnosis]) -> None:
    diagnosis = watching(sys.executable, "-S", "-c", f"raise SystemExit({code})")
    assert diagnosis.verdict is Verdict.EXCEPTION
    assert diagnosis.culprit is None


EXITS = {
    "by a number": ("sys.exit(3)", Verdict.EXCEPTION, "its own sys.exit(3)"),
    "by a text": ("sys.exit('no data')", Verdict.EXCEPTION, "its own sys.exit(no data)"),
    "caught, then an error": (
        "try: sys.exit(3)\nexcept SystemExit: pass\nraise KeyError('news')",
        Verdict.EXCEPTION,
        "KeyError",
    ),
    "caught, then a crash": (
        "try: sys.exit(3)\nexcept SystemExit: pass\nos.kill(os.getpid(), 11)",
        Verdict.CRASH,
        "SIGSEGV",
    ),
    "caught, then another code": (
        "try: sys.exit(3)\nexcept SystemExit: pass\nos._exit(4)",
        Verdict.EXCEPTION,
        "os._exit(4)",
    ),
}


@pytest.mark.parametrize("way", EXITS)
def test_a_program_that_ends_itself_is_told_from_one_that_fails(way: str, watching: Callable[..., Diagnosis]) -> None:
    code, verdict, says = EXITS[way]
    begin = "import os, sys, gymnasium\ngymnasium.make('CartPole-v1').reset()\n"
    diagnosis = watching(sys.executable, "-c", begin + code)
    assert diagnosis.verdict is verdict
    assert says in diagnosis.summary


def test_a_program_that_the_agent_does_not_reach_has_its_error_read_from_what_it_printed(
    watching: Callable[..., Diagnosis], write: Write
) -> None:
    script = write("def load():\n    raise OSError('disk on fire')\nload()\n")
    diagnosis = watching(sys.executable, "-I", script)
    assert diagnosis.verdict is Verdict.EXCEPTION
    assert diagnosis.culprit is not None
    assert (diagnosis.culprit.function, diagnosis.culprit.line) == ("load", 2)
    assert "disk on fire" in diagnosis.summary


def test_a_program_that_nobody_could_see_into_is_not_called_sure(watching: Callable[..., Diagnosis]) -> None:
    diagnosis = watching("sleep", "600", limit_s=3.0)
    assert diagnosis.confidence < 0.75
    assert "made progress" not in diagnosis.summary


def test_without_stacks_py_spy_is_never_started(
    watching: Callable[..., Diagnosis], write: Write, tmp_path: Path
) -> None:
    script = write("""
        import gymnasium, time
        gymnasium.make("CartPole-v1").reset()
        time.sleep(600)
    """)
    diagnosis = watching(sys.executable, script, stacks=False, limit_s=6.0)
    assert not list((tmp_path / "out").glob("profile*"))
    assert all("threads" not in path.read_text() for path in (tmp_path / "out").glob("stacks/*.json"))
    assert diagnosis.to_json()["artifacts"]["flight"] == "flight"


def test_a_failing_view_ends_the_run_and_leaves_nothing(watching: Callable[..., Diagnosis], tmp_path: Path) -> None:
    def fail(status: Status) -> None:
        raise RuntimeError("the view broke")

    with pytest.raises(RuntimeError, match="the view broke"):
        watching("sleep", "600", on_status=fail)


def test_the_command_gets_its_folder_its_environment_and_its_output(
    watching: Callable[..., Diagnosis], write: Write, tmp_path: Path
) -> None:
    shown: list[bytes] = []
    (tmp_path / "elsewhere").mkdir()
    script = write("import os; print(os.getcwd(), os.environ['GREETING'])")
    watching(
        sys.executable, script, cwd=tmp_path / "elsewhere", env={"GREETING": "hello"}, show_out=shown.append
    )  # fmt: skip
    assert b"".join(shown) == f"{tmp_path / 'elsewhere'} hello\n".encode()
    meta = json.loads((tmp_path / "out" / "meta.json").read_text())
    assert meta["schema"] == "freezelab.run/1"
    assert meta["cwd"] == str(tmp_path / "elsewhere")


def test_a_program_without_any_marked_library_is_looked_at_where_it_stands(
    watching: Callable[..., Diagnosis], write: Write
) -> None:
    script = write("import queue\ndef fill():\n    q = queue.Queue(1)\n    q.put(1)\n    q.put(2)\nfill()\n")
    diagnosis = watching(sys.executable, script, limit_s=16.0)
    assert diagnosis.verdict is Verdict.DEADLOCK
    assert (diagnosis.culprit.function if diagnosis.culprit else None, diagnosis.cause) == ("fill", "queue-full")
