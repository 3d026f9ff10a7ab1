"""
The judge: which verdict the evidence comes to.

Evidence that speaks for a falsehood is made so that it can't come about honestly, so one piece is enough; of several,
the one that says most comes first. What the base shows explains what the file alone can't: steps that another model's
optimiser took, or a count that was carried over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repro.checkpoints.case import Observed, Verdict

ORDER = (
    Verdict.WEIGHTS_REPLACED,
    Verdict.COUNTER_EDITED,
    Verdict.INCONSISTENT,
    Verdict.OPTIMISER_RESET,
    Verdict.CANNOT_TELL,
    Verdict.TRAINED,
)
"""What is found first wins."""
_SHORT = ("optimiser-short", "updates-short", "other-settings-before", "other-settings-throughout", "broken-off-before")
EXPLAINED = {
    "optimiser-fits-since-base": (*_SHORT, "optimiser-since-start"),
    "optimiser-younger-than-base": _SHORT,
    "copied-from-base": ("set-by-hand", "optimiser-empty", "optimiser-short"),
    "same-as-base": ("optimiser-short", "updates-short", "epochs-without-steps", "other-settings-throughout"),
    "other-settings-throughout": ("updates-short", "epochs-without-steps"),
}
"""Evidence, mostly of an honest base, and what it takes the force from."""


@dataclass(frozen=True)
class Judgement:
    """The outcome."""

    verdict: Verdict
    grounds: tuple[Observed, ...]
    """The evidence that speaks for it, the most telling first."""
    overruled: tuple[Observed, ...]
    """Evidence for another verdict that something else explains, or that says less."""


def judge(observed: Sequence[Observed], claim: int, *, honest_base: bool = True) -> Judgement:
    """
    Weighs all that was seen.

    :param claim: the steps that are claimed.
    :param honest_base: whether the base, if there is one, is what it claims to be itself.
    """
    kinds = {item.kind for item in observed}
    explained = {kind for base, explains in EXPLAINED.items() if base in kinds and honest_base for kind in explains}
    counted = [item for item in observed if item.speaks_for is not None and item.kind not in explained]
    for verdict in ORDER:
        grounds = tuple(item for item in counted if item.speaks_for is verdict)
        if grounds:
            overruled = (item for item in observed if item.speaks_for not in (None, verdict))
            return Judgement(verdict, grounds, tuple(overruled))
    return Judgement(Verdict.CANNOT_TELL if claim else Verdict.TRAINED, (), ())
