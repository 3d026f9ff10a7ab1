"""Environments to go on training in; each number is drawn from the environment's own generator."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import EzPickle


class Noise(gymnasium.Env[Any, Any]):  # type: ignore[misc]
    """Episodes of 7 to 12 steps; where one stands is part of the state."""

    observation_space = gymnasium.spaces.Box(-9, 9, (3,), np.float32)
    action_space: Any = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(7, 13))
        return self._observe(), {}

    def step(self, action: Any) -> Any:
        self.left -= 1
        return self._observe(), float(self.np_random.normal()), self.left == 0, False, {}

    def action_masks(self) -> Any:
        return np.ones(3, bool)

    def _observe(self) -> Any:
        return self.np_random.normal(size=3).astype(np.float32)


class BoxNoise(Noise):
    """The same with continuous actions."""

    def __init__(self) -> None:
        self.action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)


class MadeAnew(Noise, EzPickle):  # type: ignore[misc]
    """Its pickle says how it was made, and not where it stands."""

    def __init__(self) -> None:
        EzPickle.__init__(self)


class Unpicklable(Noise):
    """Holds what can't be pickled."""

    def __init__(self) -> None:
        self.generator = iter(x for x in range(3))


class Slower(Noise):
    """Says by a file that it steps, and steps slowly enough to be killed meanwhile."""

    def step(self, action: Any) -> Any:
        Path(os.environ["EXTEND_TEST_FILE"]).touch()
        time.sleep(0.02)
        return super().step(action)


class CrashesOnce(Noise):
    """Aborts, the first time that it comes so far; a file remembers."""

    steps = 0

    def step(self, action: Any) -> Any:
        self.steps += 1
        been_there = Path(os.environ["EXTEND_TEST_FILE"])
        if self.steps > 40 and not been_there.exists():
            been_there.touch()
            os.abort()
        return super().step(action)


class Freezes(Noise):
    """Waits on a lock that nobody will release."""

    steps = 0

    def step(self, action: Any) -> Any:
        self.steps += 1
        if self.steps > 20:
            lock = threading.Lock()
            lock.acquire()
            lock.acquire()
        return super().step(action)
