"""Steps before the last call of ``learn``: the file does not say with which settings they were made."""

from __future__ import annotations

from repro.checkpoints.algorithms.interface import Stretch
from repro.checkpoints.case import Case

_FACTORS = (2, 4, 8)
_ENVIRONMENTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 64)
_EPOCHS = range(1, 21)
_STARTS = (0, 100, 1_000, 5_000, 10_000, 25_000, 50_000, 100_000)
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
