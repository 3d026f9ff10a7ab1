"""
Known causes: a matcher on evidence, an explanation in plain words, a reference, and what helps.

One file per cause; a new one is added to ``CAUSES``. A matcher needs positive evidence: no match is better than
a wrong one.
"""

from __future__ import annotations

from probes.causes import lstm_batch_first, n_steps_changed, recurrent_update_loop
from probes.causes.interface import Cause, Finding

CAUSES: tuple[Cause, ...] = (recurrent_update_loop.CAUSE, lstm_batch_first.CAUSE, n_steps_changed.CAUSE)


def recognise(finding: Finding) -> Cause | None:
    """The known cause that fits, if one does."""
    return next((cause for cause in CAUSES if cause.matches(finding)), None)


def by_id(cause_id: str | None) -> Cause | None:
    """The cause with that id; None if there is none."""
    return next((cause for cause in CAUSES if cause.id == cause_id), None)


__all__ = ["CAUSES", "Cause", "Finding", "by_id", "recognise"]
