"""A phase that takes ever longer."""

from __future__ import annotations

from collections.abc import Iterator

from probes.evidence.observed import Observed
from probes.observer import Observations
from probes.progress import Progress

PHASES = {"callback": "callback", "advantage": "advantage", "minibatch": "train", "sample": "train"}
"""Phase that is followed to the one that a report names; all others are parts of ``collect``."""


def slowing(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """Says it where :mod:`probes.pace` finds one."""
    found = progress.slowing()
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
