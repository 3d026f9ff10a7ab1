"""What the original and the V3 environment have in common: trading on bars under a daily stop.

One step is one minute. At the close of bar ``t`` the agent sees the features of that bar and its positions,
and trades at that close; then bar ``t + 1`` comes, and the account is valued at its close.

A position is -1, 0 or +1 units; *sell* takes one unit off, *buy* puts one on, and nothing happens beyond
±1. A unit is a fixed amount of money, turned into shares at the price of the trade. With a unit as large as
the starting equity, gross leverage reaches two, what a margin account may hold over night.

All reward terms are in % of the starting equity, and add up to the reward.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from repro.account import Account, DailyDrawdown
from repro.bars import N_SHARES, Bars, FloatArray
from repro.envs.interface import DIRECTIONS, SHARE_OBSERVATION, DualTickerEnv, Observation
from repro.features import N_FEATURES, WARM_UP_BARS, share_features
from repro.market import DEFAULT_MINUTES, synthetic_market


@dataclass(frozen=True)
class Orders:
    """What is traded at one close; every array has shape ``(2,)``."""

    shares: FloatArray
    """Number of shares bought or sold, 0 or more."""
    prices: FloatArray
    """Closing price in US dollars."""
    volume: FloatArray
    """Shares that the whole market traded in the bar."""

    @property
    def notional_usd(self) -> FloatArray:
        """Money that changes hands, US dollars."""
        notional: FloatArray = self.shares * self.prices
        return notional


class TradingEnv(DualTickerEnv):
    """Base of the environments with a market; see the module for the rules.

    ``info`` holds ``bar`` (index into the bars), ``equity`` (US dollars), ``drawdown`` (fraction of the
    day's peak) and, after a step, ``turnover`` (US dollars traded), ``stopped`` (whether the drawdown stop
    ended the episode) and ``reward_terms`` (name to % of the starting equity).
    """

    reads_bars = True
    starting_equity_usd: ClassVar[float]
    """Money at the start of an episode, US dollars."""
    unit_usd: ClassVar[float]
    """Size of one unit of position, US dollars."""
    stop_drawdown: ClassVar[float] = 0.02
    """Drawdown from the day's peak that terminates the episode, as a fraction."""

    def __init__(self, bars: Bars | None = None, episode_steps: int | None = None) -> None:
        """
        :param bars: the market; without it a synthetic one of seed 0, long enough
        :param episode_steps: longest episode in steps, 1 or more
        :raises BarsError: if the bars can't hold an episode of that length
        """
        super().__init__(bars, episode_steps)
        required = self.required_bars(self.episode_steps)
        if bars is None:
            bars = synthetic_market(seed=0, n_minutes=max(DEFAULT_MINUTES, required))
        bars.require(required)
        self.bars = bars
        self._starts_day = bars.starts_day
        # One column is left for the position, so that an observation is one copy.
        self._views = np.zeros((len(bars), N_SHARES, SHARE_OBSERVATION), dtype=np.float32)
        self._views[:, :, :N_FEATURES] = share_features(bars)

    @classmethod
    def required_bars(cls, episode_steps: int | None = None) -> int:
        """Warm-up of the features, the bar to start from, and one bar for each step."""
        return WARM_UP_BARS + 1 + (cls.default_episode_steps if episode_steps is None else episode_steps)

    @abstractmethod
    def trading_costs(self, orders: Orders) -> dict[str, float]:
        """Name to US dollars, 0 or more, that leave the account for these orders."""

    def shaping(self, directions: NDArray[np.int64], gain: float) -> dict[str, float]:
        """Terms of the reward that move no money.

        :param directions: what the agent did, shape ``(2,)``, -1 sell, 0 hold, +1 buy
        :param gain: change of the equity in this step, % of the starting equity
        :return: name to % of the starting equity
        """
        return {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start at a random bar with cash only.

        :param seed: seeds the choice of this and all later starts
        :param options: unused
        """
        super().reset(seed=seed)
        last_start = len(self.bars) - 1 - self.episode_steps
        self._bar = int(self.np_random.integers(WARM_UP_BARS, last_start, endpoint=True))
        self._steps = 0
        self._positions = np.zeros(N_SHARES, dtype=np.int64)
        self._account = Account(self.starting_equity_usd)
        self._equity = self.starting_equity_usd
        self._drawdown = DailyDrawdown(self._equity)
        return self._observe(), {"bar": self._bar, "equity": self._equity, "drawdown": 0.0}

    def step(self, action: int | np.integer[Any]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Trade at this close and go on to the next.

        :param action: 0 to 8, see `repro.envs.interface.DIRECTIONS`
        :return: observation, reward in % of the starting equity, terminated (drawdown stop), truncated
            (time limit), info
        """
        directions = DIRECTIONS[action]
        change, orders = self._order(directions)
        costs = self.trading_costs(orders)
        self._account.trade(change, orders.prices, sum(costs.values()))

        self._bar += 1
        self._steps += 1
        close = self.bars.close[self._bar]
        profit = float(self._account.shares @ (close - orders.prices))
        before, self._equity = self._equity, self._account.equity_usd(close)

        terms = {"profit": self._percent(profit)}
        terms.update({name: -self._percent(usd) for name, usd in costs.items()})
        terms.update(self.shaping(directions, self._percent(self._equity - before)))

        drawdown = self._drawdown.update(self._equity, starts_day=bool(self._starts_day[self._bar]))
        stopped = drawdown >= self.stop_drawdown
        info = {
            "bar": self._bar,
            "equity": self._equity,
            "drawdown": drawdown,
            "turnover": float(orders.notional_usd.sum()),
            "stopped": stopped,
            "reward_terms": terms,
        }
        return self._observe(), sum(terms.values()), stopped, self._steps >= self.episode_steps, info

    def _order(self, directions: NDArray[np.int64]) -> tuple[FloatArray, Orders]:
        """Move the positions; returns the signed change of shares, and the orders for it."""
        prices = self.bars.close[self._bar]
        target = np.clip(self._positions + directions, -1, 1)
        held = self._account.shares
        change = np.where(target != self._positions, target * self.unit_usd / prices - held, 0.0)
        self._positions = target
        return change, Orders(np.abs(change), prices, self.bars.volume[self._bar])

    def _percent(self, usd: float) -> float:
        return 100 * usd / self.starting_equity_usd

    def _observe(self) -> Observation:
        # A fresh array each time: DummyVecEnv keeps terminal observations without copying them.
        view: Observation = self._views[self._bar].flatten()
        view[N_FEATURES::SHARE_OBSERVATION] = self._positions
        return view
