"""A process of the run that was stopped."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    return finding.verdict is Verdict.BLOCKED and "stopped" in finding.details


CAUSE = Cause(
    id="process-stopped",
    title="a process that it needs was stopped (SIGSTOP) and not told to go on",
    explanation=(
        "A stopped process does nothing until it gets SIGCONT: Ctrl-Z, a background job that reads from the "
        "terminal, a debugger that left, a batch system that suspends. Whoever waits for it waits as long."
    ),
    advice="kill -CONT and the process id make it go on; then find out who stopped it.",
    reference="https://man7.org/linux/man-pages/man7/signal.7.html",
    matches=_matches,
)
