"""What an adaptive design has come to believe: its trials told to it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matrix.analysis.results import Result
from matrix.plan.plan import Plan
from matrix.results.lacking import lack_the_same

if TYPE_CHECKING:
    from matrix.designs.explanations import Explanation

_KEPT = 10


@dataclass(frozen=True)
class Search:
    """The state of an adaptive search."""

    conclusion: Explanation | None
    """None as long as no explanation is probable enough."""
    believed: tuple[tuple[Explanation, float], ...]
    """The most probable explanations with their probabilities, 0..1; the most probable first."""
    trials: int
    """How many it took."""
    failed: int


def replay(plan: Plan, results: Sequence[Result]) -> Search | None:
    """
    Tells the design all that ran, as the sweep did.

    :param results: all trials that have an outcome, in the order in which they ended.
    :return: None if nothing ran.
    """
    # Here, because most sweeps have another design, and importing it takes a while.
    from matrix.designs.adaptive import Adaptive

    ran = [result for result in results if result.ran and result.in_design]
    if not ran:
        return None
    known = {result.trial.cell.id for result in ran}
    lacking = [result for result in results if not result.ran and result.trial.cell.id not in known]
    # What can't be had here was taken from among the candidates.
    candidates = [
        cell
        for cell in plan.cells
        if cell.why is None
        and (cell.id in known or not any(lack_the_same(r.trial.cell, cell, r.observation.outcome) for r in lacking))
    ]
    places = {cell.id: place for place, cell in enumerate(candidates)}
    design = Adaptive(plan.factors, [{name: cell.levels[name] for name in plan.factors} for cell in candidates])
    for result in ran:
        design.tell(places[result.trial.cell.id], result.failed)
    return Search(
        design.conclusion, tuple(design.posterior()[:_KEPT]), len(ran), sum(result.failed for result in ran)
    )  # fmt: skip
