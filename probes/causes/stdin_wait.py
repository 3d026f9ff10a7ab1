"""A question to somebody who is not there: a read from standard input."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    wait = finding.wait
    return (
        finding.verdict is Verdict.BLOCKED
        and wait is not None
        and wait["kind"] == "input"
        and wait["descriptors"] == [0]
    )


CAUSE = Cause(
    id="waits-for-stdin",
    title="it reads from standard input, and nobody writes there",
    explanation=(
        "A read from standard input returns when a line comes. Under a scheduler, in a container or behind a pipe "
        "none ever does: a question that makes sense at a terminal stops the run for good, without a word if its "
        "prompt went to a file."
    ),
    advice=(
        "Take the question out, answer it by an option or an environment variable, or start the run with its "
        "input from /dev/null, so that the read fails at once and says so."
    ),
    reference="https://docs.python.org/3/library/functions.html#input",
    matches=_matches,
)
