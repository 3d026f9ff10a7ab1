"""What holds for every environment in the registry."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import gymnasium.utils.env_checker
import numpy as np
import pytest
import stable_baselines3.common.env_checker
from gymnasium import spaces

from repro.bars import Bars, BarsError
from repro.envs import ENVIRONMENTS, environment_class, make_environment
from repro.envs.interface import DIRECTIONS

each = pytest.mark.parametrize("name", ENVIRONMENTS)


def play(name: str, seed: int, n_steps: int = 300) -> list[tuple[Any, ...]]:
    """A random policy, going on through resets."""
    env = make_environment(name)
    policy = np.random.default_rng(99)
    seen: list[tuple[Any, ...]] = [(env.reset(seed=seed)[0].tobytes(),)]
    for _ in range(n_steps):
        observation, reward, terminated, truncated, info = env.step(int(policy.integers(9)))
        seen.append((observation.tobytes(), reward, terminated, truncated, str(info)))
        if terminated or truncated:
            seen.append((env.reset()[0].tobytes(),))
    return seen


@each
def test_the_spaces_are_those_of_the_report(name: str) -> None:
    env = make_environment(name)
    assert env.observation_space == spaces.Box(-np.inf, np.inf, (26,), np.float32)
    assert env.action_space == spaces.Discrete(9)


@each
@pytest.mark.filterwarnings("error")
def test_stable_baselines3_has_nothing_to_say(name: str) -> None:
    stable_baselines3.common.env_checker.check_env(make_environment(name))


@each
def test_gymnasium_minds_only_the_unbounded_observations(name: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gymnasium.utils.env_checker.check_env(make_environment(name), skip_render_check=True)
    said = [str(warning.message) for warning in caught]
    assert [text for text in said if "infinity" not in text and "env.spec" not in text] == []


@each
def test_the_same_seed_gives_the_same_episodes(name: str) -> None:
    assert play(name, seed=7) == play(name, seed=7)


@each
def test_another_seed_gives_other_episodes(name: str) -> None:
    assert play(name, seed=7, n_steps=5) != play(name, seed=8, n_steps=5)


@each
def test_resetting_without_a_seed_goes_on_with_the_generator(name: str) -> None:
    env = make_environment(name)
    first, _ = env.reset(seed=1)
    second, _ = env.reset()
    assert not np.array_equal(first, second)
    assert np.array_equal(env.reset(seed=1)[0], first)


@each
def test_every_observation_is_an_array_of_its_own(name: str) -> None:
    env = make_environment(name)
    first, _ = env.reset(seed=0)
    kept = first.copy()
    second, *_ = env.step(8)
    second[:] = np.nan
    third, *_ = env.step(4)
    assert np.array_equal(first, kept)
    assert np.isfinite(third).all()


@each
def test_an_episode_is_truncated_at_the_length_asked_for(name: str) -> None:
    env = make_environment(name, episode_steps=7)
    env.reset(seed=0)
    ends = [env.step(4)[2:4] for _ in range(7)]  # holding nothing can't lose anything
    assert ends == [(False, False)] * 6 + [(False, True)]


@each
def test_an_episode_of_no_length_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        make_environment(name, episode_steps=0)


@each
def test_bars_are_used_or_refused(name: str, market: Bars) -> None:
    if environment_class(name).reads_bars:
        assert make_environment(name, market).reset(seed=0)[0].shape == (26,)
    else:
        with pytest.raises(BarsError, match="reads no bars"):
            make_environment(name, market)


@each
def test_bars_too_short_for_an_episode_are_refused(name: str, flat_bars: Callable[..., Bars]) -> None:
    required = environment_class(name).required_bars(50)
    if environment_class(name).reads_bars:
        make_environment(name, flat_bars(n_minutes=required), episode_steps=50).reset(seed=0)
        with pytest.raises(BarsError, match=f"need at least {required}"):
            make_environment(name, flat_bars(n_minutes=required - 1), episode_steps=50)
    else:
        assert required == 0


@each
def test_episodes_longer_than_a_month_get_a_longer_market(name: str) -> None:
    env = make_environment(name, episode_steps=9000)
    assert env.reset(seed=0)[0].shape == (26,)


def test_actions_are_all_pairs_of_sell_hold_and_buy() -> None:
    assert [tuple(pair) for pair in DIRECTIONS] == list(product((-1, 0, 1), repeat=2))


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        make_environment("no such environment")


def test_renaming_in_the_registry_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    name, place = next(iter(ENVIRONMENTS.items()))
    monkeypatch.setitem(ENVIRONMENTS, "renamed", place)
    assert environment_class("renamed") is environment_class(name)
