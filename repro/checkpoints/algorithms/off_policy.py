"""
Algorithms that learn from a replay buffer: DQN, QRDQN, SAC, TQC, TD3, DDPG and CrossQ.

Sources: ``learn`` of ``stable_baselines3/common/off_policy_algorithm.py`` and each one's ``train``, 1.0 to 2.9.
"""

from __future__ import annotations

from repro.checkpoints.algorithms.interface import (
    Algorithm,
    Range,
    Settings,
    Stretch,
    UnknownSettingError,
    Work,
    steps_text,
)
from repro.checkpoints.data import Data
from repro.checkpoints.pickles import Made

ONE, ACTOR, CRITIC, ENTROPY = "policy.optimizer", "actor.optimizer", "critic.optimizer", "ent_coef_optimizer"
_LONGEST_SHARE = 4
"""A stretch in episodes may end in an unfinished one of up to a quarter of it, if nothing is known of their lengths."""


def train_freq(settings: Settings) -> tuple[int, str]:
    """
    How much is collected between two updates.

    :return: how many, of what: ``step`` (of each environment) or ``episode``.
    """
    value = settings.given.get("train_freq", settings.data.value("train_freq"))
    if isinstance(value, int) and value > 0:
        return value, "step"
    parts: object = value.arguments if isinstance(value, Made) else value
    if isinstance(parts, (tuple, list)) and len(parts) >= 2 and isinstance(parts[0], int) and parts[0] > 0:
        unit = parts[1]
        if isinstance(unit, Made) and isinstance(unit.arguments, tuple) and unit.arguments:
            unit = unit.arguments[0]
        if unit in ("step", "episode"):
            return parts[0], str(unit)
    raise UnknownSettingError("train_freq")


def _updates(settings: Settings, stretch: Stretch) -> tuple[Range, str]:
    """Calls of the critic's optimiser, and the arithmetic."""
    frequency, unit = train_freq(settings)
    gradient_steps = settings.get("gradient_steps")
    starts = settings.get("learning_starts")
    if gradient_steps is None or starts is None:
        raise UnknownSettingError("gradient_steps" if gradient_steps is None else "learning_starts")
    # What was collected before learning_starts is not trained on; a call of learn that goes on counting is past it.
    waits = max(0, starts - stretch.begin)
    head = (
        f"{steps_text(stretch)}, of which the first {waits:,} are before learning_starts,"
        if waits
        else steps_text(stretch)
    )
    if unit == "episode":
        return _by_episodes(settings, stretch, waits, head)
    chunk = frequency * settings.n_envs
    each = gradient_steps if gradient_steps >= 0 else chunk
    rounds = max(0, stretch.steps // chunk - waits // chunk)
    missing = 1 if stretch.whole else 3
    says = f"{head} at train_freq {frequency}" + (f" in {settings.n_envs} environments" if settings.n_envs > 1 else "")
    says += f" are {rounds:,} updates × {each} gradient steps = {rounds * each:,} optimiser steps"
    return Range(max(0, rounds - missing) * each, rounds * each), says


def _by_episodes(settings: Settings, stretch: Stretch, waits: int, head: str) -> tuple[Range, str]:
    frequency, _ = train_freq(settings)
    gradient_steps = settings.get("gradient_steps") or 0
    if gradient_steps < 0:
        # As many gradient steps as were collected; the first trained-on episode may have begun before learning_starts.
        low = max(0, stretch.steps - waits - stretch.steps // _LONGEST_SHARE)
        says = f"{head} with a gradient step for each of a finished episode are up to {stretch.steps:,} optimiser steps"
        return Range(low, stretch.steps), says
    episodes = settings.data.count("_episode_num")
    if episodes is None:
        raise UnknownSettingError("_episode_num")
    if not stretch.begin:
        most = episodes // frequency * gradient_steps
        share = (stretch.steps - waits) / stretch.steps if stretch.steps else 0
        # Episodes may have been shorter before learning_starts than after it, or longer.
        low = max(0, int(episodes // frequency * share / 2) - 1) * gradient_steps
    else:
        most, low = episodes // frequency * gradient_steps, 0
    says = f"{head} with {episodes:,} episodes at train_freq {frequency} episodes × {gradient_steps} gradient steps"
    return Range(low, most), f"{says} are up to {most:,} optimiser steps"


def _pause(settings: Settings) -> int:
    return settings.n_envs


def _single(settings: Settings, stretch: Stretch) -> Work:
    steps, says = _updates(settings, stretch)
    return Work(says, {ONE: steps}, steps)


def _actor_critic(settings: Settings, stretch: Stretch) -> Work:
    steps, says = _updates(settings, stretch)
    return Work(says, {CRITIC: steps, ACTOR: steps, ENTROPY: steps}, steps)


def _delayed(settings: Settings, stretch: Stretch) -> Work:
    steps, says = _updates(settings, stretch)
    delay = settings.positive("policy_delay")
    if delay == 1:
        return Work(says, {CRITIC: steps, ACTOR: steps, ENTROPY: steps}, steps)
    later = Range(max(0, steps.low // delay - 1), steps.high // delay + 1)
    says += f" of the critic, and one of the actor for every {delay} of them"
    return Work(says, {CRITIC: steps, ACTOR: later, ENTROPY: later}, steps)


def _td3_name(data: Data) -> str:
    # DDPG is TD3 without its tricks, and saves nothing that says so.
    return "DDPG" if data.setting("policy_delay") == 1 and data.number("target_noise_clip") == 0 else "TD3"


ALGORITHMS = (
    Algorithm(
        name=lambda _: "TQC",
        matches=lambda data: "top_quantiles_to_drop_per_net" in data,
        work=_actor_critic,
        pause=_pause,
        updates_are=CRITIC,
    ),
    Algorithm(
        name=lambda _: "CrossQ",
        matches=lambda data: "policy_delay" in data and "target_entropy" in data,
        work=_delayed,
        pause=_pause,
        updates_are=CRITIC,
    ),
    Algorithm(
        name=lambda _: "SAC",
        matches=lambda data: "target_entropy" in data,
        work=_actor_critic,
        pause=_pause,
        updates_are=CRITIC,
    ),
    Algorithm(
        name=_td3_name,
        matches=lambda data: "policy_delay" in data and "target_policy_noise" in data,
        work=_delayed,
        pause=_pause,
        updates_are=CRITIC,
    ),
    Algorithm(
        name=lambda data: "QRDQN" if "n_quantiles" in data else "DQN",
        matches=lambda data: "exploration_fraction" in data,
        work=_single,
        pause=_pause,
        updates_are=ONE,
        family="value-based",
    ),
)
