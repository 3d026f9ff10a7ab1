"""A loop that pauses and tries again, for ever."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    return finding.verdict is Verdict.SPIN and "naps-in-a-loop" in finding.details


CAUSE = Cause(
    id="retry-for-ever",
    title="it tries or looks again and again, with a short pause between, for something that does not come",
    explanation=(
        "The loop sleeps for a moment and starts over: an error that is caught and tried again although it is the same "
        "each time (a missing file, a value that can't be read), or a question whether something is there yet. "
        "Nothing in the loop counts how often, so it never ends, at next to no CPU."
    ),
    advice=(
        "Put a limit on the number of tries or on the time, and raise the last error when it is reached. Print that "
        "error once to see what fails; catch only the kinds that pass by themselves."
    ),
    reference="https://docs.python.org/3/library/time.html#time.sleep",
    matches=_matches,
)
