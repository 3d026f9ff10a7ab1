"""An allocation that was refused."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.tracebacks import is_memory_error
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    error = finding.error
    return (
        finding.verdict is Verdict.OOM
        and error is not None
        and is_memory_error(error.type, error.message)
        and "CUDA" not in error.message
        and error.type != "OutOfMemoryError"
    )


CAUSE = Cause(
    id="allocation-refused",
    title="an allocation was refused: the process had all the memory that it may have, or asked for more than there is",
    explanation=(
        "The process was not killed: it asked, got nothing and raised an error, at a place that need not be the "
        "one that had used the memory up. The limit may be one on its address space (ulimit -v), or the "
        "kernel's on what it promises in all."
    ),
    advice=(
        "See how much was asked for in the message: a single large piece points at one array or minibatch, a "
        "small one at something that has grown all along."
    ),
    reference="https://man7.org/linux/man-pages/man2/setrlimit.2.html",
    matches=_matches,
)
