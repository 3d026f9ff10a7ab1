"""The 12 features that an environment shows of each share, computed once for a whole market."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from repro.bars import MINUTES_PER_DAY, Bars, FloatArray

FEATURE_NAMES = (
    "return_1",
    "return_5",
    "return_15",
    "return_60",
    "volatility_15",
    "volatility_60",
    "range",
    "close_in_range",
    "relative_volume",
    "distance_to_mean",
    "time_sine",
    "time_cosine",
)
N_FEATURES = len(FEATURE_NAMES)
WARM_UP_BARS = 60
"""Bars that the longest window looks back on; features before that bar are zero and not to be used."""

_LIMIT = 10.0


def share_features(bars: Bars) -> NDArray[np.float32]:
    """Compute what is known at the close of each bar; nothing looks ahead.

    Per share: log returns over 1, 5, 15 and 60 minutes (%); root mean square of the 1-minute returns over
    15 and 60 minutes (%); high minus low (% of the close); place of the close between low (-0.5) and high
    (+0.5); log of the volume relative to the mean of 60 minutes; log distance of the close from its mean
    of 60 minutes (%); and the minute of the day as an angle, a session of 390 minutes being a full turn
    (sine, cosine). Each is cut off at ±10, so that one bad print can't blow up a network.

    :param bars: market with ``T`` minutes
    :return: shape ``(T, 2, 12)``, in the order of ``FEATURE_NAMES``
    """
    log_close = np.log(bars.close)
    returns = _change(log_close, 1)
    minute = bars.timestamps.astype("datetime64[m]").astype(np.int64) % (24 * 60)
    angle = np.broadcast_to((2 * np.pi * minute / MINUTES_PER_DAY)[:, None], bars.close.shape)
    spread = bars.high - bars.low

    columns = (
        100 * returns,
        100 * _change(log_close, 5),
        100 * _change(log_close, 15),
        100 * _change(log_close, 60),
        100 * np.sqrt(_trailing_mean(returns**2, 15)),
        100 * np.sqrt(_trailing_mean(returns**2, 60)),
        100 * spread / bars.close,
        np.divide(bars.close - bars.low, spread, out=np.full_like(spread, 0.5), where=spread > 0) - 0.5,
        np.log1p(bars.volume) - np.log1p(_trailing_mean(bars.volume, 60)),
        100 * (log_close - _trailing_mean(log_close, 60)),
        np.sin(angle),
        np.cos(angle),
    )
    stacked = np.clip(np.stack(columns, axis=-1), -_LIMIT, _LIMIT)
    features: NDArray[np.float32] = stacked.astype(np.float32)
    features[:WARM_UP_BARS] = 0.0
    return features


def _change(series: FloatArray, n_bars: int) -> FloatArray:
    change = np.zeros_like(series)
    change[n_bars:] = series[n_bars:] - series[:-n_bars]
    return change


def _trailing_mean(series: FloatArray, n_bars: int) -> FloatArray:
    """Mean of the last ``n_bars`` values, this one included; zero where there are not as many."""
    mean = np.zeros_like(series)
    if len(series) >= n_bars:
        # Not by differences of a running sum: its rounding errors can turn a mean of squares negative.
        windows = np.lib.stride_tricks.sliding_window_view(series, n_bars, axis=0)
        mean[n_bars - 1 :] = windows.mean(axis=-1)
    return mean
