"""The original environment: profit minus costs, 1000 minutes at most, a 2 % daily stop.

    reward = profit - costs                                              [% of the starting equity]

    profit = sum over shares of shares held × (next close - this close)
    costs  = 1 bp of the money traded (half a spread and the commission)

The account starts with 100,000 US dollars, and a unit of position is as much, so that gross leverage goes
up to two. In the synthetic market a random policy then has a standard deviation of some 0.15 % a minute and
trades 0.9 units a minute for 0.009 %: the 2 % stop ends its episodes after some 50 to 300 minutes.
"""

from __future__ import annotations

from repro.envs.trading import Orders, TradingEnv

COST_PER_NOTIONAL = 1e-4
"""Costs as a fraction of the money traded: 1 bp."""


class OriginalEnv(TradingEnv):
    """Profit minus costs; see the module for the formula."""

    starting_equity_usd = 100_000.0
    unit_usd = 100_000.0

    def trading_costs(self, orders: Orders) -> dict[str, float]:
        """Spread and commission, in proportion to the money traded."""
        return {"costs": COST_PER_NOTIONAL * float(orders.notional_usd.sum())}
