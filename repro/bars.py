"""Minute bars of two shares: what every market, synthetic or read from a file, gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

N_SHARES = 2
MINUTES_PER_DAY = 390
"""Minutes in a regular United States trading session."""
DAYS_PER_YEAR = 252
"""Trading days in a year."""


class BarsError(ValueError):
    """Bars that can't be used; the message is one line and says what would be right."""


@dataclass(frozen=True)
class Bars:
    """``T`` minute bars of two shares, complete within each calendar day.

    Column 0 of every ``(T, 2)`` array is the first share, column 1 the second.
    """

    symbols: tuple[str, str]
    """Names of the shares."""
    timestamps: NDArray[np.datetime64]
    """Start of each minute, shape ``(T,)``, type ``datetime64[s]``, strictly increasing."""
    open: FloatArray
    """First price in US dollars, shape ``(T, 2)``."""
    high: FloatArray
    """Highest price in US dollars, shape ``(T, 2)``."""
    low: FloatArray
    """Lowest price in US dollars, shape ``(T, 2)``."""
    close: FloatArray
    """Last price in US dollars, shape ``(T, 2)``."""
    volume: FloatArray
    """Number of shares traded, shape ``(T, 2)``; may be zero."""

    def __len__(self) -> int:
        """Number of minutes ``T``."""
        return len(self.timestamps)

    @property
    def starts_day(self) -> NDArray[np.bool_]:
        """Whether a bar is the first of its calendar day, shape ``(T,)``."""
        days = self.timestamps.astype("datetime64[D]")
        first = np.ones(len(self), dtype=np.bool_)
        first[1:] = days[1:] != days[:-1]
        return first

    def require(self, n_bars: int) -> None:
        """Check that there is enough to trade on.

        :param n_bars: minutes needed
        :raises BarsError: if there are fewer
        """
        if len(self) < n_bars:
            raise BarsError(f"too short: {len(self)} minutes of bars, need at least {n_bars}")
