"""Collections of a growing heap."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_MOST = 0.5
"""Share of the slow phase's samples: what it spends most of its time with."""


def _matches(finding: Finding) -> bool:
    spent = finding.details.get("slow-part", {})
    return finding.verdict is Verdict.SLOWDOWN and (spent.get("collecting") or 0.0) >= _MOST


CAUSE = Cause(
    id="gc-collections",
    title="the garbage collector goes through all objects again and again, and there are ever more of them",
    explanation=(
        "A full collection looks at every container object that is alive. Where each step or callback asks for "
        "one (gc.collect), or makes so many objects that Python does by itself, its time grows with what the "
        "run keeps."
    ),
    advice=(
        "Don't call gc.collect in a step or callback; call gc.freeze() once all is built, and keep records in "
        "arrays instead of many small objects."
    ),
    reference="https://docs.python.org/3/library/gc.html",
    matches=_matches,
)
