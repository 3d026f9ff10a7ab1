"""The two environments with a market, against accounts kept by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from repro.bars import Bars
from repro.envs.original import OriginalEnv
from repro.envs.trading import TradingEnv
from repro.envs.v3 import V3Env
from repro.features import share_features
from repro.market import synthetic_market

both = pytest.mark.parametrize("kind", [OriginalEnv, V3Env])

SELL, HOLD, BUY = 0, 1, 2


def both_shares(first: int, second: int) -> int:
    return 3 * first + second


def random_episodes(env: TradingEnv, n_steps: int, seed: int) -> list[tuple[int, bool]]:
    """Lengths of the episodes that a random policy finishes, and whether the stop ended them."""
    policy = np.random.default_rng(seed)
    env.reset(seed=seed)
    episodes, length = [], 0
    for _ in range(n_steps):
        *_, terminated, truncated, _ = env.step(int(policy.integers(9)))
        length += 1
        if terminated or truncated:
            episodes.append((length, terminated))
            length = 0
            env.reset()
    return episodes


def test_the_stop_ends_random_episodes_of_the_original_long_before_its_limit() -> None:
    lengths = []
    for seed in range(3):
        episodes = random_episodes(OriginalEnv(synthetic_market(seed)), 6000, seed)
        assert sum(stopped for _, stopped in episodes) >= 0.9 * len(episodes)
        lengths += [length for length, _ in episodes]
    assert 50 < np.mean(lengths) < 300
    assert np.std(lengths) > 30


def test_random_episodes_of_v3_are_short_about_a_hundred_in_a_rollout() -> None:
    counts = []
    for seed in range(5):
        episodes = random_episodes(V3Env(synthetic_market(seed)), 2048, seed)
        assert all(stopped for _, stopped in episodes)
        counts.append(len(episodes))
    assert 80 < np.mean(counts) < 120


@both
def test_doing_nothing_never_trips_the_stop(kind: type[TradingEnv], market: Bars) -> None:
    env = kind(market)
    env.reset(seed=0)
    for _ in range(env.episode_steps - 1):
        *_, terminated, truncated, info = env.step(both_shares(HOLD, HOLD))
        assert (terminated, truncated) == (False, False)
        assert info["equity"] == env.starting_equity_usd
        assert info["turnover"] == 0
    assert env.step(both_shares(HOLD, HOLD))[2:4] == (False, True)


@both
def test_the_stop_trips_at_two_percent_and_not_before(kind: type[TradingEnv], flat_bars: Callable[..., Bars]) -> None:
    bars = flat_bars(volume=1e12)  # so much volume that there is no impact
    for fall, stops in ((0.9, False), (1.1, True)):
        env = kind(bars)
        start = env.reset(seed=0)[1]["bar"]
        prices = bars.close.copy()
        prices[start + 2 :, 0] *= 1 - 0.02 * fall
        env.bars = replace(bars, close=prices)
        assert not env.step(both_shares(BUY, HOLD))[2]
        *_, terminated, truncated, info = env.step(both_shares(HOLD, HOLD))
        assert (terminated, truncated, info["stopped"]) == (stops, False, stops)
        assert info["drawdown"] == pytest.approx(0.02 * fall, rel=0.02)


@both
def test_the_observation_is_one_block_for_each_share(kind: type[TradingEnv], market: Bars) -> None:
    env = kind(market)
    env.reset(seed=4)
    observation, *_, info = env.step(both_shares(BUY, SELL))
    features = share_features(market)[info["bar"]]
    assert np.array_equal(observation, np.concatenate([features[0], [1], features[1], [-1]]))


@both
def test_positions_go_unit_by_unit_from_minus_one_to_plus_one(
    kind: type[TradingEnv], flat_bars: Callable[..., Bars]
) -> None:
    env = kind(flat_bars(volume=1e15))
    env.reset(seed=0)
    seen = []
    for action in (BUY, BUY, HOLD, SELL, SELL, SELL, BUY):
        observation, *_, info = env.step(both_shares(HOLD, action))
        seen.append((int(observation[25]), round(info["turnover"] / env.unit_usd, 6)))
    assert seen == [(1, 1), (1, 0), (1, 0), (0, 1), (-1, 1), (-1, 0), (0, 1)]


@both
def test_starts_are_spread_over_the_market_and_leave_room_for_an_episode(kind: type[TradingEnv], market: Bars) -> None:
    env = kind(market)
    starts = [env.reset(seed=0)[1]["bar"]] + [env.reset()[1]["bar"] for _ in range(500)]
    assert min(starts) >= 60
    assert max(starts) + env.episode_steps <= len(market) - 1
    assert len(set(starts)) > 400
    assert max(starts) - min(starts) > 0.95 * (len(market) - 61 - env.episode_steps)


@both
def test_reward_terms_add_up_to_the_reward_and_the_money_to_the_equity(kind: type[TradingEnv], market: Bars) -> None:
    env = kind(market)
    env.reset(seed=0)
    policy = np.random.default_rng(0)
    money = {"profit", "costs", "impact", "tickets"}
    total = 0.0
    while True:
        _, reward, terminated, truncated, info = env.step(int(policy.integers(9)))
        assert reward == pytest.approx(sum(info["reward_terms"].values()))
        total += sum(value for name, value in info["reward_terms"].items() if name in money)
        assert info["equity"] == pytest.approx(env.starting_equity_usd * (1 + total / 100))
        if terminated or truncated:
            break


class ByHand:
    """The rules written a second time, in plain Python and share by share."""

    def __init__(self, bars: Bars, start: int, equity: float, unit: float) -> None:
        self.bars, self.bar, self.unit, self.first_equity = bars, start, unit, equity
        self.cash, self.shares, self.positions = equity, [0.0, 0.0], [0, 0]
        self.last, self.peak, self.equity = [1, 1], equity, equity

    def step(self, action: int, *, v3: bool) -> tuple[float, float, bool]:
        """Reward, equity, whether the stop trips."""
        done = [action // 3, action % 3]
        costs = 0.0
        before = self.equity
        for share in (0, 1):
            price = self.bars.close[self.bar, share]
            position = min(1, max(-1, self.positions[share] + done[share] - 1))
            if position != self.positions[share]:
                wanted = position * self.unit / price
                traded = abs(wanted - self.shares[share])
                self.cash -= (wanted - self.shares[share]) * price
                if v3:
                    taken = min(1.0, traded / self.bars.volume[self.bar, share])
                    costs += traded * price * 0.0068 * math.sqrt(taken) + 1.0
                else:
                    costs += traded * price * 0.0001
                self.shares[share], self.positions[share] = wanted, position
        self.cash -= costs
        self.bar += 1
        self.equity = self.cash + sum(self.shares[share] * self.bars.close[self.bar, share] for share in (0, 1))

        day, last_day = (str(self.bars.timestamps[at])[:10] for at in (self.bar, self.bar - 1))
        self.peak = max(before if day != last_day else self.peak, self.equity)
        gain = (self.equity - before) / self.first_equity * 100
        reward = gain
        if v3:
            baseline = 4.0 / (252 * 390)
            reward = gain - baseline
            reward -= 0.002 * sum(now != then for now, then in zip(done, self.last, strict=True))
            reward -= 0.5 * max(0.0, baseline - gain) ** 2
            reward += 0.001 if done == [1, 1] else 0.0
        self.last = done
        return reward, self.equity, self.equity <= 0.98 * self.peak


@both
def test_rewards_equity_and_stop_are_those_worked_out_by_hand(kind: type[TradingEnv], market: Bars) -> None:
    stops = nights = 0
    for seed in range(12):
        env = kind(market)
        start = env.reset(seed=seed)[1]["bar"]
        by_hand = ByHand(market, start, env.starting_equity_usd, env.unit_usd)
        policy = np.random.default_rng(seed)
        terminated = truncated = False
        while not (terminated or truncated):
            # Every other policy holds most of the time, so that some episodes live through a night.
            held = seed % 2 and policy.random() < 0.95
            action = both_shares(HOLD, HOLD) if held else int(policy.integers(9))
            _, reward, terminated, truncated, info = env.step(action)
            expected = by_hand.step(action, v3=kind is V3Env)
            assert (reward, info["equity"]) == pytest.approx(expected[:2], rel=1e-9, abs=1e-9)
            assert terminated == expected[2]
        stops += terminated
        nights += int(market.starts_day[start + 1 : by_hand.bar + 1].sum())
    assert stops > 0
    assert nights > 0


def test_impact_follows_the_square_root_law(flat_bars: Callable[..., Bars]) -> None:
    # 800,000 dollars at 100 dollars are 8,000 shares: a hundredth of the bar, so a tenth of 68 bp.
    env = V3Env(flat_bars(price=100.0, volume=800_000.0))
    env.reset(seed=0)
    *_, info = env.step(both_shares(BUY, HOLD))
    assert info["equity"] == pytest.approx(800_000 - 800_000 * 6.8e-4 - 1)
    assert info["reward_terms"]["impact"] == pytest.approx(-0.068)
    assert info["reward_terms"]["tickets"] == pytest.approx(-100 / 800_000)


@pytest.mark.parametrize("volume", [0.0, 10.0])
def test_impact_is_68_bp_at_most(volume: float, flat_bars: Callable[..., Bars]) -> None:
    env = V3Env(flat_bars(volume=volume))
    env.reset(seed=0)
    assert env.step(both_shares(BUY, HOLD))[4]["reward_terms"]["impact"] == pytest.approx(-0.68)


def test_holding_is_rewarded_and_changing_ones_mind_is_not(flat_bars: Callable[..., Bars]) -> None:
    env = V3Env(flat_bars(volume=1e15))
    env.reset(seed=0)
    terms = [env.step(action)[4]["reward_terms"] for action in (both_shares(BUY, SELL), both_shares(BUY, HOLD), 4)]
    assert [term["action_change"] for term in terms] == pytest.approx([-0.004, -0.002, -0.002])
    assert [term["hold_bonus"] for term in terms] == [0.0, 0.0, 0.001]
    env.reset()
    assert env.step(both_shares(HOLD, HOLD))[4]["reward_terms"]["action_change"] == 0


def test_doing_nothing_in_v3_falls_behind_the_risk_free_baseline(flat_bars: Callable[..., Bars]) -> None:
    env = V3Env(flat_bars())
    env.reset(seed=0)
    terms = env.step(both_shares(HOLD, HOLD))[4]["reward_terms"]
    assert terms["risk_free"] == pytest.approx(-4 / 98_280)
    assert terms["downside"] == pytest.approx(-0.5 * (4 / 98_280) ** 2)


def test_the_original_charges_one_basis_point(flat_bars: Callable[..., Bars]) -> None:
    env = OriginalEnv(flat_bars())
    env.reset(seed=0)
    _, reward, *_, info = env.step(both_shares(BUY, SELL))
    assert info["equity"] == pytest.approx(100_000 - 20)
    assert reward == pytest.approx(-0.02)
