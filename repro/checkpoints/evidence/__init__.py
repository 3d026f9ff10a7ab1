"""
What speaks for and against a checkpoint: each function looks at one thing and says what it saw.

A new one is written in a module here and named in ``OBSERVERS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from repro.checkpoints.case import Case, Observed
from repro.checkpoints.evidence import against, counters, episodes, ledger, optimiser, schedules, weights

Observer = Callable[[Case], Iterable[Observed]]

OBSERVERS: tuple[Observer, ...] = (
    optimiser.steps,
    counters.progress,
    counters.never_learnt,
    counters.updates,
    counters.epochs,
    optimiser.counts,
    optimiser.uncounted,
    schedules.learning_rate,
    schedules.exploration,
    episodes.episodes,
    weights.there,
    weights.untrained,
    against.against,
    ledger.ledger,
)


def observe(case: Case) -> list[Observed]:
    """All that is seen of a case."""
    return [item for observer in OBSERVERS for item in observer(case)]
