"""
Settings other than those in the file, that would explain its counts.

The file does not say with which settings steps before the last call of ``learn`` were made. Nor does it, if it was
loaded with other settings and saved again, of any of its steps: ``load(path, n_epochs=5)`` changes the setting alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from repro.checkpoints import records
from repro.checkpoints.algorithms.interface import Stretch, Work
from repro.checkpoints.case import Case

_FACTORS = (2, 4, 8)
_ENVIRONMENTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 64)
_EPOCHS = range(1, 21)
_STARTS = (0, 100, 1_000, 5_000, 10_000, 25_000, 50_000, 100_000)
_USUAL = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 50, 64, 100, 128, 256)
_CHOSEN = sorted(
    {number * 10**zeros for number in range(1, 100) for zeros in range(6)}
    | {number << twos for number in (1, 3, 5) for twos in range(17)},
    key=lambda number: (len(str(number).rstrip("0")), number),
)
"""Numbers as people choose them, round ones first."""
_POWERS = [1 << twos for twos in range(17)]
_LISTED = {
    "n_epochs": _EPOCHS,
    "n_critic_updates": _EPOCHS,
    "gradient_steps": (*_USUAL, -1),
    "learning_starts": (0, *_CHOSEN),
    "policy_delay": range(1, 9),
}
_CLOSELY = 0.75
_RARER = 64
"""How many times rarer optimiser steps may have been than the present settings make them: batch sizes, epochs, update
frequencies and warm-ups that people use differ by no more, several of them changed together."""


def explanation(case: Case, stretch: Stretch, name: str, taken: int) -> str | None:
    """
    What would explain that so few optimiser steps were taken, as the end of a sentence; None if nothing plausible does.

    :param stretch: steps before the last call of ``learn``.
    :param name: the optimiser.
    :param taken: its steps in that stretch.
    """
    if taken <= 0 or not stretch.steps:
        return None
    setting = _one_setting(case, stretch, name, taken)
    if setting:
        return setting
    work = case.work(stretch)
    most = work.optimisers[name].high if work and name in work.optimisers else 0
    if not taken < most <= _RARER * taken:
        return None
    return (
        f"settings that take an optimiser step for every {stretch.steps / taken:,.3g} steps, where the present ones "
        f"take one for every {stretch.steps / most:,.3g}"
    )


def _one_setting(case: Case, stretch: Stretch, name: str, taken: int) -> str | None:
    listed = {"n_envs": _ENVIRONMENTS, "n_epochs": _EPOCHS, "learning_starts": _STARTS}
    for setting in ("n_steps", "batch_size", "n_envs", "n_epochs", "gradient_steps", "learning_starts"):
        value = case.settings.get(setting)
        if value is None:
            continue
        scaled = [value * factor for factor in _FACTORS] + [value // factor for factor in _FACTORS]
        for other in listed.get(setting, [number for number in scaled if number > 0]):
            work = case.work(stretch, {setting: other}) if other != value else None
            expected = work.optimisers.get(name) if work else None
            # Closely: a few huge rollouts would explain anything.
            if expected and max(expected.low, _CLOSELY * expected.high) <= taken <= expected.high:
                return f"{setting} {other}"
    return None


def throughout(case: Case, stretch: Stretch, taken: Mapping[str, int], updates: int | None) -> str | None:
    """
    What would explain all counts of a stretch to the last step, had the whole of it been trained with that.

    By one setting, or the two that divide an update of PPO; and exactly, which whoever edits a count hits only if they
    multiply it by a divisor of the settings.

    :param taken: steps of each optimiser in it.
    :param updates: what ``_n_updates`` counts in it; None if unknown.
    :return: the end of a sentence; None if nothing does.
    """
    data = case.checkpoint.data
    if not any(taken.values()) or ("n_epochs" in data and data.number("target_kl") is not None):
        return None  # with target_kl hardly any count of PPO's is too low
    stretch = dataclasses.replace(stretch, whole=True)
    for settings in _settings(case):
        rollout = settings.get("n_steps", 0) * case.settings.n_envs
        if 0 < stretch.begin < settings.get("learning_starts", 0) or (rollout and stretch.steps % rollout):
            continue
        work = case.work(stretch, settings)
        if work is None:
            continue
        if any(_exactly(work, taken, updates, to_the_end=to_the_end) for to_the_end in (True, False)):
            return " and ".join(f"{name} {value}" for name, value in settings.items())
    return None


def _settings(case: Case) -> Iterator[dict[str, int]]:
    """Single settings that may have been others, then pairs."""
    others = {
        name: [other for other in values if other != case.settings.get(name)]
        for name, values in _values(case)
        if name not in case.settings.given
    }
    for name, values in others.items():
        for value in values:
            yield {name: value}
    for epochs in others.get("n_epochs", ()):
        for batch in others.get("batch_size", ()):
            yield {"n_epochs": epochs, "batch_size": batch}


def _values(case: Case) -> Iterator[tuple[str, list[int]]]:
    """Settings, and what they may have been."""
    settings = case.settings
    for name, values in _LISTED.items():
        if settings.get(name) is not None:
            yield name, list(values)
    n_steps = settings.get("n_steps")
    if "train_freq" in case.checkpoint.data:
        yield "train_freq", list(_USUAL)
    elif n_steps:
        yield "n_steps", _CHOSEN
        if settings.get("batch_size"):
            yield "batch_size", [*_POWERS, *(number for number in _CHOSEN if number not in _POWERS)]
    if records.environments(case.checkpoint.data) is None:
        yield "n_envs", list(_ENVIRONMENTS)


def _exactly(work: Work, taken: Mapping[str, int], updates: int | None, *, to_the_end: bool) -> bool:
    """
    Whether the counts are those of a work, to the last step.

    :param to_the_end: or without its last update, which may be still to come.
    """
    expected = {name: work.optimisers[name] for name in taken if name in work.optimisers}
    main = max(expected, key=lambda name: expected[name].high, default=None)
    if main is None or not all(each.low <= taken[name] <= each.high for name, each in expected.items()):
        return False
    counts = [(taken[main], expected[main])]
    if updates is not None and work.updates is not None:
        counts.append((updates, work.updates))
    return all(count == (each.high if to_the_end else each.low) for count, each in counts)
