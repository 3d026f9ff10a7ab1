"""What is known, and what is not, of a process that FreezeLab did not start."""

from __future__ import annotations

from collections.abc import Iterator

from probes.evidence.observed import Observed
from probes.observer import Observations
from probes.progress import Progress


def attached(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """Nothing for a run that was watched from its start."""
    if not seen.attached:
        return
    yield Observed("attached", 0.0, "somebody had reason to look at this process while it ran", {})
    if progress.state is None:
        yield Observed(
            "no-agent",
            0.0,
            "there is no agent inside, which would have told: the phase and the step count, whether any event comes "
            "from inside and how long such a pause usually is, what the calls of an update are, the checksums of the "
            "buffers, and the error or the stack that a process of the family died with; "
            "freezelab run -- COMMAND starts it with one",
            {},
        )


def moves(seen: Observations, progress: Progress) -> bool:
    """Whether it is known that the process that was attached to makes progress."""
    return (
        seen.attached
        and bool(seen.looks)
        and progress.state is not None
        and not progress.is_silent(seen.looks[-1].at_ns)
    )  # fmt: skip
