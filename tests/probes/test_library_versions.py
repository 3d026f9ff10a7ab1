"""The agent in environments of other library versions: every algorithm, and workers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from matrix.environments import guard
from matrix.environments.cache import CellEnvironment, UvEnvironments, default_cache
from matrix.environments.uv import Uv
from matrix.plan.cells import VersionSet
from tests.probes.test_algorithms import check, train

if TYPE_CHECKING:
    from tests.probes.conftest import Agent, Write

# torch as it is here, so that it is linked and not fetched again.
_TORCH = f"torch=={version('torch').partition('+')[0]}"


@dataclass(frozen=True)
class Libraries:
    """An environment to test in."""

    requirements: tuple[str, ...]
    newest_python: tuple[int, int] = sys.version_info[:2]
    """The newest that they work with."""
    by_pip: tuple[str, ...] = ()
    """Releases whose metadata only an old pip accepts."""
    missing: tuple[str, ...] = ()
    """Algorithms that they don't have yet."""


LIBRARIES = {
    "1.8": Libraries(
        # All that those below depend on; gym 0.21 asks importlib.metadata in a way that ended with Python 3.11.
        (_TORCH, "numpy<2", "cloudpickle==2.2.1", "importlib-metadata~=4.13", "matplotlib", "pandas", "pip<24.1"),
        newest_python=(3, 11),
        by_pip=("gym==0.21.0", "stable-baselines3==1.8.0", "sb3-contrib==1.8.0"),
        missing=("CrossQ",),
    ),
    "2.3": Libraries(
        (_TORCH, "stable-baselines3==2.3.2", "sb3-contrib==2.3.0", "numpy<2", "cloudpickle==3.0.0"),
        newest_python=(3, 12),
        missing=("CrossQ",),
    ),
    "2.6": Libraries((_TORCH, "stable-baselines3==2.6.0", "sb3-contrib==2.6.0")),
    "newest": Libraries((_TORCH, "stable-baselines3", "sb3-contrib")),
}


def build(libraries: Libraries) -> Path:
    """The interpreter of the environment, which is kept for the next time."""
    major, minor = min(libraries.newest_python, sys.version_info[:2])
    wanted = VersionSet("test", libraries.requirements, f"{major}.{minor}")
    environment = UvEnvironments(Uv(), default_cache()).provide(wanted, None, lambda: False)
    assert isinstance(environment, CellEnvironment), environment
    if not libraries.by_pip:
        return environment.python
    # Into a copy: what pip added to a shared environment would be undone as a change of it.
    folder = environment.python.parent.parent
    own = default_cache().parent / "by-pip" / folder.name
    own.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{own}.lock"):
        done = own / "by-pip.txt"
        if not done.exists():
            guard.remove(own)
            shutil.copytree(folder, own, symlinks=True, copy_function=os.link)
            guard.unseal(own)
            _install_by_pip(own / "bin" / "python", libraries.by_pip)
            done.write_text("\n".join(libraries.by_pip))
    return own / "bin" / "python"


def _install_by_pip(python: Path, releases: tuple[str, ...]) -> None:
    constraints = python.parent / "build-constraints.txt"
    # gym 0.21 is built from source, by tools that still take "opencv-python>=3." for a requirement.
    constraints.write_text("setuptools<66\nwheel<0.39\n")
    command = [str(python), "-m", "pip", "install", "--no-deps", *releases]
    done = subprocess.run(
        command, env={**os.environ, "PIP_CONSTRAINT": str(constraints)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module", params=LIBRARIES)
def libraries(request: pytest.FixtureRequest) -> tuple[Libraries, Path]:
    """An environment and its interpreter."""
    found = LIBRARIES[request.param]
    return found, build(found)


def test_what_is_shown_of_every_algorithm_is_true(libraries: tuple[Libraries, Path], tmp_path: Path) -> None:
    found, python = libraries
    said, agent = train(tmp_path, python)
    assert {name for name, of in said.items() if of.get("missing")} == set(found.missing)
    for of in said.values():
        if not of.get("missing"):
            check(of)
    assert len(agent.states()) == 1


WORKERS = """
    import numpy as np
    from stable_baselines3.common.vec_env import SubprocVecEnv
    try:
        import gymnasium as gym
        NEW = True
    except ImportError:
        import gym
        NEW = False

    class Walk(gym.Env):
        observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
        action_space = gym.spaces.Discrete(2)
        def reset(self, **options):
            observation = np.zeros(2, np.float32)
            return (observation, {}) if NEW else observation
        def step(self, action):
            observation = np.zeros(2, np.float32)
            return (observation, 1.0, False, False, {}) if NEW else (observation, 1.0, False, {})

    if __name__ == "__main__":
        for method in ("spawn", "fork"):
            # Walk is __main__'s: it goes to the workers by value.
            envs = SubprocVecEnv([lambda: Walk() for _ in range(2)], start_method=method)
            envs.reset()
            for _ in range(25):
                envs.step(np.zeros(2, int))
            print(*[process.pid for process in envs.processes])
            envs.close()
"""


def test_workers_that_are_spawned_and_forked_are_numbered_and_marked(
    libraries: tuple[Libraries, Path], agent: Agent, write: Write
) -> None:
    _, python = libraries
    done = agent.run(write(WORKERS), python=python)
    assert done.returncode == 0, done.stderr
    states = agent.states()
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        workers = [states[int(pid)] for pid in line.split()]
        assert [state.worker for state in workers] == [0, 1]
        assert [state.phases["env.step"].count for state in workers] == [25, 25]
        assert [state.phases["env.reset"].count for state in workers] == [1, 1]
