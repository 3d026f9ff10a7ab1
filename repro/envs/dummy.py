"""The dummy environment: noise, to see whether a freeze needs a market at all.

observation ~ standard normal, reward = 0.01 × standard normal, episodes of 100 steps
"""

from __future__ import annotations

from typing import Any

import numpy as np

from repro.envs.interface import OBSERVATION_SIZE, DualTickerEnv, Observation

REWARD_SCALE = 0.01


class DummyEnv(DualTickerEnv):
    """Pays no heed to actions; ``info`` is empty."""

    default_episode_steps = 100

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a new episode.

        :param seed: seeds the noise of this and all later episodes
        :param options: unused
        """
        super().reset(seed=seed)
        self._steps = 0
        return self._observe(), {}

    def step(self, action: int | np.integer[Any]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Draw the next observation and reward; truncated at the time limit, never terminated."""
        self._steps += 1
        reward = REWARD_SCALE * float(self.np_random.standard_normal())
        return self._observe(), reward, False, self._steps >= self.episode_steps, {}

    def _observe(self) -> Observation:
        noise: Observation = self.np_random.standard_normal(OBSERVATION_SIZE, dtype=np.float32)
        return noise
