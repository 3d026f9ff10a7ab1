"""An array on the stack that was written past its end."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    said = finding.details.get("heap-message", {})
    return finding.verdict is Verdict.CRASH and said.get("family") == "stack-smash"


CAUSE = Cause(
    id="stack-smashed",
    title="a native function wrote past the end of an array on its own stack",
    explanation=(
        "Compilers put a known value behind a function's arrays and look at it before it returns. Another value "
        "there means that the function, or one that it gave such an array to, wrote too far."
    ),
    advice=("Look at the function at the point of death: its arrays, and what it copies into them."),
    reference="https://cwe.mitre.org/data/definitions/121.html",
    matches=_matches,
)
