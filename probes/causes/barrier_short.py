"""A barrier at which not all parties arrive."""

from __future__ import annotations

from probes.causes import standing
from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_OF_BARRIER = frozenset({"_wait", "_enter"})


def _matches(finding: Finding) -> bool:
    rows = finding.frames
    own = standing.calls_of_standard_library(rows, "/threading.py")
    arrived = standing.waits_on_condition(rows) and own[-1:] == ["wait"] and bool(_OF_BARRIER & set(own))
    return finding.verdict is Verdict.DEADLOCK and arrived and standing.nobody_in_process(finding)


CAUSE = Cause(
    id="barrier-short-of-a-party",
    title="it waits at a barrier at which not all of its parties can arrive any more",
    explanation=(
        "Barrier.wait lets nobody pass until as many threads wait as the barrier was made for. One of them has ended "
        "early or stands somewhere else, so the count is never reached."
    ),
    advice=(
        "Let every party call abort() on its way out by an error or an early return, or make the barrier with a time "
        "limit (Barrier(n, timeout=60)): both turn the wait into a BrokenBarrierError for all."
    ),
    reference="https://docs.python.org/3/library/threading.html#barrier-objects",
    matches=_matches,
)
