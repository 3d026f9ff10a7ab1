"""Whether an outcome goes with a factor at all: exact tests, and what many of them are worth together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

_Outcome = TypeVar("_Outcome", bound=Hashable)
_RESAMPLES = 9999
_MANY = 2000
"""Trials from which on random tables take seconds, and the large-sample test is as good."""


def fisher_exact(rows: Sequence[Mapping[_Outcome, int]]) -> float | None:
    """
    The p-value of "rows and columns have nothing to do with each other".

    Fisher's exact test (R. A. Fisher, The Design of Experiments, 1935); for tables larger than 2 × 2 the Freeman-Halton
    extension (Biometrika 38, 1951), by 9,999 random tables from a fixed seed, or by Pearson's chi-squared test where
    there are more than 2,000 trials and five or more are expected in each field.

    :param rows: one per level: outcome to count.
    :return: in (0, 1]; 1 if all ended alike; None for fewer than two rows.
    """
    if len(rows) < 2:
        return None
    columns = sorted({outcome for row in rows for outcome in row}, key=str)
    if len(columns) < 2:
        return 1.0
    # Here, because a sweep that is only run needs none of it, and importing it takes a second.
    import numpy as np
    from scipy import stats

    table = [[row.get(outcome, 0) for outcome in columns] for row in rows]
    if len(rows) == len(columns) == 2:
        return float(stats.fisher_exact(table).pvalue)
    total = sum(map(sum, table))
    if total > _MANY:
        tested = stats.chi2_contingency(table)
        if tested.expected_freq.min() >= 5:
            return float(tested.pvalue)
    method = stats.MonteCarloMethod(n_resamples=_RESAMPLES, rng=0)
    found = stats.fisher_exact(table, method=method).pvalue
    return float(np.asarray(found).item())  # some tables get an array of one


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """
    The p-values as they must be read when all of them are looked at: the chance of one false alarm or more stays 5 %
    when those below 0.05 are believed (S. Holm, Scandinavian Journal of Statistics 6, 1979).

    :param p_values: None for what was not tested; it does not count, and stays None.
    """
    tested = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (value, place) in enumerate(tested):
        least = max(least, min(1.0, value * (len(tested) - rank)))
        adjusted[place] = least
    return adjusted
