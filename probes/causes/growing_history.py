"""Each step works through a history that only grows."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_MOST = 0.5
"""Share of the slow phase's samples: what it spends most of its time with."""


def _matches(finding: Finding) -> bool:
    spent = finding.details.get("slow-part", {})
    return finding.verdict is Verdict.SLOWDOWN and (spent.get("copying") or 0.0) >= _MOST


CAUSE = Cause(
    id="growing-history",
    title="each call copies or converts all that has gathered since the beginning",
    explanation=(
        "A list, a frame or an array that each step adds to is turned into an array, joined or copied as a "
        "whole each time. Each call costs as much as there is: ten times the steps cost a hundred times the "
        "time."
    ),
    advice=(
        "Keep only what is needed (a deque with maxlen), write into an array that was allocated once, or bring "
        "the result up to date instead of computing it anew."
    ),
    reference="https://numpy.org/doc/stable/reference/generated/numpy.append.html",
    matches=_matches,
)
