"""What the audit must know of an algorithm: how many optimiser steps its settings make of environment steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from repro.checkpoints import records
from repro.checkpoints.data import Data

ADJUSTABLE = ("n_steps", "batch_size", "n_epochs", "n_envs")
"""Settings that a caller may know better than the file."""


@dataclass(frozen=True)
class Settings:
    """The settings of a model: those of its data, unless the caller gave others."""

    data: Data
    given: Mapping[str, int] = field(default_factory=dict)

    def get(self, name: str) -> int | None:
        """A whole number; None if it is unknown, or a function."""
        return self.given.get(name, self.data.setting(name))

    def positive(self, name: str, default: int | None = None) -> int:
        """
        A whole number above 0.

        :raises UnknownSettingError: if there is none.
        """
        value = self.get(name)
        value = default if value is None else value
        if value is None or value < 1:
            raise UnknownSettingError(name)
        return value

    @property
    def n_envs(self) -> int:
        """How many environments stepped at once when it was trained last."""
        if "n_envs" not in self.given:
            found = records.environments(self.data)
            if found is not None:
                return found
        return self.positive("n_envs", 1)


class UnknownSettingError(Exception):
    """A setting that the arithmetic needs is not in the file; the message is its name."""


@dataclass(frozen=True)
class Range:
    """How many there should be."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.high:,}" if self.low >= self.high - 1 else f"{self.low:,} to {self.high:,}"


@dataclass(frozen=True)
class Stretch:
    """Steps of the environment, from one count of ``num_timesteps`` to another."""

    begin: int
    end: int
    whole: bool = True
    """Whether one call of ``learn`` made it with settings that did not change."""

    @property
    def steps(self) -> int:
        """How many they are, all environments together."""
        return max(0, self.end - self.begin)


@dataclass(frozen=True)
class Work:
    """What a stretch should have left in the file."""

    says: str
    """The arithmetic: a clause that begins with the steps."""
    optimisers: Mapping[str, Range]
    """Steps of each, by its name."""
    updates: Range | None
    """What it adds to ``_n_updates``."""


@dataclass(frozen=True)
class Algorithm:
    """An algorithm, or several that count alike."""

    name: Callable[[Data], str]
    matches: Callable[[Data], bool]
    work: Callable[[Settings, Stretch], Work]
    """Raises :class:`UnknownSettingError`."""
    pause: Callable[[Settings], int] | None
    """Steps of the environment, all together, between two updates of ``_current_progress_remaining``; None if they
    vary."""
    grain: Callable[[Settings], int] = lambda _: 1
    """Steps of which a call of ``learn`` makes a whole number, whatever the number of environments."""
    updates_are: str | None = None
    """The optimiser that steps exactly once for each of ``_n_updates``, whatever the settings; None if none does."""
    has_optimiser: bool = True
    family: str = "off-policy"
    """Weights of one family may be carried into a model of the same."""
    zero_biases: bool = False
    """Whether its networks begin with biases of zero."""


def steps_text(stretch: Stretch) -> str:
    """``300,000 steps``, or ``98,800 steps (from 201,200 to 300,000)``."""
    where = f" (from {stretch.begin:,} to {stretch.end:,})" if stretch.begin else ""
    return f"{stretch.steps:,} steps{where}"
