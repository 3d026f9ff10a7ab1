"""What could not be run here tells of what else can't."""

from __future__ import annotations

from matrix.plan.cells import DEVICE, Cell
from matrix.results.observation import Outcome


def lack_the_same(cell: Cell, other: Cell, outcome: Outcome) -> bool:
    """
    Whether ``other`` can't be run either, for the same reason as ``cell``.

    :param outcome: what came of ``cell``, other than that it ran.
    """
    if outcome is Outcome.UNSATISFIABLE:
        return cell.versions == other.versions
    if outcome is Outcome.SKIPPED:
        return cell.levels.get(DEVICE) == other.levels.get(DEVICE)
    return cell.id == other.id
