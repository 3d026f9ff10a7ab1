"""A checkpoint, what it claims, and the base it is held against: what every evidence function looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

from repro.checkpoints.algorithms import of
from repro.checkpoints.algorithms.interface import (
    ADJUSTABLE,
    Algorithm,
    Settings,
    Stretch,
    UnknownSettingError,
    Work,
)
from repro.checkpoints.checkpoint import Checkpoint
from repro.checkpoints.ledger import Told
from repro.checkpoints.optimisers import Optimiser


class Verdict(str, Enum):
    """What became of the claim."""

    TRAINED = "trained"
    """What the file says of its training fits together, and the optimiser did the work that it takes."""
    COUNTER_EDITED = "counter-edited"
    """The count of steps says more than was trained."""
    WEIGHTS_REPLACED = "weights-replaced"
    """The weights are not what this training would have made."""
    OPTIMISER_RESET = "optimizer-reset"
    """The optimiser is younger than the count of steps, or than the weights, and did its work since: as an adapter
    leaves it that builds a new model from an old one."""
    INCONSISTENT = "inconsistent"
    """Numbers of the file contradict each other."""
    CANNOT_TELL = "cannot tell"
    """Nothing in the file bears witness, or what would can't be read."""

    def __str__(self) -> str:
        return self.value

    @property
    def is_false(self) -> bool:
        """Whether the checkpoint is not what it claims to be."""
        return self in (Verdict.COUNTER_EDITED, Verdict.WEIGHTS_REPLACED, Verdict.INCONSISTENT)


@dataclass(frozen=True)
class Observed:
    """What one evidence function saw."""

    kind: str
    says: str
    """One sentence, with its arithmetic."""
    speaks_for: Verdict | None = None
    """None: it is only told."""
    shown: int | None = None
    """Steps that it shows to have been trained, if it tells."""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """What is asked, and of what."""

    checkpoint: Checkpoint
    settings: Settings
    base: Checkpoint | None = None
    ledger: Told | None = None

    @cached_property
    def algorithm(self) -> Algorithm | None:
        """The algorithm; None if unknown."""
        return of(self.checkpoint.data)

    @cached_property
    def claim(self) -> int:
        """``num_timesteps``: the steps it says it was trained for."""
        return self.checkpoint.data.count("num_timesteps") or 0

    @cached_property
    def started(self) -> int | None:
        """``_num_timesteps_at_start``: where the last call of ``learn`` began; None if unknown."""
        return self.checkpoint.data.count("_num_timesteps_at_start")

    @cached_property
    def total(self) -> float | None:
        """``_total_timesteps``: where it was to end; people ask for a third of a million steps, too."""
        return self.checkpoint.data.number("_total_timesteps")

    @cached_property
    def updates(self) -> int | None:
        """``_n_updates``."""
        return self.checkpoint.data.count("_n_updates")

    @cached_property
    def remaining(self) -> float | None:
        """``_current_progress_remaining``: 1 at the start, 0 where it was to end, negative beyond."""
        return self.checkpoint.data.number("_current_progress_remaining")

    @cached_property
    def pause(self) -> int | None:
        """Steps between two updates of the progress; None if unknown."""
        if self.algorithm is None or self.algorithm.pause is None:
            return None
        try:
            return self.algorithm.pause(self.settings)
        except UnknownSettingError:
            return None

    @cached_property
    def grain(self) -> int:
        """Steps of which a call of ``learn`` makes a whole number."""
        try:
            return self.algorithm.grain(self.settings) if self.algorithm else 1
        except UnknownSettingError:
            return 1

    @cached_property
    def position(self) -> int | None:
        """
        Where training stood when the progress was last updated, in steps, by the progress itself.

        None if it can't be told: the first update after ``learn`` began is still to come.
        """
        if self.total is None or self.remaining is None or not self.total or self.algorithm is None:
            return None
        total, started = self.total, self.started or 0
        if self.claim - started <= (self.pause or 0):
            return None
        if not self.algorithm.has_optimiser:
            total -= started  # ARS: of the steps that the last call asked for
        found = total * (1 - self.remaining)
        return round(found) if abs(found) < 1 << 60 else None

    @cached_property
    def never_learnt(self) -> bool:
        """Whether ``learn`` was never called on the object that was saved."""
        return self.total == 0 and self.remaining == 1.0 and not self.started

    @cached_property
    def last_call(self) -> Stretch:
        """Since ``learn`` was called last."""
        return Stretch(min(self.started or 0, self.claim), self.claim)

    def work(self, stretch: Stretch, given: Mapping[str, int] | None = None) -> Work | None:
        """
        What a stretch should have left; None if it can't be told.

        :param given: other settings than those that the model has now.
        """
        if self.algorithm is None:
            return None
        settings = Settings(self.settings.data, {**self.settings.given, **given}) if given else self.settings
        try:
            return self.algorithm.work(settings, stretch)
        except UnknownSettingError:
            return None

    @cached_property
    def missing_setting(self) -> str | None:
        """The setting that the arithmetic lacks."""
        if self.algorithm is None:
            return None
        try:
            self.algorithm.work(self.settings, self.whole)
        except UnknownSettingError as error:
            return str(error)
        return None

    @cached_property
    def whole(self) -> Stretch:
        """All that is claimed."""
        return Stretch(0, self.claim, whole=not self.started)

    @cached_property
    def shown_by_optimiser(self) -> int | None:
        """The steps that the optimiser shows at the settings in the file, if they are fewer than claimed."""
        work = self.work(self.whole)
        found = self.counting(work) if work else {}
        short = [name for name in found if work and found[name].is_short_of(work.optimisers[name].low)]
        if work is None or not short:
            return None
        name = max(short, key=lambda each: work.optimisers[each].high)
        return self.claim * found[name].taken // max(work.optimisers[name].high, 1)

    def counting(self, work: Work) -> dict[str, Optimiser]:
        """The optimisers whose steps are to be compared with a work's."""
        found = self.checkpoint.optimisers
        return {name: found[name] for name in work.optimisers if name in found and found[name].counts}


def settings_of(checkpoint: Checkpoint, given: Mapping[str, int | None]) -> Settings:
    """
    The settings of a checkpoint.

    :param given: those of ``ADJUSTABLE`` that the caller knows better; None means not given.
    """
    unknown = set(given) - set(ADJUSTABLE)
    assert not unknown, unknown  # noqa: S101  # a caller's mistake, not a file's
    return Settings(checkpoint.data, {name: value for name, value in given.items() if value is not None})
