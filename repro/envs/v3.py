"""The V3 environment: market impact paid in the price, and a shaped reward.

    reward = profit - impact - tickets - risk_free - action_change - downside + hold_bonus
                                                                         [% of the starting equity]

    profit        = sum over shares of shares held × (next close - this close)
    impact        = sum over shares of money traded × 68 bp × sqrt(shares traded / shares in the bar), the
                    square-root law; the ratio counts as 1 at most. It is embedded in the price of the
                    trade, so it lowers the equity
    tickets       = 1 US dollar for each share in which an order is given; lowers the equity
    risk_free     = what the starting equity would have earned in the minute at 4 % a year
    action_change = 0.002 % for each share with which something else is done than in the step before (hold
                    before the first)
    downside      = 0.5 × loss², where loss = max(0, risk_free - (profit - impact - tickets)) in %
    hold_bonus    = 0.001 % if both shares are held

The account starts with 800,000 US dollars, a unit is as much. Trading that in a minute of the synthetic
market costs some 7 and 13 bp, and a random policy trades 0.44 units of each a minute: it loses 0.1 % a
minute on average, and the 2 % stop ends its episodes after about 20.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.bars import DAYS_PER_YEAR, MINUTES_PER_DAY, N_SHARES
from repro.envs.interface import Observation
from repro.envs.trading import Orders, TradingEnv

IMPACT_PER_NOTIONAL = 68e-4
"""Impact of trading as many shares as the whole bar, as a fraction of the money traded: 68 bp."""
TICKET_USD = 1.0
"""Cost of one order, US dollars."""
RISK_FREE_PER_YEAR = 0.04
"""Risk-free rate a year, as a fraction."""
ACTION_CHANGE_PERCENT = 0.002
"""Penalty for each share with which something else is done than before, % of the starting equity."""
HOLD_BONUS_PERCENT = 0.001
"""Bonus for holding both shares, % of the starting equity."""
DOWNSIDE_PER_PERCENT = 0.5
"""Penalty for a loss below the risk-free baseline, per square of the loss in %."""

_RISK_FREE_PERCENT = 100 * RISK_FREE_PER_YEAR / (DAYS_PER_YEAR * MINUTES_PER_DAY)


class V3Env(TradingEnv):
    """Impact, baseline, bonus and penalties; see the module for the formula."""

    starting_equity_usd = 800_000.0
    unit_usd = 800_000.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start at a random bar, as if both shares had been held before."""
        self._last_directions = np.zeros(N_SHARES, dtype=np.int64)
        return super().reset(seed=seed, options=options)

    def trading_costs(self, orders: Orders) -> dict[str, float]:
        """Square-root impact, and a ticket for each order."""
        # At least one share: an empty bar has no volume to compare with, and counts as fully taken.
        taken = np.minimum(orders.shares / np.maximum(orders.volume, 1.0), 1.0)
        return {
            "impact": IMPACT_PER_NOTIONAL * float(orders.notional_usd @ np.sqrt(taken)),
            "tickets": TICKET_USD * int(np.count_nonzero(orders.shares)),
        }

    def shaping(self, directions: NDArray[np.int64], gain: float) -> dict[str, float]:
        """Baseline, penalties and bonus."""
        changed = int(np.count_nonzero(directions != self._last_directions))
        self._last_directions = directions
        loss = max(0.0, _RISK_FREE_PERCENT - gain)
        return {
            "risk_free": -_RISK_FREE_PERCENT,
            "action_change": -ACTION_CHANGE_PERCENT * changed,
            "downside": -DOWNSIDE_PER_PERCENT * loss**2,
            "hold_bonus": 0.0 if directions.any() else HOLD_BONUS_PERCENT,
        }
