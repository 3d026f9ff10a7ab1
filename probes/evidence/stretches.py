"""Silences that came and went: nothing in them hung, but in all they may be most of the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from probes import workers
from probes.evidence.disk import disk
from probes.evidence.observed import Observed
from probes.evidence.silence import stays_within
from probes.observer import Observations
from probes.progress import Progress
from probes.waits import Kind
from probes.waits.subject import find

_MIN_TIMES = 4
"""What happens now and then is a beginning, or housekeeping: compiling, loading, saving, filling a cache."""
_SHARE = 0.5


def silent_stretches(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """What is known of silences that are over; of interest where nothing is silent any more."""
    yield from _stretches(seen, progress)
    if seen.past_looks:
        pid = workers.trainer(seen, progress)
        subject = find([look.waits for look in seen.past_looks], pid)
        label = workers.label(subject.pid, pid, workers.numbers(seen, progress))
        yield from disk(seen.past_looks, subject.node, label, seen.at_s(seen.past_looks[-1].at_ns))


def _stretches(seen: Observations, progress: Progress) -> Iterator[Observed]:
    silent = [still for still in progress.standstills if still.ended and not still.moved]
    state = progress.state
    if len(silent) < _MIN_TIMES or state is None or _slept(seen, progress):
        return
    total_s, run_s = sum(still.lasted_s for still in silent), seen.at_s(state.last_event_ns)
    if total_s < _SHARE * run_s:
        return
    longest = max(silent, key=lambda still: still.lasted_s)
    yield Observed(
        "silent-stretches",
        seen.at_s(silent[0].since_ns),
        f"{len(silent)} times the step count stood still without any event, for up to {longest.lasted_s:.1f} s, mostly "
        f"in {longest.phase}: {total_s:.0f} of {run_s:.0f} s in all",
        {
            "phase": longest.phase,
            "times": len(silent),
            "longest_s": round(longest.lasted_s, 3),
            "total_s": round(total_s, 3),
            **_where(seen, progress),
        },
    )


def _where(seen: Observations, progress: Progress) -> dict[str, Any]:
    """Whose code the longest of these silences went round in."""
    pid = workers.trainer(seen, progress)
    subject = find([look.waits for look in seen.past_looks], pid)
    return {
        "process": workers.label(subject.pid, pid, workers.numbers(seen, progress)),
        "frames": [[f.function, f.file, f.line] for f in stays_within(seen.past_looks, subject)],
    }


def _slept(seen: Observations, progress: Progress) -> bool:
    """Whether the training, or the worker that it waited for, slept on purpose at every look."""
    pid = workers.trainer(seen, progress)
    waits = [look.waits.waits.get(find([look.waits], pid).node) for look in seen.past_looks]
    return bool(waits) and all(wait is not None and wait.kind is Kind.SLEEP for wait in waits)
