"""Who gave a reward that is no number: the environment's ``step``, as long as nobody else may have made it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from probes.agent import giver
from probes.verdicts import Verdict
from probes.watch import WatchOptions, watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.probes.conftest import Write


class Desk:
    def step(self, action: int) -> float:
        return float("nan")


class Own:
    """A user's layer around another."""

    def __init__(self, **inside: Any) -> None:
        vars(self).update(inside)

    def step(self, action: int) -> float:
        return 0.0


class Model:
    def __init__(self, env: Any) -> None:
        self.env = env


@pytest.fixture(autouse=True)
def forgets() -> Iterator[None]:
    yield
    giver._learns_in = None


def library_layer(venv: Any) -> Any:
    layer = type("VecNormalize", (Own,), {"__module__": "stable_baselines3.common.vec_env.vec_normalize"})
    return layer(venv=venv)


def asked(env: Any, index: int = 0) -> dict[str, Any] | None:
    model = Model(env)
    giver.learn_begins(model)
    return giver.of_reward(index)


def test_the_one_layer_that_is_the_users_gave_it() -> None:
    for env in (Own(envs=[Desk()]), library_layer(Own(envs=[Desk()]))):
        gave = asked(env)
        assert gave is not None
        assert (gave["function"], gave["file"]) == ("Desk.step", __file__)


@pytest.mark.parametrize(
    "env",
    [
        None,
        Own(envs=[]),
        Own(envs=[Own(env=Desk())]),  # two layers of the user's: which of them made it, nobody knows
        Own(venv=Own(envs=[Desk()])),  # a user's vectorised layer may make another reward of it
        Own(),  # workers in processes: not seen from here
    ],
)
def test_where_that_is_not_certain_nobody_is_named(env: Any) -> None:
    assert asked(env) is None


def test_an_environment_that_is_gone_is_not_held() -> None:
    env = Own(envs=[Desk()])
    giver.learn_begins(Model(env))
    del env
    assert giver.of_reward(0) is None


def test_a_reward_that_is_no_number_is_laid_at_the_environments_door(write: Write, tmp_path: Path) -> None:
    script = write("""
        import gymnasium, numpy, torch
        from stable_baselines3 import A2C
        from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
        torch.set_num_threads(1)
        class Prices(gymnasium.Env):
            observation_space = gymnasium.spaces.Box(-1, 1, (2,), numpy.float32)
            action_space = gymnasium.spaces.Discrete(2)
            steps = 0
            def reset(self, *, seed=None, options=None):
                return numpy.zeros(2, numpy.float32), {}
            def step(self, action):
                self.steps += 1
                return numpy.zeros(2, numpy.float32), self.gain(), self.steps % 20 == 0, False, {}
            def gain(self):
                return float("inf") if self.steps == 33 else 0.0
        A2C("MlpPolicy", DummyVecEnv([Prices]), n_steps=10, device="cpu").learn(60)
    """)
    diagnosis = watch([sys.executable, str(script)], WatchOptions(out=tmp_path / "run", limit_s=60))
    assert diagnosis.verdict is Verdict.CORRUPTION
    assert diagnosis.culprit is not None
    assert diagnosis.culprit.function == "step"
    assert "rewards come from Prices.step" in diagnosis.summary
