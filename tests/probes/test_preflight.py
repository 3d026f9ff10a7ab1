"""What is known of a run beforehand: each check and its near miss, and real scripts under doctor and the agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import freezelab
from probes import doctor
from probes.diagnosis import Diagnosis, Timing
from probes.doctor import Level
from probes.preflight import KIND, Known, Preflight, Warned, warnings
from probes.verdicts import Verdict
from probes.watch import InterruptedRunError, Status, WatchOptions, watch
from reports import preflight_text

if TYPE_CHECKING:
    from tests.probes.conftest import Agent, Write

ENV = """
import sys
import gymnasium, numpy, torch
from gymnasium.wrappers import TimeLimit
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import CallbackList, EvalCallback, EveryNTimesteps
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv
torch.set_num_threads(1)

class Market(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (4,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self):
        self.rows = numpy.random.default_rng(3)

    def reset(self, *, seed=None, options=None):
        self.left = 20
        return self.rows.standard_normal(4, dtype=numpy.float32), {}

    def step(self, action):
        self.left -= 1
        return self.rows.standard_normal(4, dtype=numpy.float32), float(action == 1), self.left == 0, False, {}
"""
PPO = (
    ENV
    + """
model = PPO("MlpPolicy", Monitor(TimeLimit(Market(), 50)), n_steps=64, batch_size=32, n_epochs=2, seed=1, device="cpu")
"""
)
MONITOR = {"name": "Monitor", "limit": None, "ends": False, "monitor": True}
LIMIT = {"name": "TimeLimit", "limit": 50, "ends": True, "monitor": False}
MARKET = {"name": "Market", "limit": None, "ends": False, "monitor": False}
DUMMY = {"name": "DummyVecEnv", "limit": None, "ends": False, "monitor": False}


def flight(**more: Any) -> dict[str, Any]:
    return {"preflight": more}


def evaluated(*chain: dict[str, Any], layers: tuple[dict[str, Any], ...] = (DUMMY,)) -> dict[str, Any]:
    return {"callback": "EvalCallback", "layers": list(layers), "chains": [list(chain)] if chain else [], "forked": []}


def rollout(**changes: Any) -> dict[str, Any]:
    return {"n_steps": 128, "buffer_size": 128, "n_envs": 4, "library": True, **changes}


LSTM = {"recurrent_modules": {"lstm_actor": {"batch_first": True}, "extractor.lstm": {"batch_first": True}}}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (Known({**LSTM, **flight(fed_time_major=["lstm_actor"])}), ["batch-first"]),
        # The user's own extractor may well be batch-first, and so may a policy that feeds its LSTM itself.
        (Known({**LSTM, **flight(fed_time_major=["lstm_critic"])}), []),
        (Known({**LSTM, **flight(fed_time_major=[])}), []),
        (Known(flight(rollout=rollout(n_steps=256))), ["n-steps-changed"]),
        (Known(flight(rollout=rollout())), []),
        (Known(flight(rollout=rollout(n_steps=256, library=False))), []),
        (Known(flight(eval_envs=[evaluated(MONITOR, MARKET)])), ["eval-without-limit"]),
        (Known(flight(eval_envs=[evaluated(MONITOR, LIMIT, MARKET)])), []),
        (Known(flight(eval_envs=[evaluated(MONITOR, {**MARKET, "limit": 500})])), []),
        (Known(flight(eval_envs=[evaluated(MONITOR, MARKET, layers=({**DUMMY, "limit": 9}, DUMMY))])), []),
        # In another process nothing is known of it.
        (Known(flight(eval_envs=[evaluated()])), []),
        (Known(flight(eval_envs=[evaluated(LIMIT, MONITOR, MARKET)])), ["monitor-inside-time-limit"]),
        (Known(flight(train_env=evaluated(LIMIT, MONITOR, MARKET))), ["monitor-inside-time-limit"]),
        (Known(flight(train_env=evaluated(MONITOR, LIMIT, MONITOR, MARKET))), []),
        (Known(flight(train_env=evaluated(LIMIT, MONITOR, MARKET, layers=({**DUMMY, "monitor": True},)))), []),
        (Known({"torch_threads": 3}, cores=2.0), ["threads-above-cores"]),
        (Known({"torch_threads": 2}, cores=1.5), []),
        (Known({"torch_threads": 8}), []),
        (Known(flight(variables={"OMP_THREAD_LIMIT": "2", "OMP_NUM_THREADS": "4"})), ["thread-limit"]),
        (Known({"torch_threads": 4, **flight(variables={"OMP_THREAD_LIMIT": "2"})}), ["thread-limit"]),
        (Known(flight(variables={"OMP_THREAD_LIMIT": "4", "OMP_NUM_THREADS": "4"})), []),
        (Known(runtimes=("/t/lib/libgomp.so.1", "/m/lib/libiomp5.so")), ["two-openmp-runtimes"]),
        (Known({"torch_threads": 2}, runtimes=("/t/libgomp.so.1", "/s/libgomp-a34b.so.1")), ["two-openmp-runtimes"]),
        (Known({"torch_threads": 1}, runtimes=("/t/libgomp.so.1", "/s/libgomp-a34b.so.1")), []),
        (Known({"torch_threads": 2}, runtimes=("/t/libgomp.so.1",)), []),
        (Known(before_fork=("OpenMP",)), ["fork-after-threads"]),
        (Known(flight(variables={"CUDA_VISIBLE_DEVICES": "3"}), gpus=frozenset({0, 1})), ["cuda-visible-devices"]),
        (Known(flight(variables={"CUDA_VISIBLE_DEVICES": "0"}, cuda_build="12.8")), ["cuda-visible-devices"]),
        (Known(flight(variables={"CUDA_VISIBLE_DEVICES": "1,0"}), gpus=frozenset({0, 1})), []),
        (Known(flight(variables={"CUDA_VISIBLE_DEVICES": "GPU-8932f937"}), gpus=frozenset({0})), []),
        (Known(flight(variables={"CUDA_VISIBLE_DEVICES": "-1"}), gpus=frozenset({0})), []),
        (Known(flight(variables={"CUDA_VISIBLE_DEVICES": "0"})), []),
        (Known({"hyperparameters": {"gradient_steps": 400, "train_freq_steps": 4}}), ["gradient-steps"]),
        (Known({"hyperparameters": {"gradient_steps": 4, "train_freq_steps": 4}}), []),
        (Known({"hyperparameters": {"gradient_steps": -1, "train_freq_steps": 4}}), []),
        (Known(flight(update={"minibatch_s": [0.05, 0.05], "minibatches": 320})), ["long-update"]),
        (Known(flight(update={"minibatch_s": [0.01, 0.01], "minibatches": 320})), []),
        (Known(), []),
    ],
)
def test_each_check_and_its_near_miss(known: Known, expected: list[str]) -> None:
    assert [item.id for item in warnings(known)] == expected


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ([0.05, 0.05], "the bar will stand still for about 16 s at step 2048; this is the update"),
        ([0.01, 0.05], "the bar will stand still for 3 to 16 s, by how often episodes begin, at step 2048"),
    ],
)
def test_a_long_update_is_told_as_what_it_is(seconds: list[float], said: str) -> None:
    facts = flight(
        at_step=0,
        rollout=rollout(n_steps=2048, buffer_size=2048, n_envs=1),
        update={"minibatch_s": seconds, "minibatches": 320},
    )
    (item,) = warnings(Known(facts))
    assert item.line.startswith(said)
    assert item.is_notice


def test_warnings_are_neutral_evidence_and_a_section_of_the_report() -> None:
    ahead = Preflight(os.getpid())
    diagnosis = Diagnosis(Verdict.HEALTHY, 1.0, "", (), Timing(1.0))
    assert ahead.noted(diagnosis) == diagnosis
    assert list(preflight_text.section(diagnosis)) == []
    ahead.warned.append(
        (1.5, Warned("n-steps-changed", "n_steps is 64", "it fails", "say it before", before_step=2048))
    )
    (item,) = ahead.noted(diagnosis).evidence
    assert (item.kind, item.supports, item.opposes, item.detail["id"]) == (KIND, (), (), "n-steps-changed")
    heading, text = preflight_text.section(ahead.noted(diagnosis))
    assert heading == "## Known before step 2048"
    assert "it fails" in text


def rehearsed(write: Write, text: str, **options: Any) -> dict[str, list[tuple[Level, str]]]:
    found = doctor.rehearse(Path(sys.executable), write(text), (), **options)
    return {check: [(item.level, item.says) for item in items] for check, items in found.items()}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_a_healthy_script_gives_no_warning(write: Write) -> None:
    # Its workers are forked, but before any computation.
    found = rehearsed(
        write,
        ENV
        + """
if __name__ == "__main__":
    venv = SubprocVecEnv([Market] * 2, start_method="fork")
    model = PPO("MlpPolicy", venv, n_steps=64, batch_size=32, n_epochs=2, device="cpu")
    model.learn(10**7, callback=EvalCallback(Monitor(TimeLimit(Market(), 50)), eval_freq=10**6))
""",
    )
    assert list(found) == ["script"]
    assert found["script"][0][0] is Level.OK


def test_a_script_with_much_against_it(write: Write) -> None:
    found = rehearsed(
        write,
        ENV
        + """
from sb3_contrib import RecurrentPPO

def work():
    # A team of threads of OpenMP's own, before the fork.
    torch.set_num_threads(2)
    x = torch.randn(600, 600)
    for _ in range(20):
        x = x.mm(x) / 600
    return x.sin().sum()

if __name__ == "__main__":
    work()
    venv = SubprocVecEnv([Market] * 2, start_method="fork")
    model = RecurrentPPO("MlpLstmPolicy", venv, n_steps=4096, batch_size=64, n_epochs=4000, seed=1, device="cpu",
                         policy_kwargs={"lstm_hidden_size": 16})
    inside = EvalCallback(Monitor(Market()), eval_freq=10**6)
    beside = EvalCallback(TimeLimit(Monitor(Market()), 9), eval_freq=10**6)
    model.learn(10**7, callback=[CallbackList([inside]), EveryNTimesteps(10**6, beside)])
""",
    )
    assert set(found) == {
        "script",
        "eval-without-limit",
        "monitor-inside-time-limit",
        "fork-after-threads",
        "long-update",
    }
    assert found["long-update"][0][0] is Level.OK
    assert "OpenMP" in found["fork-after-threads"][0][1]
    assert "Monitor(Market)" in found["eval-without-limit"][0][1]


def test_what_fails_in_the_first_update_is_known_before_it(write: Write, agent: Agent) -> None:
    script = write(
        ENV
        + """
from sb3_contrib import RecurrentPPO
model = RecurrentPPO("MlpLstmPolicy", Market(), n_steps=32, batch_size=32, n_epochs=1, seed=1, device="cpu",
                     policy_kwargs={"lstm_kwargs": {"batch_first": True}, "lstm_hidden_size": 16})
model.n_steps = 96
model.learn(0)
"""
    )
    assert agent.run(script).returncode == 0
    facts = agent.recording().text("facts")
    assert facts is not None
    assert [item.id for item in warnings(Known(facts))] == ["batch-first", "n-steps-changed"]


def test_the_measured_update_changes_no_result(write: Write, agent: Agent, tmp_path: Path) -> None:
    script = write(
        PPO
        + """
from sb3_contrib import RecurrentPPO
recurrent = RecurrentPPO("MlpLstmPolicy", Market(), n_steps=32, batch_size=32, n_epochs=2, seed=1, device="cpu",
                         policy_kwargs={"lstm_hidden_size": 16})
for item in (model, recurrent):
    item.learn(128, callback=EvalCallback(Monitor(TimeLimit(Market(), 50)), eval_freq=64))
weights = torch.cat([part.flatten() for item in (model, recurrent) for part in item.policy.parameters()])
numpy.savez(sys.argv[1], weights=weights.detach().numpy(), next=numpy.random.random(4), more=torch.rand(4).numpy())
"""
    )
    results = [tmp_path / f"{name}.npz" for name in ("plain", "measured")]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, str(script), str(results[0])], env=environment) as plain:
        measured = agent.run(script, results[1], FREEZELAB_PREFLIGHT="measure")
    assert (plain.returncode, measured.returncode) == (0, 0), measured.stderr
    assert results[0].read_bytes() == results[1].read_bytes()
    recording = agent.recording()
    assert "update" in (recording.text("facts") or {})["preflight"]
    assert recording.text("faults") is None


def test_a_run_tells_once_how_long_its_first_update_will_take(write: Write, tmp_path: Path) -> None:
    script = write(PPO.replace("n_epochs=2", "n_epochs=20_000") + "model.learn(10**6)")
    statuses: list[Status] = []
    options = WatchOptions(
        out=tmp_path / "out",
        limit_s=60,
        on_status=statuses.append,
        should_stop=lambda: any(status.warned for status in statuses[:-2]),
    )
    with pytest.raises(InterruptedRunError):
        watch([sys.executable, str(script)], options)
    (item,) = [item for status in statuses for item in status.warned]
    assert item.id == "long-update"
    assert "at step 64; this is the update (40000 minibatches), not a freeze" in item.line


def test_the_command_line_tells_all_outcomes(
    write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "consult", lambda machine: {})
    python = ["doctor", "--env", sys.executable, "--script"]
    assert freezelab.main([*python, "nowhere.py"]) == 2
    assert "nowhere.py: no such script" in capsys.readouterr().err
    failing = write("import sys\nraise ValueError(f'no prices in {sys.argv[1:]}')", "failing.py")
    assert freezelab.main([*python, str(failing), "--", "--days", "3"]) == 3
    said = capsys.readouterr().err
    assert "ValueError: no prices in ['--days', '3']" in said
    assert "before it learnt anything" in said
    idle = write("import time\ntime.sleep(60)", "idle.py")
    began = time.monotonic()
    assert freezelab.main([*python, str(idle), "--limit", "1", "--json"]) == 0
    assert time.monotonic() - began < 20
    (row,) = json.loads(capsys.readouterr().out)["findings"]
    assert (row["check"], row["level"]) == ("script", "warning")
    assert freezelab.main([*python, str(write("pass", "nothing.py"))]) == 0
    assert "never called learn" in capsys.readouterr().out
    assert freezelab.main(["doctor", "--", "stray"]) == 2
