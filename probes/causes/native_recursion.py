"""A stack that was full."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    return finding.verdict is Verdict.CRASH and "stack-overflow" in finding.details


CAUSE = Cause(
    id="stack-full",
    title="the stack of a thread was full: calls had gone too deep",
    explanation=(
        "Each call takes a piece of its thread stack, 8 MB for the main thread as a rule. Recursion without an "
        "end, in native code or in Python with a raised recursion limit, runs past it, and the kernel ends the "
        "process with SIGSEGV."
    ),
    advice=(
        "Look at the function that repeats in the stack at the point of death. sys.setrecursionlimit does not "
        "make the stack larger; ulimit -s does."
    ),
    reference="https://docs.python.org/3/library/sys.html#sys.setrecursionlimit",
    matches=_matches,
)
