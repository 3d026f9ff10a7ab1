"""What all environments share: spaces, the meaning of actions, and the time limit."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from repro.bars import N_SHARES, Bars, BarsError
from repro.features import N_FEATURES

SHARE_OBSERVATION = N_FEATURES + 1
"""What is seen of one share: its features, then the position in it."""
SHARE_ACTIONS = 3
"""What can be done with one share: 0 sell, 1 hold, 2 buy."""
OBSERVATION_SIZE = N_SHARES * SHARE_OBSERVATION
N_ACTIONS = SHARE_ACTIONS**N_SHARES

DIRECTIONS: NDArray[np.int64] = np.stack(np.divmod(np.arange(N_ACTIONS), SHARE_ACTIONS), axis=1) - 1
"""Shape ``(9, 2)``: action ``3 * a + b`` does ``a - 1`` with the first share and ``b - 1`` with the second
(-1 sell, 0 hold, +1 buy)."""

Observation = NDArray[np.float32]


class DualTickerEnv(gymnasium.Env):  # type: ignore[misc]  # gymnasium is not followed by the type checker
    """Two shares side by side.

    Observation: ``Box(-inf, inf, (26,), float32)``, the block of the first share (12 features, position),
    then that of the second. Action: ``Discrete(9)``, see `DIRECTIONS`. An episode is truncated after
    ``episode_steps`` steps.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}
    reads_bars: ClassVar[bool] = False
    """Whether the environment needs a market."""
    default_episode_steps: ClassVar[int] = 1000
    """Longest episode in steps, unless another is asked for."""

    def __init__(self, bars: Bars | None = None, episode_steps: int | None = None) -> None:
        """
        :param bars: the market, if the environment reads any
        :param episode_steps: longest episode in steps, 1 or more
        :raises BarsError: if bars are given to an environment that reads none
        :raises ValueError: if ``episode_steps`` is below 1
        """
        if bars is not None and not self.reads_bars:
            raise BarsError(f"{type(self).__name__} reads no bars")
        self.episode_steps = self.default_episode_steps if episode_steps is None else episode_steps
        if self.episode_steps < 1:
            raise ValueError(f"episode_steps is {self.episode_steps}, must be 1 or more")
        self.observation_space = spaces.Box(-np.inf, np.inf, (OBSERVATION_SIZE,), np.float32)
        self.action_space = spaces.Discrete(N_ACTIONS)

    @classmethod
    def required_bars(cls, episode_steps: int | None = None) -> int:
        """Minutes of bars that an episode of ``episode_steps`` (default: the environment's) needs."""
        return 0
