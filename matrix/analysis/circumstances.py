"""What was different on the machine when a flaky cell failed: other trials beside it, a busy or throttled machine."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from matrix.analysis.flaky import FlakyCell
from matrix.analysis.results import Result
from matrix.analysis.significance import holm

_RECORDED: Mapping[str, str] = {
    "beside": "The number of other trials beside it",
    "load_before": "The load average before",
    "steal": "The share of its cores that the hypervisor took",
    "throttled_s": "The seconds that it was throttled for",
}
"""Field of an observation to its name in words."""
_LEAST_CELLS = 6
"""With fewer, not even cells that all differ in the same direction are unlikely enough by chance."""


@dataclass(frozen=True)
class Circumstance:
    """One reading, compared within cells: of the runs that failed, and of those that did not."""

    says: str
    cells: int
    failed: float
    """Mean over the cells of the mean of their failed runs."""
    others: float
    adjusted: float
    """
    p-value of Wilcoxon's signed-rank test over the cells (F. Wilcoxon, Biometrics Bulletin 1, 1945), adjusted for the
    readings that were compared.
    """


def circumstances(cells: Iterable[FlakyCell]) -> tuple[Circumstance, ...]:
    """
    Every recorded reading that can be compared: known of a failed and of a healthy run in six cells or more.

    Within cells, since a cell that fails often may well be one that needs more of the machine.
    """
    groups = [cell.results for cell in cells]
    found = []
    for field, says in _RECORDED.items():
        pairs = [pair for results in groups if (pair := _means(results, field)) is not None]
        differing = [failed - others for failed, others in pairs if failed != others]
        if len(differing) < _LEAST_CELLS:
            continue
        # Here, because a sweep that is only run needs none of it, and importing it takes a second.
        from scipy.stats import wilcoxon

        p_value = float(wilcoxon(differing).pvalue)
        failed, others = (statistics.fmean(side) for side in zip(*pairs, strict=True))
        found.append((says, len(pairs), failed, others, p_value))
    adjusted = holm([row[-1] for row in found])
    return tuple(
        Circumstance(says, number, failed, others, p_value)
        for (says, number, failed, others, _), p_value in zip(found, adjusted, strict=True)
        if p_value is not None
    )


def _means(results: Iterable[Result], field: str) -> tuple[float, float] | None:
    """Of the failed and of the other runs of a cell; None if one of them has no reading."""
    sides: dict[bool, list[float]] = {True: [], False: []}
    for result in results:
        value = getattr(result.observation, field)
        if value is not None:
            sides[result.failed].append(value)
    return (statistics.fmean(sides[True]), statistics.fmean(sides[False])) if all(sides.values()) else None
