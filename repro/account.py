"""An account that holds two shares, and the stop that watches its day."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from repro.bars import N_SHARES, FloatArray


@dataclass
class Account:
    """Cash and shares; both may be negative, as on a margin account."""

    cash_usd: float
    """Money in US dollars."""
    shares: FloatArray = field(default_factory=lambda: np.zeros(N_SHARES))
    """Number of each share held, shape ``(2,)``; negative when sold short."""

    def equity_usd(self, prices: FloatArray) -> float:
        """What would be left if all were sold at ``prices`` (US dollars, shape ``(2,)``)."""
        return self.cash_usd + float(self.shares @ prices)

    def trade(self, change: FloatArray, prices: FloatArray, costs_usd: float) -> None:
        """Exchange cash for shares: the equity at ``prices`` falls by exactly the costs.

        :param change: number of each share to buy (negative: to sell), shape ``(2,)``
        :param prices: US dollars a share, shape ``(2,)``
        :param costs_usd: paid on top, in US dollars
        """
        self.cash_usd -= float(change @ prices) + costs_usd
        self.shares = self.shares + change


class DailyDrawdown:
    """Loss against the best equity of the day, where a day begins with the last equity of the day before.

    So a gap over night counts against the day that it opens.
    """

    def __init__(self, equity_usd: float) -> None:
        """:param equity_usd: equity in US dollars to start from, above zero"""
        self._peak_usd = equity_usd
        self._last_usd = equity_usd

    def update(self, equity_usd: float, *, starts_day: bool) -> float:
        """Take in the next equity.

        :param equity_usd: equity in US dollars
        :param starts_day: whether this is the first equity of a new day
        :return: drawdown as a fraction of the day's peak: 0 at the peak, above 1 when all and more is lost
        """
        if starts_day:
            self._peak_usd = self._last_usd
        self._peak_usd = max(self._peak_usd, equity_usd)
        self._last_usd = equity_usd
        return 1 - equity_usd / self._peak_usd
