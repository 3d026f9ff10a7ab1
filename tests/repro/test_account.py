from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.account import Account, DailyDrawdown

quick = settings(max_examples=150, deadline=None, database=None)

money = st.floats(1, 1e6)
amounts = st.floats(-1e4, 1e4)
prices = st.tuples(st.floats(0.01, 1e4), st.floats(0.01, 1e4)).map(np.array)
changes = st.tuples(amounts, amounts).map(np.array)


@quick
@given(money, st.lists(st.tuples(changes, prices, st.floats(0, 1e3)), max_size=8), prices)
def test_a_trade_costs_exactly_its_costs(cash: float, trades: list[Any], later: np.ndarray) -> None:
    account = Account(cash)
    for change, price, costs in trades:
        before = account.equity_usd(price)
        account.trade(change, price, costs)
        assert account.equity_usd(price) == pytest.approx(before - costs, abs=1e-3)


@quick
@given(money, changes, prices, prices)
def test_holding_gains_what_the_prices_gain(
    cash: float, change: np.ndarray, bought: np.ndarray, now: np.ndarray
) -> None:
    account = Account(cash)
    account.trade(change, bought, costs_usd=0.0)
    assert account.equity_usd(now) == pytest.approx(cash + float(change @ (now - bought)), abs=1e-3)


@quick
@given(money, changes, prices, st.floats(0, 1e3))
def test_going_there_and_back_leaves_cash_less_costs(
    cash: float, change: np.ndarray, price: np.ndarray, costs: float
) -> None:
    account = Account(cash)
    account.trade(change, price, costs)
    account.trade(-change, price, costs)
    assert not account.shares.any()
    assert account.cash_usd == pytest.approx(cash - 2 * costs, abs=1e-3)


def test_a_trade_leaves_earlier_holdings_as_they_were() -> None:
    account = Account(100.0)
    before = account.shares
    account.trade(np.array([1.0, 2.0]), np.array([3.0, 4.0]), 0.0)
    assert not before.any()


@quick
@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=30))
def test_within_a_day_the_drawdown_is_the_fall_from_the_best_equity(equities: list[float]) -> None:
    watch = DailyDrawdown(equities[0])
    for at, equity in enumerate(equities):
        drawdown = watch.update(equity, starts_day=False)
        assert drawdown == pytest.approx(1 - equity / max(equities[: at + 1]))
        assert 0 <= drawdown < 1


def test_a_new_day_forgets_the_peak_but_counts_the_gap_over_night() -> None:
    watch = DailyDrawdown(100.0)
    watch.update(120.0, starts_day=False)
    assert watch.update(90.0, starts_day=False) == pytest.approx(0.25)
    assert watch.update(81.0, starts_day=True) == pytest.approx(0.10)
    assert watch.update(95.0, starts_day=False) == 0


def test_losing_more_than_all_is_a_drawdown_above_one() -> None:
    assert DailyDrawdown(100.0).update(-50.0, starts_day=False) == pytest.approx(1.5)
