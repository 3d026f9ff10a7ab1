"""Where two runs part: one planted bit is found by row and value, and a repeat tells chance from cause."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezelab import main
from matrix.bisecting.steps import compare_runs, first_difference
from matrix.bisecting.zoom import first_value
from matrix.bisecting.zoomed_update import first_update
from matrix.errors import MatrixError
from probes.fingerprint import Rollout
from probes.watch import WatchOptions, watch

_ARRAYS = ("observations", "actions", "rewards", "values", "log_probs", "episode_starts", "advantages", "returns")
PLANTED = """
import sys
import gymnasium
import numpy as np
from stable_baselines3 import PPO

class OneBit(gymnasium.Wrapper):
    steps = 0
    def step(self, action):
        observation, reward, *rest = self.env.step(action)
        self.steps += 1
        if self.steps == int(sys.argv[1]):
            number = np.array([reward], dtype=np.float32)
            number.view(np.uint32)[0] ^= 1
            reward = float(number[0])
        return observation, reward, *rest

env = OneBit(gymnasium.make("CartPole-v1"))
PPO("MlpPolicy", env, n_steps=64, batch_size=64, n_epochs=1, seed=1, device="cpu").learn(192)
"""


NUDGED = """
import sys
import gymnasium
import torch
from stable_baselines3 import PPO

class Nudged(torch.optim.Adam):
    steps = 0
    def step(self, closure=None):
        self.steps += 1
        if self.steps == int(sys.argv[1]):
            self.param_groups[0]["params"][-1].grad *= 2
        return super().step(closure)

policy = {"optimizer_class": Nudged}
env = gymnasium.make("CartPole-v1")
PPO("MlpPolicy", env, n_steps=64, batch_size=32, n_epochs=2, seed=1, device="cpu", policy_kwargs=policy).learn(192)
"""


def rollout(number: int = 1, **changed: str) -> Rollout:
    """Two environments of 8 rows, 4 in a block; ``changed`` are checksums other than a row of zeros."""
    same: tuple[str, ...] = ("00000000",) * 4
    arrays: dict[str, tuple[str, ...]] = dict.fromkeys(_ARRAYS, same)
    for name, at in changed.items():
        arrays[name] = tuple("ffffffff" if place == int(at) else each for place, each in enumerate(same))
    return Rollout(number, number * 16, 2, 8, 4, 1, arrays)


def test_the_earliest_row_counts_before_the_order_of_arrays() -> None:
    # observations: environment 0, rows 4..7; rewards: environment 1, rows 0..3
    found = first_difference([rollout()], [rollout(observations="1", rewards="2")])
    assert found is not None
    assert (found.array, found.env, found.rows, found.phase) == ("rewards", 1, (0, 3), "collect")


def test_advantages_count_only_where_all_else_is_the_same() -> None:
    found = first_difference([rollout()], [rollout(advantages="0", rewards="1", returns="0")])
    assert found is not None
    assert (found.array, found.phase) == ("rewards", "collect")
    alone = first_difference([rollout()], [rollout(advantages="0")])
    assert alone is not None
    assert alone.phase == "advantage"


def test_a_policy_that_answers_otherwise_at_once_points_to_the_update_before() -> None:
    later = first_difference([rollout(), rollout(2)], [rollout(), rollout(2, actions="0", values="0")])
    assert later is not None
    assert (later.rollout, later.phase, later.array) == (2, "train", "values")
    first = first_difference([rollout()], [rollout(values="0")])
    assert first is not None
    assert first.phase == "setup"


def test_what_only_one_of_them_looked_at_is_not_compared() -> None:
    assert first_difference([rollout(), rollout(2, values="0")], [rollout()]) is None


@given(st.integers(0, 2), st.integers(0, 7), st.integers(0, 2), st.integers(0, 31))
def test_any_single_bit_is_found_by_its_place(env: int, row: int, at: int, bit: int) -> None:
    a: dict[str, Any] = {
        "observations": np.ones((3, 8, 3), np.float32),
        "rewards": np.zeros((3, 8), np.float32),
        "returns": np.zeros((3, 8), np.float32),
    }
    b = {name: each.copy() for name, each in a.items()}
    b["observations"].view(np.uint32)[env, row, at] ^= np.uint32(1 << bit)
    found = first_value(4, a, b)
    assert found is not None
    assert (found.array, found.env, found.row, found.index) == ("observations", env, row, (at,))
    assert (found.bits, found.differing, found.a) == (1, 1, "1.0")


def test_the_same_bits_do_not_differ_and_other_shapes_are_refused() -> None:
    nan = {"rewards": np.full((1, 2), np.nan, np.float32)}
    assert first_value(1, nan, {"rewards": nan["rewards"].copy()}) is None
    with pytest.raises(MatrixError, match="differ in arrays, shape or type"):
        first_value(1, nan, {"rewards": np.zeros((1, 3), np.float32)})


def _run(program: Path, out: Path, *words: str) -> Path:
    watch([sys.executable, str(program), *words], WatchOptions(out=out, limit_s=120, stacks=False, stdin_null=True))
    return out


def test_one_planted_bit_of_a_real_training_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "train.py"
    program.write_text(PLANTED, encoding="utf-8")
    with ThreadPoolExecutor(3) as pool:
        a, again, b = pool.map(
            lambda run: _run(program, tmp_path / run[0], run[1]), (("a", "0"), ("a2", "0"), ("b", "100"))
        )
    found = compare_runs(a, b, again)
    assert found.parting is not None
    assert (found.parting.rollout, found.parting.array, found.parting.env) == (2, "rewards", 0)
    assert found.parting.rows is not None
    assert found.parting.rows[0] <= 35 <= found.parting.rows[1]
    assert found.noise is None
    assert "has a cause" in found.judgement
    # The other way round it is the repeat that has the bit: what A and its repeat differ by says nothing.
    assert "not deterministic" in compare_runs(a, b, b).judgement

    assert main(["bisect", "steps", str(a), str(b), "--repeat", str(again), "--zoom", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    value = told["value"]
    assert (value["rollout"], value["row"], value["array"], value["bits"], value["a"]) == (2, 35, "rewards", 1, "1.0")
    assert json.loads((b / "steps" / "steps.json").read_text(encoding="utf-8")) == told


def test_what_was_planted_in_an_update_is_found_by_step_and_parameter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "train.py"
    program.write_text(NUDGED, encoding="utf-8")
    a, b = _run(program, tmp_path / "a", "0"), _run(program, tmp_path / "b", "3")
    assert main(["bisect", "steps", str(a), str(b), "--zoom", "--json"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert found["parting"]["phase"] == "train"
    update = found["update"]
    assert (update["after"], update["step"], update["kind"], update["parameters"]) == (1, 3, "gradient", 1)
    assert update["parameter"] == "value_net.bias"
    assert update["weights"] > 1
    assert "optimizer step 3: the gradient of value_net.bias" in told.err


def test_equal_gradients_and_unlike_weights_are_the_optimizers_doing() -> None:
    same = np.zeros(4, np.uint32)
    a: dict[str, Any] = {"gradient/w": same, "weights/w": same, "value/w": np.zeros(3)}
    b: dict[str, Any] = {
        "gradient/w": np.array([0, 0, 1, 1]),
        "weights/w": np.array([0, 1, 1, 1]),
        "value/w": np.array([0, 1, 0]),
    }
    found = first_update(2, a, b)
    assert found is not None
    assert (found.step, found.kind, found.weights) == (2, "weights", 1)
    assert first_update(2, a, a) is None
    assert first_update(2, {}, {}) is None


def test_of_a_freeze_without_a_twin_the_last_event_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "stands.py"
    program.write_text(
        "import time\nimport gymnasium\nenv = gymnasium.make('CartPole-v1')\nenv.reset(seed=0)\n"
        "for _ in range(5): env.step(0)\ntime.sleep(60)\n",
        encoding="utf-8",
    )
    run = tmp_path / "run"
    watch([sys.executable, str(program)], WatchOptions(out=run, limit_s=4, stacks=False, stdin_null=True))
    assert main(["bisect", "steps", str(run), str(run), "--json"]) == 0
    told = capsys.readouterr()
    last = json.loads(told.out)["last"][0]
    assert last["process"] == "main"
    assert last["events"] > 0
    assert "last event  main in" in told.err


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bisect", "steps", str(tmp_path), str(tmp_path)]) == 2
    assert "no run's folder" in capsys.readouterr().err
