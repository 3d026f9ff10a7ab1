from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gymnasium
import pytest

import repro
from repro.envs import ENVIRONMENTS, is_users, make_environment
from repro.options import parse
from repro.train import main

SMALL = ("--policy", "MlpPolicy", "--n-steps", "32", "--batch-size", "32", "--n-epochs", "1")
MODULE = """
import gymnasium
import numpy

class Walk(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (3,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}

class Kinds:
    Walk = Walk

def short():
    return gymnasium.wrappers.TimeLimit(Walk(), 5)

def nothing():
    return None

number = 3
"""

Train = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's, in this process and below it."""
    folder = tmp_path / "src" / "walks"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "envs.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setenv("PYTHONPATH", str(folder.parent))
    for name in ("walks", "walks.envs"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "walks.envs"


@pytest.mark.parametrize("name", ["Walk", "short", "Kinds.Walk"])
def test_a_class_and_a_function_of_the_users_make_an_environment(module: str, name: str) -> None:
    assert isinstance(make_environment(f"{module}:{name}"), gymnasium.Env)


def test_episodes_of_the_users_environment_end_where_they_are_told_to(module: str) -> None:
    env = make_environment(f"{module}:Walk", episode_steps=3)
    env.reset(seed=0)
    assert [env.step(0)[3] for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("walks.nothing:Walk", ModuleNotFoundError, "walks.nothing"),
        ("walks.envs:Wlak", AttributeError, "Wlak"),
        ("walks.envs:nothing", TypeError, "no gymnasium.Env"),
        ("walks.envs:number", TypeError, "neither a class of environments nor a function"),
    ],
)
def test_a_wrong_place_is_told(module: str, name: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make_environment(name)


@pytest.mark.parametrize("name", ["walks:Walk", "a.b.c:D", "a:B.c", "größe:Ä"])
def test_a_place_is_a_module_and_a_name(name: str) -> None:
    assert is_users(name)
    assert parse(["--env", name]).env == name


@pytest.mark.parametrize("name", [*ENVIRONMENTS, "walks", "walks:", ":Walk", "a b:C", "a:b:c", "a..b:C", "1a:B"])
def test_what_is_no_place_is_none(name: str) -> None:
    assert not is_users(name)


def test_bars_are_not_for_the_users_environment(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--env", f"{module}:Walk", "--bars", "b.csv"]) == 2
    assert "walks.envs:Walk is not ours to give bars to" in capsys.readouterr().err


def test_an_apple_gpu_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    if torch.backends.mps.is_available():
        pytest.skip("there is one")
    assert main(["--device", "mps"]) == 2
    assert "--device: 'mps' asks for an Apple GPU" in capsys.readouterr().err


def train(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(Path(repro.__file__).parent), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("method", ["default", "spawn"])
def test_the_users_environment_is_trained_on_in_workers(module: str, method: str) -> None:
    done = train(
        *("--env", f"{module}:Walk", *SMALL, "--n-envs", "2", "--vec-env", "subproc", "--start-method", method)
    )
    assert done.returncode == 0, done.stderr
    assert "done: 64 steps" in done.stdout


def test_a_training_on_what_is_not_there_ends_with_the_exception(module: str) -> None:
    done = train("--env", f"{module}:Wlak", *SMALL)
    assert done.returncode == 1
    assert "AttributeError: module 'walks.envs' has no attribute 'Wlak'" in done.stderr
