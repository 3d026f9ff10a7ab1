"""Names of runs, levels, shares and differences as a sweep's report shows them."""

from __future__ import annotations

from collections.abc import Sequence

from matrix.analysis.analysis import Analysis, Result
from matrix.analysis.confounding import At
from matrix.analysis.rates import Estimate, Rate
from matrix.plan.cells import Cell
from reports import markdown as md
from reports import wording


def level(at: At) -> str:
    """`` `adapter=on` ``"""
    return md.code(f"{at[0]}={at[1]}")


def levels(ats: Sequence[At]) -> str:
    """`` `adapter=on` and `env=v3` ``"""
    return wording.listed([level(at) for at in ats])


def hits(rate: Rate) -> str:
    """``4 of 36``"""
    return f"{rate.hits} of {rate.trials}"


def likely(rate: Rate) -> str:
    """``10 and 42 %``: the ends of the interval."""
    return f"{rate.low * 100:.0f} and {rate.high * 100:.0f} %"


def points(estimate: Estimate | None) -> str:
    """``+40 points (12 to 61)``"""
    if estimate is None:
        return "—"
    value, low, high = (round(share * 100) for share in (estimate.value, estimate.low, estimate.high))
    sign = "+" if value > 0 else ""
    return f"{sign}{value} points ({low} to {high})".replace("-", "−")


def label(analysis: Analysis, result: Result) -> str:
    """The trial's label without the levels that all trials that ran have in common."""
    return _short(analysis, result.trial.label)


def cell_label(analysis: Analysis, cell: Cell) -> str:
    """The same of a cell's."""
    return _short(analysis, cell.label)


def _short(analysis: Analysis, name: str) -> str:
    return " ".join(word for word in name.split(" ") if word not in analysis.common) or name
