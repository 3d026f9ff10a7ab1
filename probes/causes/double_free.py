"""A block that was freed twice."""

from __future__ import annotations

import re

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_CERTAIN = re.compile(
    r"(?:free\(\): )?double free detected in tcache \d|double free or corruption \(fasttop\)|"
    r"AddressSanitizer: attempting double-free"
)
"""Messages of checks that find the very block among the free ones; the others may mean an overwritten header."""


def _matches(finding: Finding) -> bool:
    said = finding.details.get("heap-message", {})
    return finding.verdict is Verdict.CRASH and _CERTAIN.match(str(said.get("message") or "")) is not None


CAUSE = Cause(
    id="double-free",
    title="native code freed a block of memory a second time",
    explanation=(
        "The block was among the free ones already as it was given back. In Python programs that is a C "
        "library's function called twice for one object, or two wrappers that both believe to own it."
    ),
    advice=(
        "Look at the function at the point of death: it freed the block the second time; set pointers to NULL "
        "once freed, and give each object one owner. Under AddressSanitizer the first free is told too."
    ),
    reference="https://cwe.mitre.org/data/definitions/415.html",
    matches=_matches,
)
