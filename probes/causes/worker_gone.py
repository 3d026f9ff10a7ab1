"""A worker that is no more, and a pipe that stays open."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    dead = finding.details.get("peer-is-dead")
    return finding.verdict is Verdict.BLOCKED and dead is not None and str(dead.get("process")).startswith("worker")


CAUSE = Cause(
    id="worker-gone",
    title="a worker has died, and its pipe is still held open by others, so that the parent waits for ever",
    explanation=(
        "The parent learns of the end of a worker by the end of its pipe. Workers that were forked later, or the "
        "parent itself, hold copies of that pipe: while one of them lives, the read does not end. Why the worker "
        "died is the question; the parent only shows that it waits."
    ),
    advice=(
        "Look at how the worker ended, as told here. With start_method=forkserver or spawn the pipes are not "
        "inherited, and the same death becomes an EOFError at once."
    ),
    reference="https://man7.org/linux/man-pages/man7/pipe.7.html",
    matches=_matches,
)
