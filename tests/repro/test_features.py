from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from repro.bars import Bars
from repro.features import FEATURE_NAMES, WARM_UP_BARS, share_features


def test_each_share_has_twelve_finite_features(market: Bars) -> None:
    features = share_features(market)
    assert features.shape == (len(market), 2, 12) == (len(market), 2, len(FEATURE_NAMES))
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_features_are_what_their_names_say(market: Bars) -> None:
    at, share = 700, 1
    named = dict(zip(FEATURE_NAMES, share_features(market)[at, share], strict=True))
    close = market.close[:, share]
    returns = np.diff(np.log(close))[at - 60 : at]
    low, high = market.low[at, share], market.high[at, share]
    minute = (9 * 60 + 30 + at % 390) * 2 * np.pi / 390
    expected = {
        "return_1": 100 * np.log(close[at] / close[at - 1]),
        "return_5": 100 * np.log(close[at] / close[at - 5]),
        "return_15": 100 * np.log(close[at] / close[at - 15]),
        "return_60": 100 * np.log(close[at] / close[at - 60]),
        "volatility_15": 100 * np.sqrt(np.mean(returns[-15:] ** 2)),
        "volatility_60": 100 * np.sqrt(np.mean(returns**2)),
        "range": 100 * (high - low) / close[at],
        "close_in_range": (close[at] - low) / (high - low) - 0.5,
        "relative_volume": np.log((market.volume[at, share] + 1) / (market.volume[at - 59 : at + 1, share].mean() + 1)),
        "distance_to_mean": 100 * (np.log(close[at]) - np.log(close[at - 59 : at + 1]).mean()),
        "time_sine": np.sin(minute),
        "time_cosine": np.cos(minute),
    }
    assert named == pytest.approx(expected, abs=1e-4)


def test_no_feature_looks_ahead(market: Bars) -> None:
    cut = 900
    past = {name: getattr(market, name)[:cut] for name in ("timestamps", "open", "high", "low", "close", "volume")}
    assert np.array_equal(share_features(market)[:cut], share_features(replace(market, **past)))


def test_the_warm_up_is_zero(market: Bars) -> None:
    assert not share_features(market)[:WARM_UP_BARS].any()


def test_bars_without_movement_or_volume_give_finite_features(flat_bars: Callable[..., Bars]) -> None:
    features = share_features(flat_bars(n_minutes=200, volume=0.0))
    assert np.isfinite(features).all()
    assert np.allclose(features[:, :, :10], 0, atol=1e-9)


def test_a_bad_print_is_cut_off(flat_bars: Callable[..., Bars]) -> None:
    bars = flat_bars(n_minutes=200)
    spiked = bars.close.copy()
    spiked[100] *= 1e6
    features = share_features(replace(bars, high=spiked, close=spiked, volume=spiked * 1e300))
    assert np.isfinite(features).all()
    assert np.abs(features).max() == 10


def test_a_market_shorter_than_the_windows_is_all_warm_up(market: Bars) -> None:
    short = {name: getattr(market, name)[:61] for name in ("timestamps", "open", "high", "low", "close", "volume")}
    assert share_features(replace(market, **short)).shape == (61, 2, 12)
