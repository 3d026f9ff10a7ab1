from __future__ import annotations

import numpy as np
import pytest

from repro.bars import MINUTES_PER_DAY, Bars, BarsError
from repro.market import synthetic_market

FIELDS = ("timestamps", "open", "high", "low", "close", "volume")


def test_the_same_seed_gives_the_same_market() -> None:
    first, second = synthetic_market(5, 500), synthetic_market(5, 500)
    assert all(np.array_equal(getattr(first, name), getattr(second, name)) for name in FIELDS)


def test_another_seed_gives_another_market() -> None:
    assert not np.array_equal(synthetic_market(5, 500).close, synthetic_market(6, 500).close)


@pytest.mark.parametrize("n_minutes", [1, 389, 390, 391, 1000])
def test_a_market_has_the_length_asked_for(n_minutes: int) -> None:
    bars = synthetic_market(0, n_minutes)
    assert len(bars) == n_minutes
    assert bars.close.shape == bars.volume.shape == (n_minutes, 2)


def test_bars_are_consistent(market: Bars) -> None:
    assert (market.low > 0).all()
    assert (market.low <= np.minimum(market.open, market.close)).all()
    assert (market.high >= np.maximum(market.open, market.close)).all()
    assert (market.volume >= 0).all()


def test_sessions_are_weekdays_from_half_past_nine(market: Bars) -> None:
    opening = market.timestamps[market.starts_day]
    assert len(opening) == -(-len(market) // MINUTES_PER_DAY)
    assert np.is_busday(opening.astype("datetime64[D]")).all()
    assert {str(time)[11:] for time in opening} == {"09:30:00"}


def test_minutes_within_a_session_are_consecutive(market: Bars) -> None:
    steps = np.diff(market.timestamps)[~market.starts_day[1:]]
    assert (steps == np.timedelta64(60, "s")).all()


def test_a_bar_opens_where_the_last_one_closed_except_over_night(market: Bars) -> None:
    within = ~market.starts_day[1:]
    assert np.allclose(market.open[1:][within], market.close[:-1][within])
    assert (market.open[1:][~within] != market.close[:-1][~within]).all()


def test_the_shares_are_correlated() -> None:
    returns = np.diff(np.log(synthetic_market(1, 40 * MINUTES_PER_DAY).close), axis=0)
    assert 0.45 < np.corrcoef(returns.T)[0, 1] < 0.75


def test_volatility_is_u_shaped_within_the_day() -> None:
    bars = synthetic_market(2, 40 * MINUTES_PER_DAY)
    minute_returns = np.log(bars.close / bars.open).reshape(40, MINUTES_PER_DAY, 2)
    by_minute = minute_returns.std(axis=(0, 2))
    noon = by_minute[180:210].mean()
    assert by_minute[:15].mean() > 1.7 * noon
    assert by_minute[-15:].mean() > 1.7 * noon


def test_annual_volatility_is_that_of_large_technology_shares() -> None:
    closes = synthetic_market(4, 250 * MINUTES_PER_DAY).close[MINUTES_PER_DAY - 1 :: MINUTES_PER_DAY]
    annual = np.diff(np.log(closes), axis=0).std(axis=0) * np.sqrt(252)
    assert annual == pytest.approx([0.50, 0.28], rel=0.25)


def test_too_few_bars_say_how_many_there_are_and_how_many_are_needed(market: Bars) -> None:
    market.require(len(market))
    with pytest.raises(BarsError, match=r"too short: 4000 minutes of bars, need at least 4001"):
        market.require(len(market) + 1)
