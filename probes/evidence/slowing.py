"""A phase that takes ever longer."""

from __future__ import annotations

import math
from collections.abc import Iterator

from probes.evidence.observed import Observed
from probes.observer import Observations
from probes.pace import Slowing
from probes.progress import Progress

PHASES = {"callback": "callback", "advantage": "advantage", "minibatch": "train", "sample": "train"}
"""Phase that is followed to the one that a report names; all others are parts of ``collect``."""


def current(seen: Observations, progress: Progress) -> Slowing | None:
    """What takes ever longer: as it is now, or as it was established before and nothing since has contradicted."""
    found = progress.slowing()
    if found is not None or seen.slowing is None:
        return found
    now_s = progress.recent_call_s(seen.slowing.phase)
    first_s, last_s = seen.slowing.call_s[0], seen.slowing.call_s[-1]
    # Back on the way to where it began: the growth was passing.
    return None if now_s is not None and now_s < math.sqrt(first_s * last_s) else seen.slowing


def slowing(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """Says it where :mod:`probes.pace` finds one."""
    found = current(seen, progress)
    if found is None:
        return
    milliseconds = ", ".join(f"{call_s * 1e3:.3g}" for call_s in found.call_s)
    others = f", while {found.steady} takes {found.steady_growth:.2g} times what it took" if found.steady else ""
    yield Observed(
        "ever-slower",
        seen.at_s(seen.slowing_ns or seen.started_ns),
        f"a call of {found.phase} takes ever longer: {milliseconds} ms in six stretches of {found.window_s:.1f} s, "
        f"{found.growth:.1f} times as long in the end{others}; it is {found.share:.0%} of the time by now",
        {
            "phase": PHASES.get(found.phase, "collect"),
            "part": found.phase,
            "call_s": [round(call_s, 6) for call_s in found.call_s],
            "window_s": round(found.window_s, 3),
            "share": round(found.share, 3),
            "steady": found.steady,
            "steady_growth": round(found.steady_growth, 3) if found.steady_growth is not None else None,
        },
    )
