"""Logistic regression of failure on all factors at once, where the trials allow one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matrix.analysis.effects import Struck
from matrix.analysis.results import Result
from matrix.plan.parameters import Level

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EVENTS_PER_PARAMETER = 10
_Z_95 = 1.959964


@dataclass(frozen=True)
class OddsRatio:
    """By what a level multiplies the odds of failing, all other factors being the same."""

    factor: str
    level: Level
    against: Level
    """The level that it is compared with."""
    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Regression:
    """The odds ratios, or the reason why there are none."""

    odds_ratios: tuple[OddsRatio, ...] = ()
    why_not: str | None = None
    """A clause that goes on after "because"; None if it was fitted."""


def logistic(factors: Mapping[str, Sequence[Level]], results: Sequence[Result], struck: Struck) -> Regression:
    """
    Main effects by maximum likelihood, with Wald intervals of 95 %.

    Fitted only where that means something: at least ten trials of the rarer outcome for each parameter (P. Peduzzi and
    others, Journal of Clinical Epidemiology 49, 1996), no level that others give away, and no separation, under which
    the likelihood has no maximum (A. Albert, J. A. Anderson, Biometrika 71, 1984).

    :param factors: those of which two levels or more ran, each with its levels; the others are compared with the first.
    :param results: trials of the design that ran.
    """
    # Here, because a sweep that is only run needs none of it, and importing it takes a while.
    import numpy as np

    cells: dict[tuple[Level, ...], list[int]] = {}
    for result in results:
        tally = cells.setdefault(tuple(result.trial.cell.levels.get(factor) for factor in factors), [0, 0])
        tally[0] += struck(result)
        tally[1] += 1
    hits = sum(had for had, _ in cells.values())
    misses = len(results) - hits
    if not factors:
        return Regression(why_not="no factor has two levels that ran")
    if hits == 0 or misses == 0:
        return Regression(why_not="all runs came to the same")
    columns = _columns(factors, cells)
    x = np.array([[1.0, *(float(key[place] == level) for place, level, _ in columns)] for key in cells])
    k, n = np.array(list(cells.values()), dtype=float).T
    if np.linalg.matrix_rank(x) < x.shape[1]:
        return Regression(why_not="some levels ran only together, so that their shares can't be told apart")
    if _is_separated(x, k, n):
        return Regression(
            why_not="some levels, or a sum of them, tell the runs that count from the others without exception, "
            "so that the odds have no finite estimate (separation)"
        )
    parameters, names = x.shape[1], tuple(factors)
    if min(hits, misses) < _EVENTS_PER_PARAMETER * parameters:
        return Regression(
            why_not=f"{parameters} parameters need {_EVENTS_PER_PARAMETER * parameters} runs of either outcome, and "
            f"there are {min(hits, misses)} of the rarer one"
        )
    beta, deviation = _fit(x, k, n)
    return Regression(
        tuple(
            OddsRatio(
                names[place],
                level,
                against,
                *(math.exp(beta[at] + z * deviation[at]) for z in (0.0, -_Z_95, _Z_95)),
            )
            for at, (place, level, against) in enumerate(columns, 1)
        )
    )


def _columns(
    factors: Mapping[str, Sequence[Level]], cells: Iterable[tuple[Level, ...]]
) -> list[tuple[int, Level, Level]]:
    """(Place of the factor, level, level that it is compared with) of each indicator but the constant."""
    ran = [set(levels) for levels in zip(*cells, strict=True)]
    found = []
    for place, levels in enumerate(factors.values()):
        first, *others = [level for level in levels if level in ran[place]]
        found += [(place, level, first) for level in others]
    return found


def _is_separated(x: NDArray[np.float64], k: NDArray[np.float64], n: NDArray[np.float64]) -> bool:
    """
    Whether some direction orders the outcomes, in full or but for ties: found by linear programming (K. Konis, Linear
    programming algorithms for detecting separated data in binary logistic regression models, Oxford 2007).
    """
    import numpy as np
    from scipy.optimize import linprog

    signed = np.concatenate([x[k > 0], -x[k < n]])
    found = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1))
    return bool(found.status == 0 and -found.fun > 1e-6)


def _fit(x: NDArray[np.float64], k: NDArray[np.float64], n: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Coefficients and their standard errors, for ``k`` hits in ``n`` trials at each row of ``x``."""
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import expit

    def loss(beta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        eta = x @ beta
        value = (n * np.logaddexp(0.0, eta) - k * eta).sum()
        return float(value), x.T @ (n * expit(eta) - k)

    beta = minimize(loss, np.zeros(x.shape[1]), jac=True, method="BFGS").x
    weight = n * expit(x @ beta) * (1 - expit(x @ beta))
    covariance = np.linalg.inv(x.T @ (weight[:, None] * x))
    return list(map(float, beta)), list(map(float, np.sqrt(np.diag(covariance))))
