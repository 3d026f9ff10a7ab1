"""What is told of an update besides its calls: padding, subnormal numbers, many gradient steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from stable_baselines3 import PPO

from probes.agent import layout, updates
from probes.agent.recorder import Recorder, phase_id
from probes.evidence.update import gradient_steps, padding, subnormals
from probes.observer import Observations
from probes.progress import Progress


@pytest.fixture
def model() -> Iterator[Any]:
    torch.manual_seed(1)
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=64, batch_size=32, n_epochs=1, device="cpu")
    model.learn(64)
    updates.begins(model, None)
    yield model
    updates._trains = None


def test_numbers_that_are_subnormal_are_counted_and_left_alone(model: Any) -> None:
    share = updates._subnormal_share()
    assert share is not None
    assert share < 0.01
    weights = {name: weight.clone() for name, weight in model.policy.state_dict().items()}
    with torch.no_grad():
        for moments in model.policy.optimizer.state.values():
            moments["exp_avg_sq"].fill_(1e-40)
    share = updates._subnormal_share()
    assert share is not None
    assert 0.2 < share < 0.3
    assert all(torch.equal(weight, weights[name]) for name, weight in model.policy.state_dict().items())


def test_zeros_and_small_but_normal_numbers_are_none(model: Any) -> None:
    with torch.no_grad():
        for moments in model.policy.optimizer.state.values():
            moments["exp_avg_sq"].fill_(0.0)
            moments["exp_avg"].fill_(2e-38)
    share = updates._subnormal_share()
    assert share is not None
    assert share < 0.01


def test_without_a_model_nothing_is_said() -> None:
    updates._trains = None
    assert updates._subnormal_share() is None


def test_the_share_of_a_minibatch_that_is_no_padding() -> None:
    mask = torch.zeros(8, 5)
    mask[:, 0] = 1
    assert updates._used_share(SimpleNamespace(mask=mask)) == pytest.approx(0.2)
    assert updates._used_share(SimpleNamespace(observations=mask)) is None
    assert updates._used_share(None) is None


def seen(**figures: float | None) -> Observations:
    return Observations(0, censuses=[{"minibatch": n, "rows": [], **figures} for n in range(3)])


def test_little_use_and_many_subnormals_are_told(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    (padded,) = padding(seen(used_share=0.02), progress)
    assert padded.detail["used_share"] == 0.02
    assert "50 times" in padded.says
    (tiny,) = subnormals(seen(subnormal_share=0.4), progress)
    assert "40%" in tiny.says


@pytest.mark.parametrize(
    "figures", [{}, {"used_share": None, "subnormal_share": None}, {"used_share": 0.6, "subnormal_share": 0.001}]
)
def test_nothing_is_told_of_what_is_usual_or_unknown(figures: dict[str, float | None], tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    assert list(padding(seen(**figures), progress)) == []
    assert list(subnormals(seen(**figures), progress)) == []


LOOP = {
    "caller": "_process_sequence", "caller_file": "/x/policies.py", "caller_line": 150, "caller_invocations": 2,
    "callee": "_call_impl", "callee_file": "/x/torch/module.py", "owner": "LSTM", "calls": 128,
}  # fmt: skip
"""One LSTM that ran step by step, as a census counts it."""


@pytest.mark.parametrize(
    ("counted", "loops_in", "enough"),
    [(3, 1, False), (4, 1, True), (4, 0, False), (15, 0, False), (15, 1, True), (16, 0, True), (0, 0, False)],
)
def test_minibatches_are_counted_until_one_with_a_loop_can_hardly_have_been_missed(
    *, counted: int, loops_in: int, enough: bool
) -> None:
    censuses: list[dict[str, Any]] = [{"rows": [LOOP] if number < loops_in else []} for number in range(counted)]
    assert Observations(0, censuses=censuses).counted_enough() is enough


@pytest.mark.parametrize(
    ("steps", "every", "told"), [(1000, 50, True), (50, 50, False), (-1, 50, False), (400, 50, True)]
)
def test_many_gradient_steps_are_told_of_an_update_that_stands_still(
    steps: int, every: int, told: bool, tmp_path: Path
) -> None:
    recorder = Recorder()
    recorder.open(str(tmp_path))
    recorder.text("facts", {"hyperparameters": {"gradient_steps": steps, "train_freq_steps": every}})
    progress = Progress(tmp_path)
    recorder.enter(phase_id("learn"))
    recorder.step(50)
    now = recorder.words[layout.STEP_NS]
    recorder.enter(phase_id("train"))
    progress.poll(now)
    for second in range(1, 6):
        recorder.leave(recorder.enter(phase_id("optimizer")))
        progress.poll(now + second * 1_000_000_000)
    assert progress.stands_still()
    assert bool(list(gradient_steps(seen(), progress))) is told
    progress.close()
