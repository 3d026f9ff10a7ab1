"""A seeded synthetic market of two correlated shares.

Assumptions, chosen to look like two large technology shares:

* annual volatility 50 % and 28 %, no drift, correlation 0.6;
* a quarter of a day's variance falls into the night, the rest into 390 minutes that are U-shaped: about
  2.5 times as volatile at the opening and close as at noon;
* calm and nervous days: each day's volatility is multiplied by a log-normal factor (sigma 0.25);
* fat tails: returns follow a multivariate Student t with 5 degrees of freedom, so that both shares jump
  together;
* volume is U-shaped too, log-normal around 640,000 and 50,000 shares a minute (some 77 and 20 million
  US dollars).

An account with a gross leverage of up to two then moves by about 0.15 % of its equity a minute, so that
a 2 % daily drawdown is an everyday event, see `repro.envs.original`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from repro.bars import DAYS_PER_YEAR, MINUTES_PER_DAY, N_SHARES, Bars, FloatArray

DEFAULT_MINUTES = 20 * MINUTES_PER_DAY
"""Length of a market if nothing longer is asked for: about one month."""

_SYMBOLS = ("NVDA", "MSFT")
_FIRST_PRICE_USD = np.array([120.0, 400.0])
_ANNUAL_VOLATILITY = np.array([0.50, 0.28])
_MINUTE_VOLUME_SHARES = np.array([640_000.0, 50_000.0])
_CORRELATION = 0.6
_NIGHT_VARIANCE = 0.25
_TAIL_FREEDOM = 5.0
_DAY_FACTOR_SIGMA = 0.25
_VOLUME_SIGMA = 0.35
_FIRST_MINUTE = np.datetime64("2024-01-02T09:30", "s")


def synthetic_market(seed: int, n_minutes: int = DEFAULT_MINUTES) -> Bars:
    """Make a market; the same arguments give the same market.

    :param seed: seed of the generator, 0 or more
    :param n_minutes: number of minutes, 1 or more; sessions of 390 minutes on weekdays
    :return: the bars
    """
    rng = np.random.default_rng(seed)
    minute = np.arange(n_minutes) % MINUTES_PER_DAY
    day = np.arange(n_minutes) // MINUTES_PER_DAY
    shape = _u_shape(minute)

    day_factor = rng.normal(-(_DAY_FACTOR_SIGMA**2), _DAY_FACTOR_SIGMA, size=day[-1] + 1)
    daily = _ANNUAL_VOLATILITY / np.sqrt(DAYS_PER_YEAR) * np.exp(day_factor[day])[:, None]
    sigma = daily * np.sqrt((1 - _NIGHT_VARIANCE) / MINUTES_PER_DAY) * shape
    night = daily * np.sqrt(_NIGHT_VARIANCE) * ((minute == 0) & (day > 0))[:, None]

    gap = night * _correlated(rng, n_minutes)
    move = sigma * _correlated(rng, n_minutes)
    log_close = np.log(_FIRST_PRICE_USD) + np.cumsum(gap + move, axis=0)
    log_open = log_close - move
    reach = sigma * np.abs(rng.standard_normal((2, n_minutes, N_SHARES))) / 2
    volume = _MINUTE_VOLUME_SHARES * shape * rng.lognormal(0.0, _VOLUME_SIGMA, (n_minutes, N_SHARES))

    return Bars(
        symbols=_SYMBOLS,
        timestamps=_weekday_minutes(day, minute),
        open=np.exp(log_open),
        high=np.exp(np.maximum(log_open, log_close) + reach[0]),
        low=np.exp(np.minimum(log_open, log_close) - reach[1]),
        close=np.exp(log_close),
        volume=np.round(volume),
    )


def _u_shape(minute: NDArray[np.int64]) -> FloatArray:
    """Volatility of a minute relative to the day's root mean square, shape ``(T, 1)``."""
    from_noon = 2 * np.arange(MINUTES_PER_DAY) / (MINUTES_PER_DAY - 1) - 1
    profile = 0.7 + 1.05 * from_noon**2
    profile /= np.sqrt(np.mean(profile**2))
    shape: FloatArray = profile[minute][:, None]
    return shape


def _correlated(rng: np.random.Generator, n_minutes: int) -> FloatArray:
    """Fat-tailed returns of unit variance, shape ``(T, 2)``."""
    normal = rng.standard_normal((n_minutes, N_SHARES))
    normal[:, 1] = _CORRELATION * normal[:, 0] + np.sqrt(1 - _CORRELATION**2) * normal[:, 1]
    scale = np.sqrt((_TAIL_FREEDOM - 2) / rng.chisquare(_TAIL_FREEDOM, (n_minutes, 1)))
    returns: FloatArray = normal * scale
    return returns


def _weekday_minutes(day: NDArray[np.int64], minute: NDArray[np.int64]) -> NDArray[np.datetime64]:
    first_day = _FIRST_MINUTE.astype("datetime64[D]")
    opening = _FIRST_MINUTE - first_day.astype("datetime64[s]")
    dates = np.busday_offset(first_day, day, roll="forward").astype("datetime64[s]")
    timestamps: NDArray[np.datetime64] = dates + opening + minute.astype("timedelta64[m]")
    return timestamps
