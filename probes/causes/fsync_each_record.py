"""Every record by itself is written through to the disk."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_OFTEN_PER_S = 20.0
_CALLS = frozenset({"fsync", "fdatasync", "sync", "syncfs"})


def _matches(finding: Finding) -> bool:
    waits = finding.details.get("waits-for-disk")
    return (
        finding.verdict in (Verdict.SLOW_PHASE, Verdict.BLOCKED)
        and waits is not None
        and waits["call"] in _CALLS
        and waits["per_s"] >= _OFTEN_PER_S
    )


CAUSE = Cause(
    id="fsync-each-record",
    title="it waits for the disk after every little thing that it writes",
    explanation=(
        "fsync returns only when the disk has said that the data is safe, which takes from a fraction of a "
        "millisecond to tens of them whether there is one byte to write or a megabyte. Called for every record, "
        "the waiting adds up to minutes, in which the processor has nothing to do."
    ),
    advice=(
        "Write many records and call fsync once, at the end of a rollout or with each checkpoint; logs need none "
        "at all. Where it is a database, put many rows into one transaction."
    ),
    reference="https://man7.org/linux/man-pages/man2/fsync.2.html",
    matches=_matches,
)
