"""``[run]``, ``[weights]`` and ``[costs]``: how often, how long and in which order cells are run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matrix.designs import DESIGN_NAMES
from matrix.errors import expected_one_of
from matrix.plan.parameters import Level, as_word
from matrix.plan.plan import STOP_ON_FREEZE, TIMINGS, RunSettings
from matrix.plan.tables import Table

ADAPTIVE = "adaptive"
COVERING = "covering"
ONE_AT_A_TIME = "one-at-a-time"


def read_run(table: Table) -> RunSettings:
    """
    Reads ``[run]``.

    :raises MatrixError: a key is unknown, its value is not right, or it is of no use with the design.
    """
    table.allow_only(
        (
            *("repeats", "seeds", "jobs", "limit_s", "threads_per_cell", "expected_s", "stop_on_freeze", "timing"),
            *("design", "strength", "max_trials", "budget_s", "verify_remedies"),
        )
    )
    design = table.choice("design", RunSettings.design, DESIGN_NAMES)
    for key, only in (("strength", COVERING), ("max_trials", ADAPTIVE), ("budget_s", ADAPTIVE)):
        if key in table.values and design != only:
            table.fail(key, f'of no use to the design {design!r}; drop it, or write design = "{only}"')
    if design == ADAPTIVE and "repeats" in table.values:
        table.fail("repeats", "an adaptive design decides itself what to repeat; drop it, and use max_trials")
    given = table.values
    return RunSettings(
        repeats=table.whole("repeats", RunSettings.repeats, minimum=1),
        seeds=table.wholes("seeds", RunSettings.seeds, minimum=0),
        jobs=table.whole("jobs", 1, minimum=1) if "jobs" in given else None,
        limit_s=table.seconds("limit_s", RunSettings.limit_s),
        threads_per_cell=table.whole("threads_per_cell", RunSettings.threads_per_cell, minimum=1),
        design=design,
        strength=table.whole("strength", RunSettings.strength, minimum=2),
        max_trials=table.whole("max_trials", 1, minimum=1) if "max_trials" in given else None,
        budget_s=table.seconds("budget_s", 1) if "budget_s" in given else None,
        expected_s=table.seconds("expected_s", 1) if "expected_s" in given else None,
        stop_on_freeze=table.choice("stop_on_freeze", RunSettings.stop_on_freeze, STOP_ON_FREEZE),
        timing=table.choice("timing", RunSettings.timing, TIMINGS),
        verify_remedies=table.flag("verify_remedies", default=RunSettings.verify_remedies),
    )


def read_weights(table: Table, factors: Mapping[str, Sequence[Level]]) -> dict[str, dict[str, int]]:
    """
    Reads ``[weights]``: factor to level to how many times as often its cells are run.

    :raises MatrixError: no such factor or level, or no whole number.
    """
    table.allow_only(factors, "factor")
    weights = {}
    for factor in table.values:
        levels = table.table(factor)
        _allow_levels(levels, factors[factor])
        weights[factor] = {level: levels.whole(level, 1, minimum=1) for level in levels.values}
    return weights


def read_costs(table: Table, factors: Mapping[str, Sequence[Level]]) -> dict[str, dict[str, float]]:
    """
    Reads ``[costs]``: factor to level to the seconds that it adds to a trial. A number instead of levels is for each
    level but the ordinary one, as for what has to be built first.

    :raises MatrixError: no such factor or level, or no number of seconds.
    """
    table.allow_only(factors, "factor")
    costs = {}
    for factor, given in table.values.items():
        if isinstance(given, dict):
            levels = table.table(factor)
            _allow_levels(levels, factors[factor])
            costs[factor] = {level: levels.seconds(level, 1) for level in levels.values}
        else:
            added_s = table.seconds(factor, 1)
            costs[factor] = {as_word(level): added_s for level in factors[factor][1:]}
    return costs


def _allow_levels(table: Table, levels: Sequence[Level]) -> None:
    known = [as_word(level) for level in levels]
    for level in table.values:
        if level not in known:
            table.fail(level, f"no level of this factor; {expected_one_of(level, known)}")
