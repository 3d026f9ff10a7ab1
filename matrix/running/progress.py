"""How far a sweep is: told by its threads, read by whatever shows it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from matrix.plan.cells import Trial
from matrix.results.observation import Observation


@dataclass(frozen=True)
class RunningTrial:
    """A trial that is under way."""

    label: str
    since: float
    """On the monotonic clock, seconds."""
    line: str = "starting"
    """The probes' own status line."""
    suspicious: bool = False
    step: int | None = None
    phase: str | None = None


class Progress:
    """Counts and what runs now. Every method may be called from any thread."""

    def __init__(
        self, total: int | None = 0, done: int = 0, slots: int = 1, earlier: Iterable[Observation] = ()
    ) -> None:
        """
        :param total: trials of the sweep; None if that is open.
        :param done: those that an earlier start of the sweep ran.
        :param slots: how many run at once.
        :param earlier: what came of those.
        """
        self.total, self.slots = total, slots
        self._lock = threading.Lock()
        self._done = done
        self._outcomes: Counter[str] = Counter()
        self._running: dict[str, RunningTrial] = {}
        self._walls_s: list[float] = []
        for observation in earlier:
            self._count(observation)

    def started(self, trial: Trial) -> None:
        """A trial began."""
        with self._lock:
            self._running[trial.id] = RunningTrial(trial.label, time.monotonic())

    def status(
        self, trial: Trial, line: str, suspicious: bool, step: int | None = None, phase: str | None = None
    ) -> None:
        """A trial that runs says what it does."""
        with self._lock:
            if trial.id in self._running:
                self._running[trial.id] = replace(
                    self._running[trial.id], line=line, suspicious=suspicious, step=step, phase=phase
                )

    def finished(self, trial: Trial, observation: Observation | None) -> None:
        """A trial has its outcome, or was ended without one."""
        with self._lock:
            self._running.pop(trial.id, None)
            if observation is not None:
                self._done += 1
                self._count(observation)

    def _count(self, observation: Observation) -> None:
        self._outcomes[observation.headline] += 1
        if observation.wall_s is not None:
            self._walls_s.append(observation.wall_s)

    @property
    def done(self) -> int:
        """Trials with an outcome."""
        return self._done

    @property
    def outcomes(self) -> dict[str, int]:
        """How often each outcome occurred; most frequent first."""
        with self._lock:
            return dict(self._outcomes.most_common())

    @property
    def running(self) -> list[RunningTrial]:
        """What runs now, longest first."""
        with self._lock:
            return sorted(self._running.values(), key=lambda trial: trial.since)

    @property
    def left_s(self) -> float | None:
        """Roughly how long the rest takes, as if it went like the trials so far; None if nothing can be said yet."""
        with self._lock:
            if not self._walls_s or self.total is None:
                return None
            mean_s = sum(self._walls_s) / len(self._walls_s)
            spent_s = sum(min(time.monotonic() - trial.since, mean_s) for trial in self._running.values())
            return max(0.0, ((self.total - self._done) * mean_s - spent_s) / self.slots)
