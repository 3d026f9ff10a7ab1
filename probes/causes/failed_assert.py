"""An assertion of native code that does not hold."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    words = finding.details.get("last-words", {})
    return finding.verdict is Verdict.CRASH and words.get("kind") == "assertion" and finding.signal == "SIGABRT"


CAUSE = Cause(
    id="failed-assertion",
    title="an assertion in native code did not hold, which ends the process",
    explanation=(
        "assert() in C and C++ checks what its writer took for granted, prints the condition with its file and "
        "line, and aborts. It is about the arguments the code was given, or about a mistake of its own."
    ),
    advice=(
        "See the condition in the evidence, and what the Python function above it had passed; for a library, "
        "look for that condition in its reports."
    ),
    reference="https://man7.org/linux/man-pages/man3/assert.3.html",
    matches=_matches,
)
