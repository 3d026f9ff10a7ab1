"""What followed a schedule remembers how far training had come: the learning rate, the exploration rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from repro.checkpoints.case import Case, Observed, Verdict
from repro.checkpoints.pickles import Global, Made

_CLOSE = 1e-6
_LEEWAY = 0.02
"""Of the whole: off-policy updates may lie some steps behind the progress."""


def learning_rate(case: Case) -> Iterator[Observed]:
    """The optimiser's learning rate, set from the progress at each update, against the schedule."""
    rates = {
        group.learning_rate
        for item in case.checkpoint.optimisers.values()
        for group in item.groups
        if item.taken and group.learning_rate is not None
    }
    if len(rates) != 1 or not case.claim:
        return
    rate = rates.pop()
    schedule = _schedule(case.checkpoint.data.value("lr_schedule"))
    constant = case.checkpoint.data.number("learning_rate")
    if constant is not None:
        if not math.isclose(rate, constant, rel_tol=_CLOSE):
            yield Observed(
                "learning-rate-differs",
                f"the optimiser's learning rate is {rate:g}, the model's {constant:g}: it was loaded with another one",
            )
        return
    if schedule is None:
        if "learning_rate" in case.checkpoint.data:
            yield Observed("schedule-unread", "the learning rate followed a function, which is not executed here")
        return
    first, last, fraction = schedule
    if case.total is None or case.remaining is None or case.position is None or first == last:
        return
    expected = _at(schedule, case.remaining)
    if math.isclose(rate, expected, rel_tol=1e-4, abs_tol=_LEEWAY * abs(last - first)):
        yield Observed(
            "schedule-fits", f"the optimiser's learning rate {rate:g} is that of the schedule at this progress"
        )
        return
    place = round(case.total * (rate - first) / (last - first) * fraction)
    yield Observed(
        "schedule-elsewhere",
        f"the schedule from {first:g} to {last:g} gives {expected:g} at step {case.position:,}; the optimiser's "
        f"learning rate is {rate:g}, as at step {place:,}",
        Verdict.COUNTER_EDITED if 0 <= place < case.position else Verdict.INCONSISTENT,
        shown=max(0, min(place, case.claim)),
    )


def exploration(case: Case) -> Iterator[Observed]:
    """DQN's exploration rate, set after each step from the progress."""
    names = ("exploration_rate", "exploration_initial_eps", "exploration_final_eps", "exploration_fraction")
    rate, first, last, fraction = (case.checkpoint.data.number(name) for name in names)
    if rate is None or first is None or last is None or not fraction or case.remaining is None:
        return
    if case.position is None or first == last:
        return
    expected = _at((first, last, fraction), case.remaining)
    if not math.isclose(rate, expected, rel_tol=_CLOSE, abs_tol=_CLOSE):
        yield Observed(
            "exploration-elsewhere",
            f"exploration_rate is {rate:g}, and {expected:g} is what it is at step {case.position:,}, where the "
            "progress says that training stood",
            Verdict.COUNTER_EDITED if (rate - expected) * (first - last) > 0 else Verdict.INCONSISTENT,
        )


def _schedule(value: Any) -> tuple[float, float, float] | None:
    """First value, last value and the fraction of a linear schedule of stable-baselines3; None if it is another."""
    for _ in range(4):
        if not isinstance(value, Made) or not isinstance(value.function, Global):
            return None
        state = value.state if isinstance(value.state, dict) else {}
        if value.by("stable_baselines3.common.utils.LinearSchedule"):
            parts = [state.get(name) for name in ("start", "end", "end_fraction")]
            numbers = [float(part) for part in parts if isinstance(part, (int, float)) and math.isfinite(part)]
            return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 and numbers[2] > 0 else None
        value = state.get("value_schedule")
    return None


def _at(schedule: tuple[float, float, float], remaining: float) -> float:
    first, last, fraction = schedule
    done = 1 - remaining
    return last if done > fraction else first + done * (last - first) / fraction
